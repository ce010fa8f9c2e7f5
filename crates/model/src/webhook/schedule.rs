//! When a webhook is sent again: a value with tests, not a sleep.
//!
//! The delays are those that Standard Webhooks 1.0.0 recommends: many soon, for a receiver that restarts; some over days,
//! for one that nobody looks after at the weekend.

use super::answer::{WebhookAnswer, WebhookResult};
use crate::UnixMs;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// Nominal delays after the first, second, … ninth failed attempt, in milliseconds: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h,
/// 20 h, 24 h. The tenth attempt, 75 h 35 min 5 s after the first if nothing is added, is the last.
pub const RETRY_DELAYS_MS: [i64; 9] = [
    5 * SECOND,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
    24 * HOUR,
];

/// Longest wait that a receiver can ask for.
const MAX_WAIT_MS: i64 = 24 * HOUR;

/// How long a receiver that is overwhelmed, and does not say for how long, is left alone.
const DEFAULT_QUIET_MS: i64 = 10 * SECOND;

/// A delay grows by up to one part in this many.
const JITTER: u64 = 5;

/// The instant of the next attempt after attempt number `attempt` (from 1) came to this; `None` when there is none: it was
/// taken, the receiver is gone, or that was the last.
///
/// `random` (any `u32`) adds up to a fifth to the delay, so that what failed together does not return together. What an
/// overwhelmed receiver asks for ([`WebhookAnswer::quiet_until`]) is a floor under it.
#[must_use]
pub fn next_attempt_at(
    attempt: u16,
    answer: &WebhookAnswer,
    now: UnixMs,
    random: u32,
) -> Option<UnixMs> {
    if answer.is_success() || answer.is_gone() {
        return None;
    }
    let nominal = *RETRY_DELAYS_MS.get(usize::from(attempt.max(1)) - 1)?;
    let jitter = (nominal as u64 / JITTER) * u64::from(random) / u64::from(u32::MAX);
    let at = now.saturating_add(nominal + jitter as i64);
    Some(answer.quiet_until(now).map_or(at, |quiet| quiet.max(at)))
}

impl WebhookAnswer {
    /// Until when nothing at all should be sent to the endpoint, because it is overwhelmed (429, 502, 503, 504): as its
    /// `Retry-After` asks, at most 24 h; 10 s if it does not ask.
    #[must_use]
    pub fn quiet_until(&self, now: UnixMs) -> Option<UnixMs> {
        let WebhookResult::Answered { retry_after, .. } = &self.result else {
            return None;
        };
        let wait = retry_after.map_or(DEFAULT_QUIET_MS, |asked| asked.wait_ms(now));
        self.is_overload()
            .then(|| now.saturating_add(wait.min(MAX_WAIT_MS)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::answer::{FailedPhase, RetryAfter};
    use super::*;

    fn asking(status: u16, after: RetryAfter) -> WebhookAnswer {
        let mut answer = WebhookAnswer::answered(status);
        if let WebhookResult::Answered { retry_after, .. } = &mut answer.result {
            *retry_after = Some(after);
        }
        answer
    }

    #[test]
    fn ten_attempts_over_three_days() {
        let answer = WebhookAnswer::failed(FailedPhase::Connect, "refused");
        let mut now = 0;
        for attempt in 1..10 {
            now = next_attempt_at(attempt, &answer, now, 0).unwrap();
        }
        assert_eq!(now, 75 * HOUR + 35 * MINUTE + 5 * SECOND);
        assert_eq!(next_attempt_at(10, &answer, now, 0), None);
        assert_eq!(next_attempt_at(u16::MAX, &answer, now, 0), None);
        assert_eq!(next_attempt_at(1, &answer, 0, u32::MAX), Some(6 * SECOND));
    }

    #[test]
    fn what_each_status_does_to_the_schedule() {
        for (status, next) in [
            (200, None),
            (204, None),
            (301, Some(5 * SECOND)),
            (308, Some(5 * SECOND)),
            (400, Some(5 * SECOND)),
            (404, Some(5 * SECOND)),
            (410, None),
            (429, Some(10 * SECOND)),
            (500, Some(5 * SECOND)),
            (503, Some(10 * SECOND)),
        ] {
            assert_eq!(
                next_attempt_at(1, &WebhookAnswer::answered(status), 0, 0),
                next,
                "{status}"
            );
        }
    }

    #[test]
    fn retry_after_is_a_floor_for_the_overwhelmed_alone() {
        let minute = RetryAfter::Secs(60);
        for (attempt, answer, next) in [
            (1, asking(429, minute), 60 * SECOND),
            (1, asking(502, minute), 60 * SECOND),
            (1, asking(503, RetryAfter::At(90_000)), 90 * SECOND),
            (1, asking(504, RetryAfter::Secs(1)), 5 * SECOND),
            (2, asking(429, minute), 5 * MINUTE),
            (1, asking(429, RetryAfter::Secs(u64::MAX)), 24 * HOUR),
            (9, asking(429, RetryAfter::At(i64::MAX)), 24 * HOUR),
            (1, asking(500, minute), 5 * SECOND),
            (1, asking(302, minute), 5 * SECOND),
        ] {
            assert_eq!(
                next_attempt_at(attempt, &answer, 0, 0),
                Some(next),
                "{attempt} {answer:?}"
            );
        }
        assert_eq!(asking(429, minute).quiet_until(1_000), Some(61_000));
        assert_eq!(asking(500, minute).quiet_until(1_000), None);
    }

    proptest! {
        #[test]
        fn stays_in_its_window(attempt in 1u16..10, now in 0i64..1_000_000_000_000, random: u32, secs in proptest::option::of(any::<u64>())) {
            let answer = secs.map_or(WebhookAnswer::answered(500), |secs| asking(503, RetryAfter::Secs(secs)));
            let nominal = RETRY_DELAYS_MS[usize::from(attempt) - 1];
            let at = next_attempt_at(attempt, &answer, now, random).unwrap();
            prop_assert!(at >= now + nominal);
            prop_assert!(at <= now + (nominal + nominal / 5).max(MAX_WAIT_MS));
            if secs.is_none() {
                prop_assert!(at <= now + nominal + nominal / 5);
            }
        }
    }
}
