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

use crate::daily_window::{DailyWindow, Day};
use crate::{UnixMs, time_zone};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// A daily window: `{"from": "22:00", "to": "08:00"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct QuietHours {
    /// When it is quiet.
    window: DailyWindow,
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

impl TryFrom<Written> for QuietHours {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let window = DailyWindow::read(&written.from, &written.to, written.days.as_deref())?;
        if window.is_always() {
            return Err(
                "to: this is always: switch the category off, or stop sending, instead".into(),
            );
        }
        if let Some(zone) = &written.time_zone {
            time_zone::parse(zone).map_err(|why| format!("time_zone: {why}"))?;
        }
        Ok(Self {
            window,
            time_zone: written.time_zone,
            mode: written.mode,
        })
    }
}

impl From<QuietHours> for Written {
    fn from(hours: QuietHours) -> Self {
        let (from, to, days) = hours.window.written();
        Self {
            from,
            to,
            days,
            time_zone: hours.time_zone,
            mode: hours.mode,
        }
    }
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
        self.window.around(zone, now).is_some()
    }

    /// When the quiet that `now` is in ends, or `now` where it is not quiet.
    #[must_use]
    pub fn ends_at(&self, zone: &TimeZone, now: UnixMs) -> UnixMs {
        let mut end = now;
        // Windows may touch: seven of them at most make up a week, and not every day is whole.
        for _ in 0..16 {
            match self.window.around(zone, end) {
                Some(later) if later > end => end = later,
                _ => break,
            }
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daily_window::DAY_MINUTES;
    use jiff::Timestamp;
    use jiff::civil::Date;
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
                window: DailyWindow {
                    from,
                    to,
                    days: std::array::from_fn(|day| days & (1 << day) != 0),
                },
                time_zone: None,
                mode: QuietMode::Hold,
            })
            .prop_filter("never always", |hours| {
                hours.window.from != hours.window.to && !hours.window.is_always()
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
            let is_on = |date: Date| window.window.days[date.weekday().to_monday_zero_offset() as usize];
            let today = is_on(clock.date());
            let yesterday = is_on(clock.date().yesterday().unwrap());
            let expected = if window.window.from < window.window.to {
                today && (window.window.from..window.window.to).contains(&minute)
            } else {
                (today && minute >= window.window.from) || (yesterday && minute < window.window.to)
            };
            prop_assert_eq!(window.is_quiet(&zone, now), expected);
        }
    }
}
