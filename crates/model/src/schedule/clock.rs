//! Which instants a pattern means in a time zone: the rules for days on which the clock is changed.
//!
//! *Times of day* (`0 9 * * *`) are reached once for each date: when the clock first shows them, or,
//! where it jumps over them, at the instant of the jump. A date that the zone left out altogether has no
//! times. *Ticking* (`*/15 * * * *`) goes by what the clock shows at each instant: what it jumps over
//! does not come, and what it shows twice comes twice, so that the time between two is even.

use super::cron::CronRule;
use crate::UnixMs;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Span, Timestamp, ToSpan};

/// Changes of the clock that one search goes through at most: 41 years with some for each year.
const MAX_CHANGES: usize = 400;
/// Times that one search tries at most because the zone left their date out.
const MAX_SKIPPED: usize = 16;

/// A time at which a schedule is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// When.
    pub at: UnixMs,
    /// The local time that the pattern means.
    pub meant: DateTime,
    /// What is special about it.
    pub change: ClockChange,
}

/// What a change of the clock does to a local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockChange {
    /// Nothing: it comes once.
    None,
    /// The clock jumps over it: it is due at the jump.
    Skipped,
    /// It comes twice, and the first counts.
    FirstOfTwo,
    /// It comes twice, and both count: this is one of them.
    Both,
}

impl Occurrence {
    /// The clock on the wall at that instant, with its offset: `2026-03-29T03:00:00+02:00`.
    #[must_use]
    pub fn local(&self, zone: &TimeZone) -> String {
        Timestamp::from_millisecond(self.at).map_or_else(
            |_| self.meant.to_string(),
            |at| at.display_with_offset(zone.to_offset(at)).to_string(),
        )
    }

    /// A sentence on what the clock does at that time; `None`: nothing.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        let time = self.meant.strftime("%H:%M");
        match self.change {
            ClockChange::None => None,
            ClockChange::Skipped => Some(format!(
                "the clock jumps over {time} on this day: it is due at the jump"
            )),
            ClockChange::FirstOfTwo => Some(format!(
                "the clock shows {time} twice on this day: it is due the first time"
            )),
            ClockChange::Both => Some(format!(
                "the clock shows {time} twice on this day: it is due both times"
            )),
        }
    }
}

/// The first time after `after` on a date that is `allowed`.
pub(crate) fn next(
    rule: &CronRule,
    zone: &TimeZone,
    after: UnixMs,
    allowed: impl Fn(Date) -> bool,
) -> Option<Occurrence> {
    let after = Timestamp::from_millisecond(after).ok()?;
    if rule.is_ticking() {
        ticking(rule, zone, after, allowed)
    } else {
        times_of_day(rule, zone, after, allowed)
    }
}

/// By what the clock shows, from one change to the next.
fn ticking(
    rule: &CronRule,
    zone: &TimeZone,
    after: Timestamp,
    allowed: impl Fn(Date) -> bool,
) -> Option<Occurrence> {
    let mut from = after.checked_add(1.millisecond()).ok()?;
    for _ in 0..MAX_CHANGES {
        let offset = zone.to_offset(from);
        let change = zone.following(from).next();
        let meant = rule.next(whole_minute(offset.to_datetime(from))?, &allowed)?;
        let at = offset.to_timestamp(meant).ok()?;
        match change {
            Some(change) if change.timestamp() <= at => from = change.timestamp(),
            _ => {
                let is_twice = zone.to_ambiguous_timestamp(meant).offset();
                let change = match is_twice {
                    AmbiguousOffset::Fold { .. } => ClockChange::Both,
                    AmbiguousOffset::Gap { .. } | AmbiguousOffset::Unambiguous { .. } => {
                        ClockChange::None
                    }
                };
                return Some(Occurrence {
                    at: at.as_millisecond(),
                    meant,
                    change,
                });
            }
        }
    }
    None
}

/// When the clock first reaches them.
fn times_of_day(
    rule: &CronRule,
    zone: &TimeZone,
    after: Timestamp,
    allowed: impl Fn(Date) -> bool,
) -> Option<Occurrence> {
    let mut from = not_reached(zone, after)?;
    for _ in 0..MAX_SKIPPED {
        let meant = rule.next(from, &allowed)?;
        match reach(zone, meant)? {
            Reached::At(at, change) => {
                return Some(Occurrence {
                    at: at.as_millisecond(),
                    meant,
                    change,
                });
            }
            Reached::DateLeftOut => {
                from = meant.date().tomorrow().ok()?.to_datetime(Time::midnight())
            }
        }
    }
    None
}

/// The first whole minute that the clock has not shown at `now`, or earlier.
fn not_reached(zone: &TimeZone, now: Timestamp) -> Option<DateTime> {
    let offset = zone.to_offset(now);
    let local = offset.to_datetime(now);
    match zone.to_ambiguous_timestamp(local).offset() {
        // The second time round: the clock had come as far as the change.
        AmbiguousOffset::Fold { before, after } if offset == after => {
            let shown = before.to_datetime(change_before(zone, now)?);
            match shown.second() == 0 && shown.subsec_nanosecond() == 0 {
                true => Some(shown),
                false => whole_minute(shown),
            }
        }
        _ => whole_minute(local.checked_add(1.nanosecond()).ok()?),
    }
}

enum Reached {
    At(Timestamp, ClockChange),
    DateLeftOut,
}

/// When the clock first shows a local time or, where it jumps over it, a later one.
fn reach(zone: &TimeZone, time: DateTime) -> Option<Reached> {
    Some(match zone.to_ambiguous_timestamp(time).offset() {
        AmbiguousOffset::Unambiguous { offset } => {
            Reached::At(offset.to_timestamp(time).ok()?, ClockChange::None)
        }
        AmbiguousOffset::Fold { before, .. } => {
            Reached::At(before.to_timestamp(time).ok()?, ClockChange::FirstOfTwo)
        }
        AmbiguousOffset::Gap { before, after } => {
            // By the offset before the jump it lies after it.
            let jump = change_before(zone, before.to_timestamp(time).ok()?)?;
            let midnight = time.date().to_datetime(Time::midnight());
            let next_midnight = midnight.checked_add(1.day()).ok()?;
            let is_left_out =
                before.to_datetime(jump) <= midnight && next_midnight <= after.to_datetime(jump);
            match is_left_out {
                true => Reached::DateLeftOut,
                false => Reached::At(jump, ClockChange::Skipped),
            }
        }
    })
}

/// The last change of the clock at or before an instant.
fn change_before(zone: &TimeZone, at: Timestamp) -> Option<Timestamp> {
    let next = at.checked_add(Span::new().nanoseconds(1)).ok()?;
    Some(zone.preceding(next).next()?.timestamp())
}

/// The first whole minute at or after a local time.
fn whole_minute(time: DateTime) -> Option<DateTime> {
    let begun = time.date().at(time.hour(), time.minute(), 0, 0);
    match begun == time {
        true => Some(time),
        false => begun.checked_add(1.minute()).ok(),
    }
}
