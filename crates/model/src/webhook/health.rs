//! How an endpoint has answered lately, and when it is given up.
//!
//! It counts attempts, whichever event they were for: an endpoint that takes anything at all is alive.

use serde::{Deserialize, Serialize};

use super::answer::WebhookAnswer;
use crate::UnixMs;

/// What is known of an endpoint's answers. Stored as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WebhookHealth {
    /// The first attempt that failed since the last success.
    pub failing_since: Option<UnixMs>,
    /// Attempts that failed since the last success.
    pub failures: u32,
    /// The last attempt that was taken.
    pub last_success_at: Option<UnixMs>,
    /// The last attempt that was not.
    pub last_failure_at: Option<UnixMs>,
    /// What came of that one, in words.
    pub last_failure: Option<String>,
}

/// Fewest failures in a row before an endpoint is given up. Where events are rare, two of them a week apart say little.
const FEWEST_FAILURES: u32 = 10;

const DAY_MS: i64 = 86_400_000;

impl WebhookHealth {
    /// Adds the answer to one attempt.
    pub fn record(&mut self, answer: &WebhookAnswer, now: UnixMs) {
        if answer.is_success() {
            self.last_success_at = Some(now);
            self.forgive();
        } else {
            self.failing_since.get_or_insert(now);
            self.failures = self.failures.saturating_add(1);
            self.last_failure_at = Some(now);
            self.last_failure = Some(answer.sentence());
        }
    }

    /// Whether nothing was taken for so many days, over at least ten attempts.
    #[must_use]
    pub fn is_hopeless(&self, days: u16, now: UnixMs) -> bool {
        let patience = i64::from(days) * DAY_MS;
        self.failures >= FEWEST_FAILURES
            && self
                .failing_since
                .is_some_and(|since| now.saturating_sub(since) >= patience)
    }

    /// Forgets the failures in a row.
    pub fn forgive(&mut self) {
        self.failing_since = None;
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(failures: u32, since: UnixMs) -> WebhookHealth {
        let mut health = WebhookHealth::default();
        for _ in 0..failures {
            health.record(&WebhookAnswer::answered(503), since);
        }
        health
    }

    #[test]
    fn both_days_and_attempts_are_needed() {
        for (failures, now, hopeless) in [
            (0, 9 * DAY_MS, false),
            (9, 9 * DAY_MS, false),
            (10, 5 * DAY_MS - 1, false),
            (10, 5 * DAY_MS, true),
            (11, 5 * DAY_MS, true),
        ] {
            assert_eq!(
                health(failures, 0).is_hopeless(5, now),
                hopeless,
                "{failures} {now}"
            );
        }
        assert!(health(10, 7).is_hopeless(1, 7 + DAY_MS));
        let mut recovered = health(10, 0);
        recovered.record(&WebhookAnswer::answered(200), 4 * DAY_MS);
        assert!(!recovered.is_hopeless(5, 9 * DAY_MS));
        assert_eq!(
            (recovered.failures, recovered.last_success_at),
            (0, Some(4 * DAY_MS))
        );
        assert!(recovered.last_failure.is_some(), "history is kept");
    }

    #[test]
    fn health_of_an_older_version_is_read() {
        assert_eq!(
            serde_json::from_str::<WebhookHealth>("{}").unwrap(),
            WebhookHealth::default()
        );
        let failing = health(2, 5);
        let json = serde_json::to_string(&failing).unwrap();
        assert_eq!(
            serde_json::from_str::<WebhookHealth>(&json).unwrap(),
            failing
        );
    }
}
