//! At most so many in so long: a sliding window, exact, for triggers ("at most 3 an hour for each
//! user") and for the frequency caps of preferences.
//!
//! The state is the latest times of what was allowed, never more than the rule's maximum: a few bytes
//! each when stored. They may come in any order: what was accepted first may be written last.

use crate::codec::{Reader, Unreadable, put_uint};
use crate::{UnixMs, duration};
use serde::{Deserialize, Serialize};

/// Largest maximum of a rule.
pub const MAX_MAX: u16 = 1_000;
/// Longest period of a rule.
pub const MAX_PER_MS: i64 = 31 * 86_400_000;

/// Longest time from accepting to writing that is reckoned with.
const MAX_LATE_MS: i64 = 60_000;

/// A rule: `{"max": 3, "per": "1h"}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Throttle {
    /// At most so many: 1 to [`MAX_MAX`].
    pub max: u16,
    /// In any period so long, in milliseconds: 1 second to [`MAX_PER_MS`].
    pub per_ms: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    max: u16,
    per: String,
}

impl TryFrom<Written> for Throttle {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let per_ms = duration::parse_ms(&written.per).map_err(|why| format!("per: {why}"))?;
        if !(1_000..=MAX_PER_MS).contains(&per_ms) {
            return Err(format!("per: expected 1s to 31d, found {:?}", written.per));
        }
        if !(1..=MAX_MAX).contains(&written.max) {
            return Err(format!(
                "max: expected 1 to {MAX_MAX}, found {}",
                written.max
            ));
        }
        Ok(Self {
            max: written.max,
            per_ms,
        })
    }
}

impl From<Throttle> for Written {
    fn from(rule: Throttle) -> Self {
        Self {
            max: rule.max,
            per: duration::format_ms(rule.per_ms),
        }
    }
}

/// What was allowed lately.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThrottleState {
    /// Ascending.
    times: Vec<UnixMs>,
}

/// Whether one more is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThrottleDecision {
    /// Yes.
    Allowed,
    /// No, and not before this.
    Denied {
        /// The first instant at which one will be.
        next_allowed_at: UnixMs,
    },
}

const VERSION: u8 = 1;

impl ThrottleState {
    /// Whether one more is allowed at `now`, without counting it.
    #[must_use]
    pub fn peek(&self, rule: Throttle, now: UnixMs) -> ThrottleDecision {
        // Also later ones count: they may be in one window with it. The one that must have left the window before another may come.
        let limit = self.times.len().checked_sub(usize::from(rule.max));
        match limit.and_then(|at| self.times.get(at)) {
            Some(time) if time.saturating_add(rule.per_ms) > now => ThrottleDecision::Denied {
                next_allowed_at: time.saturating_add(rule.per_ms),
            },
            _ => ThrottleDecision::Allowed,
        }
    }

    /// Counts one at `now`, if it is allowed.
    pub fn take(&mut self, rule: Throttle, now: UnixMs) -> ThrottleDecision {
        let decision = self.peek(rule, now);
        if decision == ThrottleDecision::Allowed {
            let at = self.times.partition_point(|time| *time <= now);
            self.times.insert(at, now);
            let too_many = self.times.len().saturating_sub(usize::from(rule.max));
            self.times.drain(..too_many);
        }
        decision
    }

    /// From when on nothing of it matters for `rule`, so that it need not be kept: also not for what was accepted up to a
    /// minute ago and is written then.
    #[must_use]
    pub fn keep_until(&self, rule: Throttle) -> UnixMs {
        let last = self.times.last().copied().unwrap_or(0);
        last.saturating_add(rule.per_ms).saturating_add(MAX_LATE_MS)
    }

    /// The stored form: the first time, and each as its distance from the one before.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        let mut last = 0;
        for time in &self.times {
            let time = (*time).max(0);
            put_uint(&mut out, (time - last) as u64);
            last = time;
        }
        out
    }

    /// Reads the stored form.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut reader = Reader::new("throttle", VERSION, bytes)?;
        let mut times = Vec::new();
        let mut last = 0i64;
        while !reader.is_empty() {
            let step = i64::try_from(reader.uint()?).ok();
            let time = step.and_then(|step| last.checked_add(step));
            last = time.ok_or_else(|| reader.error("time over 63 bits"))?;
            if times.len() >= usize::from(MAX_MAX) {
                return Err(reader.error("too many times"));
            }
            times.push(last);
        }
        Ok(Self { times })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ThrottleDecision::{Allowed, Denied};
    use proptest::prelude::*;

    const RULE: Throttle = Throttle {
        max: 2,
        per_ms: 10_000,
    };

    #[test]
    fn rules_are_read_strictly() {
        let rule: Throttle = serde_json::from_str(r#"{"max":3,"per":"1h"}"#).unwrap();
        assert_eq!((rule.max, rule.per_ms), (3, 3_600_000));
        assert_eq!(
            serde_json::to_string(&rule).unwrap(),
            r#"{"max":3,"per":"1h"}"#
        );
        for (bad, part) in [
            (r#"{"max":0,"per":"1h"}"#, "max: expected 1 to 1000"),
            (r#"{"max":1001,"per":"1h"}"#, "max: expected 1 to 1000"),
            (r#"{"max":1,"per":"1"}"#, "per: expected a duration"),
            (r#"{"max":1,"per":"32d"}"#, "1s to 31d"),
            (r#"{"max":1,"per":"1h","x":1}"#, "unknown field"),
        ] {
            let error = serde_json::from_str::<Throttle>(bad).unwrap_err();
            assert!(error.to_string().contains(part), "{bad}: {error}");
        }
    }

    #[test]
    fn a_story() {
        let mut state = ThrottleState::default();
        assert_eq!(state.take(RULE, 1_000), Allowed);
        assert_eq!(state.take(RULE, 4_000), Allowed);
        let denied = Denied {
            next_allowed_at: 11_000,
        };
        assert_eq!(state.take(RULE, 4_001), denied);
        assert_eq!(state.take(RULE, 10_999), denied);
        assert_eq!(state.peek(RULE, 11_000), Allowed);
        assert_eq!(state.take(RULE, 11_000), Allowed);
        // Accepted before, written after: with it there would be three from 4,000 to 11,000.
        let denied = Denied {
            next_allowed_at: 14_000,
        };
        assert_eq!(state.take(RULE, 10_990), denied);
        // A rule that became stricter looks at the latest.
        let stricter = Throttle { max: 1, ..RULE };
        assert_eq!(
            state.peek(stricter, 15_000),
            Denied {
                next_allowed_at: 21_000
            }
        );
        assert_eq!(state.keep_until(RULE), 81_000);
    }

    /// One that is written late counts as accepted when it was, and the others keep their distance.
    #[test]
    fn what_is_written_late_is_in_its_own_window() {
        let mut state = ThrottleState::default();
        for now in [0, 1_000, 11_500] {
            assert_eq!(state.take(RULE, now), Allowed, "{now}");
        }
        let denied = Denied {
            next_allowed_at: 11_000,
        };
        assert_eq!(state.take(RULE, 9_990), denied, "the third from 0 on");
        assert_eq!(state.take(RULE, 11_100), Allowed);
        assert_eq!(state.keep_until(RULE), 81_500);
    }

    #[test]
    fn golden() {
        let mut state = ThrottleState::default();
        state.take(RULE, 300);
        state.take(RULE, 301);
        assert_eq!(state.encode(), [1, 0xac, 2, 1]);
    }

    proptest! {
        #[test]
        fn never_more_than_the_maximum_in_any_window(
            steps in proptest::collection::vec(0i64..4_000, 1..200), max in 1u16..6, per_ms in 1_000i64..20_000
        ) {
            let rule = Throttle { max, per_ms };
            let (mut state, mut now, mut allowed) = (ThrottleState::default(), 0, Vec::new());
            for step in steps {
                now += step;
                // What is stored decides like what is in memory.
                state = ThrottleState::decode(&state.encode()).unwrap();
                let in_window = allowed.iter().filter(|time| **time > now - per_ms).count();
                match state.take(rule, now) {
                    Allowed => {
                        prop_assert!(in_window < usize::from(max));
                        allowed.push(now);
                    }
                    Denied { next_allowed_at } => {
                        prop_assert!(in_window >= usize::from(max), "denied for nothing");
                        prop_assert!(next_allowed_at > now);
                        prop_assert_eq!(state.peek(rule, next_allowed_at), Allowed);
                        let denied = state.peek(rule, next_allowed_at - 1);
                        prop_assert_eq!(denied, Denied { next_allowed_at });
                    }
                }
                prop_assert!(state.times.len() <= usize::from(max));
            }
        }

        #[test]
        fn nor_where_they_are_written_in_another_order(
            steps in proptest::collection::vec(
                (prop_oneof![0i64..4_000, 20_000i64..90_000], 0..MAX_LATE_MS), 1..200,
            ),
            max in 1u16..6,
            per_ms in 1_000i64..20_000,
        ) {
            let rule = Throttle { max, per_ms };
            let (mut state, mut clock) = (ThrottleState::default(), 10_000);
            let mut allowed: Vec<i64> = Vec::new();
            for (step, late) in steps {
                clock += step;
                if state.keep_until(rule) <= clock {
                    state = ThrottleState::default();
                }
                let now = clock - late;
                let after = allowed.iter().filter(|time| **time > now - per_ms).count();
                match state.take(rule, now) {
                    Allowed => allowed.push(now),
                    Denied { .. } => prop_assert!(after >= usize::from(max), "denied for nothing"),
                }
            }
            allowed.sort_unstable();
            for some in allowed.windows(usize::from(max) + 1) {
                prop_assert!(some[usize::from(max)] - some[0] >= per_ms, "{some:?}");
            }
        }

        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(state) = ThrottleState::decode(&bytes) {
                let _ = state.peek(RULE, i64::MAX);
            }
        }
    }
}
