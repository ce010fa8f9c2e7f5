//! A window that comes again every day, by the clock on the wall: quiet hours, hours on call.
//!
//! It runs from one time of day to another, past midnight when the second is not later, on the days on which it
//! begins, and is an interval between two instants:
//!
//! - a time that the clock skips (spring) stands for the instant of the jump;
//! - of a time that the clock shows twice (autumn), the first begins a window and the second ends one. So windows
//!   that follow each other on the clock may overlap, and leave no gap.

use crate::UnixMs;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};

/// A daily window, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DailyWindow {
    /// Minutes after midnight, below 1,440.
    pub(crate) from: u16,
    /// Minutes after midnight, to 1,440; not later than `from`: of the next day.
    pub(crate) to: u16,
    /// Days on which it begins, from Monday.
    pub(crate) days: [bool; 7],
}

/// A day of the week, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

pub(crate) const DAYS: [Day; 7] = [
    Day::Mon,
    Day::Tue,
    Day::Wed,
    Day::Thu,
    Day::Fri,
    Day::Sat,
    Day::Sun,
];

pub(crate) const DAY_MINUTES: u16 = 24 * 60;

impl Day {
    /// Its place in the week: 0 is Monday.
    pub(crate) fn place(self) -> usize {
        self as usize
    }
}

impl DailyWindow {
    /// Reads what people write: `22:30`, also `24:00` as the end; without days, every day.
    pub(crate) fn read(
        from_text: &str,
        to_text: &str,
        days: Option<&[Day]>,
    ) -> Result<Self, String> {
        let from = minutes(from_text)
            .filter(|from| *from < DAY_MINUTES)
            .ok_or_else(|| format!("from: expected 00:00 to 23:59, found {from_text:?}"))?;
        let to = minutes(to_text)
            .ok_or_else(|| format!("to: expected 00:00 to 24:00, found {to_text:?}"))?;
        if from == to {
            return Err(format!(
                "to: expected another time than `from`; for whole days write \"from\": \"00:00\", \"to\": \"24:00\", found twice {to_text:?}"
            ));
        }
        let days = match days {
            None => [true; 7],
            Some(days) => DAYS.map(|day| days.contains(&day)),
        };
        if days == [false; 7] {
            return Err("days: expected at least one of mon, tue, wed, thu, fri, sat, sun".into());
        }
        Ok(Self { from, to, days })
    }

    /// Whether it never ends.
    pub(crate) fn is_always(&self) -> bool {
        self.from == 0 && self.to == DAY_MINUTES && self.days == [true; 7]
    }

    /// As [`Self::read`] reads it.
    pub(crate) fn written(&self) -> (String, String, Option<Vec<Day>>) {
        let days = DAYS.into_iter().zip(self.days);
        let days = days.filter_map(|(day, is_on)| is_on.then_some(day));
        let days = (self.days != [true; 7]).then(|| days.collect());
        (shown(self.from), shown(self.to), days)
    }

    /// The latest end of a window that holds `now`.
    pub(crate) fn around(&self, zone: &TimeZone, now: UnixMs) -> Option<UnixMs> {
        let instant = Timestamp::from_millisecond(now).ok()?;
        let today = zone.to_datetime(instant).date();
        // A window lasts up to a day and a clock moves by up to another.
        (-2..=1)
            .filter_map(|offset| {
                let day = today.checked_add(Span::new().days(offset)).ok()?;
                let (start, end) = self.window(zone, day)?;
                (start <= now && now < end).then_some(end)
            })
            .max()
    }

    /// The next beginning or end of a window after `now`.
    pub(crate) fn next_edge(&self, zone: &TimeZone, now: UnixMs) -> Option<UnixMs> {
        let instant = Timestamp::from_millisecond(now).ok()?;
        let today = zone.to_datetime(instant).date();
        (-2..=8)
            .filter_map(|offset| {
                let day = today.checked_add(Span::new().days(offset)).ok()?;
                let (start, end) = self.window(zone, day)?;
                [start, end].into_iter().filter(|edge| *edge > now).min()
            })
            .min()
    }

    /// The window that begins on `day`.
    fn window(&self, zone: &TimeZone, day: Date) -> Option<(UnixMs, UnixMs)> {
        let weekday = usize::try_from(day.weekday().to_monday_zero_offset()).ok()?;
        if !*self.days.get(weekday)? {
            return None;
        }
        let last = match self.to <= self.from {
            true => day.tomorrow().ok()?,
            false => day,
        };
        let start = instant(zone, at(day, self.from)?, Edge::Start)?;
        let end = instant(zone, at(last, self.to)?, Edge::End)?;
        Some((start, end))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edge {
    Start,
    End,
}

pub(crate) fn at(day: Date, minutes: u16) -> Option<DateTime> {
    let (day, minutes) = match minutes == DAY_MINUTES {
        true => (day.tomorrow().ok()?, 0),
        false => (day, minutes),
    };
    let time = Time::new((minutes / 60) as i8, (minutes % 60) as i8, 0, 0).ok()?;
    Some(day.to_datetime(time))
}

/// The instant at which a clock in `zone` shows `time`.
pub(crate) fn instant(zone: &TimeZone, time: DateTime, edge: Edge) -> Option<UnixMs> {
    let ambiguous = zone.to_ambiguous_timestamp(time);
    let found = match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(time).ok()?,
        AmbiguousOffset::Fold { before, after } => match edge {
            Edge::Start => before.to_timestamp(time).ok()?,
            Edge::End => after.to_timestamp(time).ok()?,
        },
        // The clock jumps over it: by the offset before the jump the time lies after it.
        AmbiguousOffset::Gap { before, .. } => {
            let after_the_jump = before.to_timestamp(time).ok()?;
            let next = after_the_jump
                .checked_add(Span::new().nanoseconds(1))
                .ok()?;
            zone.preceding(next).next()?.timestamp()
        }
    };
    Some(found.as_millisecond())
}

/// `22:30`, also `24:00`.
pub(crate) fn minutes(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let two_digits = |text: &str| {
        let is_plain = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        is_plain.then(|| text.parse::<u16>().ok()).flatten()
    };
    let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
    let sum = hours * 60 + minutes;
    (minutes < 60 && sum <= DAY_MINUTES).then_some(sum)
}

fn shown(minutes: u16) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}
