//! How fast the slices of a campaign follow each other.

use crate::problem::FieldProblem;
use crate::{UnixMs, duration};
use serde::{Deserialize, Serialize};

/// Most deliveries a second that can be asked for.
const MAX_PER_SECOND: u32 = 1_000_000;
/// Longest time over which an audience is spread, in milliseconds: 30 days.
const MAX_OVER_MS: i64 = 30 * 86_400_000;
/// What is late by less than this is made up for; after a longer rest the pace begins anew.
const CATCH_UP_MS: i64 = 1_000;

/// How fast a campaign goes: `{"per_second": 500}` or `{"over": "30m"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// At most so many deliveries begin in a second.
    PerSecond(u32),
    /// All of them, or those of each wave, begin spread over so long a time.
    Over(String),
}

impl Pace {
    /// What is wrong with it.
    #[must_use]
    pub fn problem(&self) -> Option<FieldProblem> {
        match self {
            Self::PerSecond(1..=MAX_PER_SECOND) => None,
            Self::PerSecond(found) => Some(FieldProblem::new(
                "/pace/per_second",
                "campaign.pace",
                format!(
                    "expected 1 to {MAX_PER_SECOND} deliveries a second, found {found}: leave pace out to send as fast as possible, or pause the campaign to send nothing"
                ),
            )),
            Self::Over(text) => {
                let wrong =
                    |message| Some(FieldProblem::new("/pace/over", "campaign.pace", message));
                match duration::parse_ms(text) {
                    Ok(1_000..=MAX_OVER_MS) => None,
                    Ok(_) => wrong(format!(
                        "expected 1s to 30d, found {text:?}: leave pace out to send as fast as possible"
                    )),
                    Err(sentence) => wrong(sentence),
                }
            }
        }
    }

    /// The same as a rate for an audience, or a wave, of so many devices.
    #[must_use]
    pub fn rate(&self, devices: u64) -> Rate {
        match self {
            Self::PerSecond(count) => Rate {
                devices: (*count).max(1).into(),
                per_ms: 1_000,
            },
            Self::Over(text) => Rate {
                devices: devices.max(1),
                // It was read when it was accepted.
                per_ms: duration::parse_ms(text).unwrap_or(1_000).max(1),
            },
        }
    }
}

/// So many devices in so many milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    devices: u64,
    per_ms: i64,
}

impl Rate {
    /// How many devices go together: what is due in a second, at least one and at most `slice_size`.
    #[must_use]
    pub fn together(self, slice_size: u32) -> u32 {
        let a_second = u128::from(self.devices) * 1_000 / self.per_ms as u128;
        let most = u128::from(slice_size.max(1));
        a_second.clamp(1, most) as u32
    }

    /// When the next ones go, after `made` that were due at `due_at` have gone at `now`.
    #[must_use]
    pub fn next_at(self, due_at: UnixMs, now: UnixMs, made: u32) -> UnixMs {
        let pause = i128::from(made) * i128::from(self.per_ms) / i128::from(self.devices);
        let is_late = now.saturating_sub(due_at) < CATCH_UP_MS;
        let from = if is_late { due_at } else { now };
        from.saturating_add(i64::try_from(pause).unwrap_or(i64::MAX))
    }

    /// In how many milliseconds so many devices go.
    #[must_use]
    pub fn takes_ms(self, devices: u64) -> i64 {
        let ms = u128::from(devices) * self.per_ms as u128 / u128::from(self.devices);
        i64::try_from(ms).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_pace_is_named() {
        for (json, is_fine) in [
            (r#"{"per_second": 1}"#, true),
            (r#"{"per_second": 0}"#, false),
            (r#"{"per_second": 1000001}"#, false),
            (r#"{"over": "30m"}"#, true),
            (r#"{"over": "0s"}"#, false),
            (r#"{"over": "31d"}"#, false),
            (r#"{"over": "soon"}"#, false),
        ] {
            let pace: Pace = serde_json::from_str(json).unwrap();
            let problem = pace.problem();
            assert_eq!(problem.is_none(), is_fine, "{json}: {problem:?}");
        }
        for json in [
            r#"{}"#,
            r#"{"per_second": 1, "over": "1m"}"#,
            r#"{"per_second": -1}"#,
        ] {
            assert!(serde_json::from_str::<Pace>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn a_pace_begins_with_one_slice_and_makes_up_for_short_delays_alone() {
        let rate = Pace::PerSecond(1).rate(0);
        let now = 1_800_000_000_000;
        assert_eq!(rate.next_at(0, now, 1), now + 1_000, "its first");
        assert_eq!(rate.next_at(now, now + 999, 1), now + 1_000, "late");
        assert_eq!(rate.next_at(now, now + 1_000, 1), now + 2_000, "anew");
        assert_eq!(rate.next_at(now, now + 60_000, 1), now + 61_000, "anew");
    }

    #[test]
    fn a_slow_pace_has_small_slices() {
        assert_eq!(Pace::PerSecond(7).rate(1).together(1_000), 7);
        assert_eq!(Pace::PerSecond(7_000).rate(1).together(1_000), 1_000);
        let over = Pace::Over("1h".into());
        assert_eq!(over.rate(100).together(1_000), 1);
        assert_eq!(over.rate(3_600_000).together(1_000), 1_000);
        assert_eq!(over.rate(0).takes_ms(0), 0);
    }

    proptest! {
        /// Whatever the slices are, no second has more than the pace, but for what a short delay left.
        #[test]
        fn a_pace_is_kept(per_second in 1u32..5_000, slice in 1u32..=1_000, delays in proptest::collection::vec(0i64..3_000, 1..200)) {
            let rate = Pace::PerSecond(per_second).rate(0);
            let together = rate.together(slice);
            let (start, mut due_at, mut now) = (1_000_000i64, 0i64, 1_000_000i64);
            let mut made = 0u64;
            for delay in delays {
                now = now.max(due_at) + delay;
                made += u64::from(together);
                due_at = rate.next_at(due_at, now, together);
                let seconds = (now - start) as f64 / 1e3;
                // The first slice, and what is due since; a millisecond is lost to each slice at most.
                let most = f64::from(per_second) * seconds + f64::from(together);
                let lost = made as f64 / f64::from(together) * f64::from(per_second) / 1e3;
                prop_assert!(made as f64 <= most + lost + 1.0, "{made} in {seconds} s at {per_second}");
            }
        }

        #[test]
        fn all_of_an_audience_goes_over_the_time(devices in 1u64..20_000_000, seconds in 1i64..86_400) {
            let rate = Pace::Over(format!("{seconds}s")).rate(devices);
            prop_assert_eq!(rate.takes_ms(devices), seconds * 1_000);
            let together = rate.together(1_000);
            prop_assert!((1..=1_000).contains(&together));
            prop_assert!(rate.next_at(5_000, 5_000, together) >= 5_000);
        }
    }
}
