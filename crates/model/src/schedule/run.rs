//! Runs of a schedule: what came of each time at which it was due, and what to do about times that
//! passed while nobody looked.

use super::{Occurrence, SchedulePlan};
use crate::UnixMs;

/// Most missed times that are counted one by one. Of more it is said that there were at least so many.
pub const MAX_COUNTED: u32 = 10_000;

const HOUR_MS: i64 = 3_600_000;

/// Why a run happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunCause {
    /// It was due.
    Due,
    /// Somebody asked for it.
    Asked,
}

impl RunCause {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Due, Self::Asked];

    /// The number that stands for it in the store: from 1.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Due => 1,
            Self::Asked => 2,
        }
    }

    /// Reads [`Self::code`].
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.code() == code)
    }

    /// The word used in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Asked => "asked",
        }
    }
}

/// What came of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunResult {
    /// A notification was accepted.
    Sent,
    /// Its time passed while nobody looked, and the schedule says not to send it now.
    Skipped,
    /// The notification was refused: the run says why.
    Failed,
}

impl RunResult {
    /// All.
    pub const ALL: [Self; 3] = [Self::Sent, Self::Skipped, Self::Failed];

    /// The number that stands for it in the store: from 1.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Sent => 1,
            Self::Skipped => 2,
            Self::Failed => 3,
        }
    }

    /// Reads [`Self::code`].
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|result| result.code() == code)
    }

    /// The word used in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }
}

/// What to do about a schedule whose time has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Times that passed and are not made up for; `None`: there are none.
    pub skipped: Option<Skipped>,
    /// The time for which it fires now; `None`: for none.
    pub fires: Option<UnixMs>,
    /// When it is due next; `None`: never again.
    pub next: Option<Occurrence>,
}

/// Times that are not made up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The first of them.
    pub first: UnixMs,
    /// The last of them that was counted.
    pub last: UnixMs,
    /// How many: at least so many where it is [`MAX_COUNTED`].
    pub count: u32,
}

impl SchedulePlan {
    /// What to do at `now` about one that was due at `due_at`. However many times passed since then, at
    /// most the latest of them fires, and only if it is not missed by the schedule's own policy; what is
    /// late by at most `grace_ms` is not missed at all.
    #[must_use]
    pub fn turn(&self, due_at: UnixMs, now: UnixMs, grace_ms: i64) -> Turn {
        let (mut latest, mut next) = (due_at, self.next(due_at));
        let mut passed: Option<Skipped> = None;
        let skip = |passed: &mut Option<Skipped>, at| match passed {
            Some(skipped) => (skipped.last, skipped.count) = (at, skipped.count + 1),
            None => {
                *passed = Some(Skipped {
                    first: at,
                    last: at,
                    count: 1,
                });
            }
        };
        while let Some(found) = next.filter(|found| found.at <= now) {
            skip(&mut passed, latest);
            (latest, next) = (found.at, self.next(found.at));
            if passed.is_some_and(|skipped| skipped.count + 1 >= MAX_COUNTED) {
                // Nobody wants to know by one; how long it was away is in the instants.
                latest = self.latest(now).unwrap_or(latest);
                next = self.next(now);
                break;
            }
        }
        if self.missed().fires(latest, now, grace_ms) {
            return Turn {
                skipped: passed,
                fires: Some(latest),
                next,
            };
        }
        skip(&mut passed, latest);
        Turn {
            skipped: passed,
            fires: None,
            next,
        }
    }

    /// The last time at or before `now`, of one that is due often.
    fn latest(&self, now: UnixMs) -> Option<UnixMs> {
        // The shortest look back that holds one holds few.
        let looks = [HOUR_MS, 24 * HOUR_MS, 31 * 24 * HOUR_MS, 366 * 24 * HOUR_MS];
        looks.into_iter().find_map(|back| {
            let first = self.next(now.saturating_sub(back))?;
            let times = std::iter::successors(Some(first), |last| self.next(last.at));
            let passed = times.take_while(|found| found.at <= now);
            passed.last().map(|found| found.at)
        })
    }
}

/// How far behind a time that fired already the clock of whoever stores the definition may be.
const REPEAT_GUARD_MS: i64 = 300_000;

/// From when on a definition looks for its next time that was stored at `stored_at`. It may have waited while a time of the
/// former one fired (`last_due_at`), which must not fire again. One far ahead came of a clock that was wrong, and counts
/// for nothing.
#[must_use]
pub fn looks_from(stored_at: UnixMs, last_due_at: Option<UnixMs>) -> UnixMs {
    let ahead = last_due_at.map_or(0, |last| last.saturating_sub(stored_at));
    match ahead {
        1..=REPEAT_GUARD_MS => stored_at + ahead,
        _ => stored_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::ScheduleDefinition;
    use serde_json::{Value, json};

    const MINUTE: i64 = 60_000;
    /// 2026-11-28T12:00:00Z.
    const NOON: UnixMs = 1_795_867_200_000;

    fn plan(cron: &str, missed: Value) -> SchedulePlan {
        let definition: ScheduleDefinition = serde_json::from_value(json!({
            "cron": cron, "time_zone": "UTC", "missed": missed, "notification": {"target": {"all": true}}
        }))
        .unwrap();
        definition.plan().unwrap()
    }

    #[test]
    fn codes_read_back() {
        for cause in RunCause::ALL {
            assert_eq!(RunCause::from_code(cause.code()), Some(cause));
        }
        for result in RunResult::ALL {
            assert_eq!(RunResult::from_code(result.code()), Some(result));
        }
        assert_eq!(
            (RunCause::from_code(0), RunResult::from_code(0)),
            (None, None)
        );
    }

    #[test]
    fn in_time_it_fires_and_is_due_again() {
        let turn = plan("*/10 * * * *", json!("skip")).turn(NOON, NOON + 40, 1_000);
        assert_eq!((turn.skipped, turn.fires), (None, Some(NOON)));
        assert_eq!(turn.next.unwrap().at, NOON + 10 * MINUTE);
    }

    #[test]
    fn of_many_missed_times_at_most_the_latest_fires() {
        let now = NOON + 35 * MINUTE;
        let skipped = |minutes: i64, count| {
            Some(Skipped {
                first: NOON,
                last: NOON + minutes * MINUTE,
                count,
            })
        };
        for (missed, fires, expected) in [
            (json!("fire"), Some(NOON + 30 * MINUTE), skipped(20, 3)),
            (json!("skip"), None, skipped(30, 4)),
            (
                json!({"fire_if_late_by_under": "6m"}),
                Some(NOON + 30 * MINUTE),
                skipped(20, 3),
            ),
            (json!({"fire_if_late_by_under": "5m"}), None, skipped(30, 4)),
        ] {
            let turn = plan("*/10 * * * *", missed.clone()).turn(NOON, now, 1_000);
            assert_eq!((turn.fires, turn.skipped), (fires, expected), "{missed}");
            assert_eq!(turn.next.unwrap().at, NOON + 40 * MINUTE);
        }
        // The latest is in time: it was not missed, whatever the policy.
        let turn = plan("*/10 * * * *", json!("skip")).turn(NOON, NOON + 10 * MINUTE, 1_000);
        assert_eq!(
            (turn.fires, turn.skipped),
            (Some(NOON + 10 * MINUTE), skipped(0, 1))
        );
    }

    #[test]
    fn years_of_minutes_are_bounded_work() {
        let now = NOON + 400 * 86_400_000;
        let turn = plan("* * * * *", json!("fire")).turn(NOON, now, 1_000);
        assert_eq!(turn.skipped.unwrap().count, MAX_COUNTED - 1);
        assert_eq!(
            turn.fires,
            Some(now),
            "the latest, not the last that was counted"
        );
        assert_eq!(turn.next.unwrap().at, now + MINUTE);
    }

    #[test]
    fn one_that_ended_has_no_next() {
        let definition: ScheduleDefinition = serde_json::from_value(json!({
            "cron": "0 12 * * *", "time_zone": "UTC", "ends_at": "2026-11-28T12:00:01Z", "notification": {"target": {"all": true}}
        }))
        .unwrap();
        let turn = definition.plan().unwrap().turn(NOON, NOON, 1_000);
        assert_eq!((turn.fires, turn.next), (Some(NOON), None));
    }
}
