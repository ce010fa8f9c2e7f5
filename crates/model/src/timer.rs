//! Timers: what is to happen later. Each is a row with an instant; when it has come, the Scheduler makes
//! the effect, which is always rows, never IO.
//!
//! Here is what kinds there are, what becomes of a timer whose time passed while nobody looked, and when a
//! timer that could not fire is tried again.

use crate::{UnixMs, duration};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TimerKind {
    /// A send at a time; its subject is the notification's number.
    Send,
    /// A schedule; its subject is the definition's number.
    Schedule,
    /// A Live Activity's next moment; its subject is the activity's number.
    LiveActivity,
    /// A monitor's next moment besides its checks; its subject is the definition's number.
    Watch,
}

impl TimerKind {
    /// All, in the order of [`Self::code`].
    pub const ALL: [Self; 4] = [Self::Send, Self::Schedule, Self::LiveActivity, Self::Watch];

    /// The number that stands for it in the store: from 1.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Send => 1,
            Self::Schedule => 2,
            Self::LiveActivity => 3,
            Self::Watch => 4,
        }
    }

    /// Reads [`Self::code`].
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// The word used in events, logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Schedule => "schedule",
            Self::LiveActivity => "live_activity",
            Self::Watch => "monitor",
        }
    }
}

impl fmt::Display for TimerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What becomes of a timer whose time passed while nobody looked: the process was down, or the clock
/// jumped. In JSON `"fire"`, `"skip"` or `{"fire_if_late_by_under": "10m"}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum MissedRun {
    /// It fires, however late.
    #[default]
    Fire,
    /// It does not fire.
    Skip,
    /// It fires if it is late by less than so many milliseconds.
    FireIfLateByUnder(i64),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Written {
    Fire,
    Skip,
    FireIfLateByUnder(String),
}

impl TryFrom<Written> for MissedRun {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::Fire => Ok(Self::Fire),
            Written::Skip => Ok(Self::Skip),
            Written::FireIfLateByUnder(text) => match duration::parse_ms(&text)? {
                0 => Err("fire_if_late_by_under: expected more than 0s; to fire never when late, say \"skip\"".to_owned()),
                ms => Ok(Self::FireIfLateByUnder(ms)),
            },
        }
    }
}

impl From<MissedRun> for Written {
    fn from(missed: MissedRun) -> Self {
        match missed {
            MissedRun::Fire => Self::Fire,
            MissedRun::Skip => Self::Skip,
            MissedRun::FireIfLateByUnder(ms) => Self::FireIfLateByUnder(duration::format_ms(ms)),
        }
    }
}

impl MissedRun {
    /// Whether a timer that was due at `due_at` fires at `now`. Nothing fires to the millisecond: what is
    /// late by at most `grace_ms` was not missed, whatever the policy.
    ///
    /// ```
    /// use carillon_model::timer::MissedRun;
    /// assert!(MissedRun::Skip.fires(1_000, 1_050, 100));
    /// assert!(!MissedRun::Skip.fires(1_000, 2_000, 100));
    /// ```
    #[must_use]
    pub fn fires(self, due_at: UnixMs, now: UnixMs, grace_ms: i64) -> bool {
        let late = now.saturating_sub(due_at);
        late <= grace_ms
            || match self {
                Self::Fire => true,
                Self::Skip => false,
                Self::FireIfLateByUnder(ms) => late < ms,
            }
    }

    /// The number that stands for it in the store: -1 fires, 0 skips, above that it is the longest time.
    #[must_use]
    pub fn code(self) -> i64 {
        match self {
            Self::Fire => -1,
            Self::Skip => 0,
            Self::FireIfLateByUnder(ms) => ms.max(1),
        }
    }

    /// Reads [`Self::code`].
    #[must_use]
    pub fn from_code(code: i64) -> Option<Self> {
        match code {
            -1 => Some(Self::Fire),
            0 => Some(Self::Skip),
            1.. => Some(Self::FireIfLateByUnder(code)),
            _ => None,
        }
    }
}

/// How often a timer that cannot fire is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerPatience {
    /// Tries in all. After the last the timer is set aside.
    pub tries: u16,
    /// Pause after the first, in milliseconds; it doubles with each.
    pub backoff_ms: u32,
    /// Longest pause, in milliseconds.
    pub backoff_max_ms: u32,
}

impl TimerPatience {
    /// When it is tried again after `attempts` failed (1 or more); `None`: it is set aside.
    #[must_use]
    pub fn next_try_at(&self, attempts: u16, now: UnixMs) -> Option<UnixMs> {
        if attempts >= self.tries {
            return None;
        }
        let doublings = u32::from(attempts.saturating_sub(1)).min(31);
        let pause = (u64::from(self.backoff_ms) << doublings).min(self.backoff_max_ms.into());
        Some(now.saturating_add(pause as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn codes_and_words_read_back() {
        for kind in TimerKind::ALL {
            assert_eq!(TimerKind::from_code(kind.code()), Some(kind));
        }
        assert_eq!(TimerKind::from_code(0), None);
        for (missed, json) in [
            (MissedRun::Fire, r#""fire""#),
            (MissedRun::Skip, r#""skip""#),
            (
                MissedRun::FireIfLateByUnder(600_000),
                r#"{"fire_if_late_by_under":"10m"}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&missed).unwrap(), json);
            assert_eq!(serde_json::from_str::<MissedRun>(json).unwrap(), missed);
            assert_eq!(MissedRun::from_code(missed.code()), Some(missed));
        }
        assert_eq!(MissedRun::from_code(-2), None);
        for bad in [
            r#""later""#,
            r#"{"fire_if_late_by_under":"soon"}"#,
            r#"{"fire_if_late_by_under":"0s"}"#,
        ] {
            assert!(serde_json::from_str::<MissedRun>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_was_missed() {
        let under = MissedRun::FireIfLateByUnder(1_000);
        for (missed, late, fires) in [
            (MissedRun::Fire, 1_000_000, true),
            (MissedRun::Skip, 0, true),
            (MissedRun::Skip, 100, true),
            (MissedRun::Skip, 101, false),
            (under, 999, true),
            (under, 1_000, false),
            (MissedRun::FireIfLateByUnder(10), 100, true),
            (MissedRun::Skip, -50, true),
        ] {
            assert_eq!(
                missed.fires(5_000, 5_000 + late, 100),
                fires,
                "{missed:?} {late}"
            );
        }
    }

    #[test]
    fn tries_have_an_end() {
        let patience = TimerPatience {
            tries: 5,
            backoff_ms: 1_000,
            backoff_max_ms: 3_000,
        };
        let at = |attempts| patience.next_try_at(attempts, 10);
        assert_eq!(
            [at(1), at(2), at(3), at(4), at(5)],
            [Some(1_010), Some(2_010), Some(3_010), Some(3_010), None]
        );
    }

    proptest! {
        #[test]
        fn nothing_overflows(attempts: u16, tries: u16, backoff_ms: u32, now: i64, due: i64, code: i64) {
            let patience = TimerPatience { tries, backoff_ms, backoff_max_ms: u32::MAX };
            if let Some(at) = patience.next_try_at(attempts, now) {
                prop_assert!(at >= now);
            }
            if let Some(missed) = MissedRun::from_code(code) {
                let _ = missed.fires(due, now, 0);
            }
        }
    }
}
