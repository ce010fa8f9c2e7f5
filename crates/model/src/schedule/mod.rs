//! Schedules: a notification that is sent again and again, by the calendar and the clock of a place.
//! Only the rules: when one is due, what is wrong with one, what becomes of times that passed while
//! nobody looked. The engine carries them out.

pub mod clock;
pub mod cron;
mod definition;
pub mod except;
mod run;

#[cfg(test)]
mod tests;

pub use self::clock::{ClockChange, Occurrence};
pub use self::definition::{DEFAULT_MISSED, ScheduleDefinition};
pub use self::run::{MAX_COUNTED, RunCause, RunResult, Skipped, Turn, looks_from};

use self::cron::CronRule;
use self::except::ExceptDates;
use crate::UnixMs;
use crate::timer::MissedRun;
use jiff::tz::TimeZone;

/// A schedule, read: when it is due.
#[derive(Clone, Debug)]
pub struct SchedulePlan {
    rule: CronRule,
    zone: TimeZone,
    except: ExceptDates,
    /// The first instant at which it may be due.
    starts_at: Option<UnixMs>,
    /// From this instant on it is not due any more.
    ends_at: Option<UnixMs>,
    missed: MissedRun,
}

impl SchedulePlan {
    /// When it is due next after an instant; `None`: never again, as far as can be seen (41 years).
    #[must_use]
    pub fn next(&self, after: UnixMs) -> Option<Occurrence> {
        let after = match self.starts_at {
            Some(starts_at) => after.max(starts_at.saturating_sub(1)),
            None => after,
        };
        let allowed = |date| !self.except.contains(date);
        let found = clock::next(&self.rule, &self.zone, after, allowed)?;
        let is_over = self.ends_at.is_some_and(|ends_at| found.at >= ends_at);
        (!is_over).then_some(found)
    }

    /// The next times after an instant, at most `count`.
    #[must_use]
    pub fn preview(&self, after: UnixMs, count: usize) -> Vec<Occurrence> {
        std::iter::successors(self.next(after), |last| self.next(last.at))
            .take(count)
            .collect()
    }

    /// Its time zone.
    #[must_use]
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// What becomes of times that passed while nobody looked.
    #[must_use]
    pub fn missed(&self) -> MissedRun {
        self.missed
    }

    /// What is allowed and may not be meant: sentences for people.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.rule.is_either_day() {
            warnings.push("day and weekday are both given, so either is enough; for days on which both hold put a + before the weekday".to_owned());
        }
        if self.rule.is_missing_short_months() {
            warnings.push(
                "months without this day are left out; L is the last day of every month".to_owned(),
            );
        }
        warnings
    }
}
