//! Quiet hours: when a person is not to be disturbed, by the clock on their wall.
//!
//! A window runs from one time of day to another, past midnight when the second is not later, on the
//! days on which it begins. It is an interval between two instants, so that what counts as quiet and
//! when that ends can never disagree:
//!
//! - a time that the clock skips (spring) stands for the instant of the jump;
//! - of a time that the clock shows twice (autumn), the first begins a window and the second ends one:
//!   who sleeps is given the benefit.
//!
//! Windows that touch are one: who is quiet on weekends from 0:00 to 24:00 is quiet for 48 hours.

use crate::{UnixMs, time_zone};
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};

/// A daily window: `{"from": "22:00", "to": "08:00"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct QuietHours {
    /// Minutes after midnight, below 1,440.
    from: u16,
    /// Minutes after midnight, to 1,440; not later than `from`: of the next day.
    to: u16,
    /// Days on which it begins, from Monday.
    days: [bool; 7],
    /// The zone, where it is not the person's own.
    time_zone: Option<String>,
    /// What becomes of what comes meanwhile.
    mode: QuietMode,
}

/// What becomes of a delivery in quiet hours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuietMode {
    /// It is sent when they are over.
    #[default]
    Hold,
    /// It is not sent.
    Suppress,
}

impl QuietMode {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    from: String,
    to: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    days: Option<Vec<Day>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time_zone: Option<String>,
    #[serde(default, skip_serializing_if = "QuietMode::is_default")]
    mode: QuietMode,
}

/// A day of the week, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

const DAYS: [Day; 7] = [
    Day::Mon,
    Day::Tue,
    Day::Wed,
    Day::Thu,
    Day::Fri,
    Day::Sat,
    Day::Sun,
];

const DAY_MINUTES: u16 = 24 * 60;

impl TryFrom<Written> for QuietHours {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let from = minutes(&written.from)
            .filter(|from| *from < DAY_MINUTES)
            .ok_or_else(|| format!("from: expected 00:00 to 23:59, found {:?}", written.from))?;
        let to = minutes(&written.to)
            .ok_or_else(|| format!("to: expected 00:00 to 24:00, found {:?}", written.to))?;
        if from == to {
            return Err(format!(
                "to: expected another time than `from`; for whole days write \"from\": \"00:00\", \"to\": \"24:00\", found twice {:?}",
                written.to
            ));
        }
        let days = match &written.days {
            None => [true; 7],
            Some(days) => DAYS.map(|day| days.contains(&day)),
        };
        if days == [false; 7] {
            return Err("days: expected at least one of mon, tue, wed, thu, fri, sat, sun".into());
        }
        if from == 0 && to == DAY_MINUTES && days == [true; 7] {
            return Err(
                "to: this is always: switch the category off, or stop sending, instead".into(),
            );
        }
        if let Some(zone) = &written.time_zone {
            time_zone::parse(zone).map_err(|why| format!("time_zone: {why}"))?;
        }
        Ok(Self {
            from,
            to,
            days,
            time_zone: written.time_zone,
            mode: written.mode,
        })
    }
}

impl From<QuietHours> for Written {
    fn from(hours: QuietHours) -> Self {
        let days = DAYS.into_iter().zip(hours.days);
        let days = days.filter_map(|(day, is_on)| is_on.then_some(day));
        Self {
            from: shown(hours.from),
            to: shown(hours.to),
            days: (hours.days != [true; 7]).then(|| days.collect()),
            time_zone: hours.time_zone,
            mode: hours.mode,
        }
    }
}

/// `22:30`, also `24:00`.
fn minutes(text: &str) -> Option<u16> {
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

impl QuietHours {
    /// What becomes of what comes meanwhile.
    #[must_use]
    pub fn mode(&self) -> QuietMode {
        self.mode
    }

    /// The zone to judge by: the window's own, else the person's, else `fallback` (the App's). A name
    /// that is not known counts as none.
    #[must_use]
    pub fn zone(&self, person: Option<&str>, fallback: &TimeZone) -> TimeZone {
        let named = [self.time_zone.as_deref(), person];
        let known = named
            .into_iter()
            .flatten()
            .find_map(|name| time_zone::parse(name).ok());
        known.unwrap_or_else(|| fallback.clone())
    }

    /// Whether `now` is within quiet hours on a clock in `zone`.
    #[must_use]
    pub fn is_quiet(&self, zone: &TimeZone, now: UnixMs) -> bool {
        self.window_around(zone, now).is_some()
    }

    /// When the quiet that `now` is in ends, or `now` where it is not quiet.
    #[must_use]
    pub fn ends_at(&self, zone: &TimeZone, now: UnixMs) -> UnixMs {
        let mut end = now;
        // Windows may touch: seven of them at most make up a week, and not every day is whole.
        for _ in 0..16 {
            match self.window_around(zone, end) {
                Some(later) if later > end => end = later,
                _ => break,
            }
        }
        end
    }

    /// The latest end of a window that holds `now`.
    fn window_around(&self, zone: &TimeZone, now: UnixMs) -> Option<UnixMs> {
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
enum Edge {
    Start,
    End,
}

fn at(day: Date, minutes: u16) -> Option<DateTime> {
    let (day, minutes) = match minutes == DAY_MINUTES {
        true => (day.tomorrow().ok()?, 0),
        false => (day, minutes),
    };
    let time = Time::new((minutes / 60) as i8, (minutes % 60) as i8, 0, 0).ok()?;
    Some(day.to_datetime(time))
}

/// The instant at which a clock in `zone` shows `time`.
fn instant(zone: &TimeZone, time: DateTime, edge: Edge) -> Option<UnixMs> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hours(json: &str) -> QuietHours {
        serde_json::from_str(json).unwrap()
    }

    fn zone(name: &str) -> TimeZone {
        time_zone::parse(name).unwrap()
    }

    fn ms(time: &str) -> UnixMs {
        time.parse::<Timestamp>().unwrap().as_millisecond()
    }

    /// In Berlin the clock jumps on 2026-03-29 from 2:00 to 3:00 and on 2026-10-25 from 3:00 to 2:00.
    #[test]
    fn windows_by_the_clock_on_the_wall() {
        let night = r#"{"from":"22:00","to":"08:00"}"#;
        let noon = r#"{"from":"12:00","to":"13:30"}"#;
        let weekend = r#"{"from":"00:00","to":"24:00","days":["sat","sun"]}"#;
        let friday_night = r#"{"from":"22:00","to":"08:00","days":["fri"]}"#;
        let skipped = r#"{"from":"01:00","to":"02:30"}"#;
        let from_skipped = r#"{"from":"02:30","to":"04:00"}"#;
        let seoul = r#"{"from":"22:00","to":"08:00","time_zone":"Asia/Seoul"}"#;
        for (window, now, ends) in [
            (
                night,
                "2026-01-10T22:00:00+01",
                Some("2026-01-11T08:00:00+01"),
            ),
            (night, "2026-01-10T21:59:59+01", None),
            (
                night,
                "2026-01-11T07:59:59.999+01",
                Some("2026-01-11T08:00:00+01"),
            ),
            (night, "2026-01-11T08:00:00+01", None),
            (
                noon,
                "2026-01-11T12:30:00+01",
                Some("2026-01-11T13:30:00+01"),
            ),
            (noon, "2026-01-11T01:30:00+01", None),
            // Friday 2026-01-09 24:00 to Sunday 24:00.
            (
                weekend,
                "2026-01-10T00:00:00+01",
                Some("2026-01-12T00:00:00+01"),
            ),
            (weekend, "2026-01-09T23:59:59+01", None),
            (
                friday_night,
                "2026-01-10T03:00:00+01",
                Some("2026-01-10T08:00:00+01"),
            ),
            (friday_night, "2026-01-11T03:00:00+01", None),
            // Over the changes of the clock.
            (
                night,
                "2026-03-29T01:30:00+01",
                Some("2026-03-29T08:00:00+02"),
            ),
            (
                night,
                "2026-10-25T02:30:00+01",
                Some("2026-10-25T08:00:00+01"),
            ),
            (
                skipped,
                "2026-03-29T01:59:59+01",
                Some("2026-03-29T03:00:00+02"),
            ),
            (skipped, "2026-03-29T03:00:00+02", None),
            (
                from_skipped,
                "2026-03-29T03:00:00+02",
                Some("2026-03-29T04:00:00+02"),
            ),
            (from_skipped, "2026-03-29T01:59:59+01", None),
            // 2:30 comes twice: the first begins, the second ends.
            (
                from_skipped,
                "2026-10-25T02:30:00+02",
                Some("2026-10-25T04:00:00+01"),
            ),
            (
                skipped,
                "2026-10-25T02:40:00+02",
                Some("2026-10-25T02:30:00+01"),
            ),
            // The window's own zone.
            (
                seoul,
                "2026-01-10T22:00:00+01",
                Some("2026-01-11T08:00:00+09"),
            ),
            (seoul, "2026-01-11T00:30:00+01", None),
        ] {
            let window = hours(window);
            let zone = window.zone(Some("Europe/Berlin"), &TimeZone::UTC);
            let now_ms = ms(now);
            assert_eq!(
                window.is_quiet(&zone, now_ms),
                ends.is_some(),
                "{window:?} {now}"
            );
            let expected = ends.map_or(now_ms, ms);
            assert_eq!(window.ends_at(&zone, now_ms), expected, "{window:?} {now}");
        }
    }

    #[test]
    fn a_day_that_never_was() {
        // Apia skipped 2011-12-30: its clock went from Thursday 24:00 to Saturday 0:00.
        let window = hours(r#"{"from":"22:00","to":"08:00"}"#);
        let apia = zone("Pacific/Apia");
        let now = ms("2011-12-29T23:00:00-10");
        assert_eq!(window.ends_at(&apia, now), ms("2011-12-31T08:00:00+14"));
    }

    #[test]
    fn zones_fall_back() {
        let window = hours(r#"{"from":"22:00","to":"08:00"}"#);
        let fallback = zone("Asia/Seoul");
        for (person, expected) in [
            (Some("Europe/Berlin"), "Europe/Berlin"),
            (Some("Nowhere"), "Asia/Seoul"),
            (None, "Asia/Seoul"),
        ] {
            let found = window.zone(person, &fallback);
            assert_eq!(found.iana_name(), Some(expected));
        }
    }

    #[test]
    fn read_strictly_and_written_back() {
        for json in [
            r#"{"from":"22:00","to":"08:00"}"#,
            r#"{"from":"00:00","to":"24:00","days":["sat","sun"],"time_zone":"Asia/Seoul","mode":"suppress"}"#,
        ] {
            assert_eq!(serde_json::to_string(&hours(json)).unwrap(), json);
        }
        for (bad, part) in [
            (r#"{"from":"22","to":"08:00"}"#, "from: expected 00:00"),
            (r#"{"from":"24:00","to":"08:00"}"#, "from: expected 00:00"),
            (r#"{"from":"2:00","to":"08:00"}"#, "from: expected 00:00"),
            (r#"{"from":"22:00","to":"24:01"}"#, "to: expected 00:00"),
            (r#"{"from":"22:00","to":"08:60"}"#, "to: expected 00:00"),
            (r#"{"from":"22:00","to":"22:00"}"#, "another time"),
            (r#"{"from":"00:00","to":"24:00"}"#, "always"),
            (r#"{"from":"22:00","to":"08:00","days":[]}"#, "at least one"),
            (
                r#"{"from":"22:00","to":"08:00","days":["monday"]}"#,
                "monday",
            ),
            (
                r#"{"from":"22:00","to":"08:00","time_zone":"Asia/Soul"}"#,
                "did you mean `Asia/Seoul`",
            ),
            (
                r#"{"from":"22:00","to":"08:00","till":"x"}"#,
                "unknown field",
            ),
        ] {
            let error = serde_json::from_str::<QuietHours>(bad).unwrap_err();
            assert!(error.to_string().contains(part), "{bad}: {error}");
        }
    }

    fn windows() -> impl Strategy<Value = QuietHours> {
        (0..DAY_MINUTES, 0..=DAY_MINUTES, 1u8..128)
            .prop_map(|(from, to, days)| QuietHours {
                from,
                to,
                days: std::array::from_fn(|day| days & (1 << day) != 0),
                time_zone: None,
                mode: QuietMode::Hold,
            })
            .prop_filter("never always", |window| {
                window.from != window.to
                    && !(window.from == 0 && window.to == DAY_MINUTES && window.days == [true; 7])
            })
    }

    fn zones() -> impl Strategy<Value = TimeZone> {
        prop::sample::select(vec![
            "UTC",
            "Asia/Seoul",
            "Europe/Berlin",
            "America/New_York",
            "America/St_Johns",
            "Australia/Lord_Howe",
            "Asia/Kathmandu",
            "Pacific/Apia",
            "Pacific/Chatham",
            "Africa/Casablanca",
            "America/Sao_Paulo",
            "Asia/Tehran",
        ])
        .prop_map(zone)
    }

    /// 2009 to 2029.
    fn times() -> impl Strategy<Value = UnixMs> {
        1_230_768_000_000i64..1_861_920_000_000
    }

    proptest! {
        #[test]
        fn quiet_ends_when_it_says(window in windows(), zone in zones(), now in times()) {
            let end = window.ends_at(&zone, now);
            prop_assert_eq!(end > now, window.is_quiet(&zone, now));
            prop_assert!(!window.is_quiet(&zone, end));
            if end > now {
                prop_assert!(window.is_quiet(&zone, end - 1));
                prop_assert!(window.is_quiet(&zone, now + (end - now) / 2));
                prop_assert_eq!(window.ends_at(&zone, end - 1), end);
                prop_assert!(end - now <= 9 * 86_400_000);
            }
        }

        #[test]
        fn away_from_changes_it_is_what_the_clock_shows(window in windows(), zone in zones(), now in times()) {
            let instant = Timestamp::from_millisecond(now).unwrap();
            let near = |days: i64| zone.to_offset(Timestamp::from_millisecond(now + days * 86_400_000).unwrap());
            prop_assume!((-2..=2).all(|days| near(days) == near(0)));
            let clock = zone.to_datetime(instant);
            let minute = clock.hour() as u16 * 60 + clock.minute() as u16;
            let is_on = |date: Date| window.days[date.weekday().to_monday_zero_offset() as usize];
            let today = is_on(clock.date());
            let yesterday = is_on(clock.date().yesterday().unwrap());
            let expected = if window.from < window.to {
                today && (window.from..window.to).contains(&minute)
            } else {
                (today && minute >= window.from) || (yesterday && minute < window.to)
            };
            prop_assert_eq!(window.is_quiet(&zone, now), expected);
        }
    }
}
