//! When a notification is to be sent: an instant, or a local time in a zone.
//!
//! A local time that the clocks skip (they go forward over it) means the first instant after the gap; one
//! that they show twice (they go back over it) means the first of the two.

use crate::UnixMs;
use crate::problem::FieldProblem;
use crate::time_zone;
use jiff::civil::DateTime;
use jiff::fmt::temporal::Pieces;
use jiff::tz::{AmbiguousOffset, TimeZone};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// The field `send_at`: `"2026-12-01T09:00:00+09:00"`, or
/// `{"local": "2026-12-01T09:00", "time_zone": "Asia/Seoul"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum SendAt {
    /// An instant in RFC 3339.
    Instant(String),
    /// By the clocks of a place.
    Local(LocalTime),
}

/// A date and time as the clocks of a place show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalTime {
    /// Date and time without offset, e.g. `2026-12-01T09:00`.
    pub local: String,
    /// IANA zone, e.g. `Asia/Seoul`.
    pub time_zone: String,
}

/// What becomes of a notification whose `send_at` has passed when it is accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IfPast {
    /// It is refused.
    #[default]
    Refuse,
    /// It is sent at once, and the answer says so.
    SendNow,
}

impl<'de> Deserialize<'de> for SendAt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either)
    }
}

/// By hand, so that what is wrong inside the object is named, and not only that neither form fits.
struct Either;

impl<'de> Visitor<'de> for Either {
    type Value = SendAt;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an RFC 3339 time, or an object with `local` and `time_zone`")
    }

    fn visit_str<E>(self, text: &str) -> Result<SendAt, E> {
        Ok(SendAt::Instant(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SendAt, A::Error> {
        LocalTime::deserialize(MapAccessDeserializer::new(map)).map(SendAt::Local)
    }
}

impl SendAt {
    /// The instant that is meant; problems point into the request.
    ///
    /// # Errors
    /// When it is no time, no zone, or no date that there is.
    pub fn instant(&self) -> Result<UnixMs, FieldProblem> {
        match self {
            Self::Instant(text) => text
                .parse::<jiff::Timestamp>()
                .map(jiff::Timestamp::as_millisecond)
                .map_err(|error| {
                    let message = if is_beyond(text) {
                        format!("expected a time before 9999-12-30, found {text:?}: choose an earlier one")
                    } else {
                        format!("expected an RFC 3339 time such as \"2026-12-01T09:00:00+09:00\", or {{\"local\": …, \"time_zone\": …}}; found {text:?} ({error})")
                    };
                    FieldProblem::new("/send_at", "send_at.time", message)
                }),
            Self::Local(LocalTime { local, time_zone }) => {
                let zone = time_zone::parse(time_zone);
                let zone = zone.map_err(|sentence| {
                    FieldProblem::new("/send_at/time_zone", "send_at.time_zone", sentence)
                })?;
                let time = read_local(local).map_err(|sentence| {
                    FieldProblem::new("/send_at/local", "send_at.local", sentence)
                })?;
                instant_of(time, &zone).ok_or_else(|| {
                    FieldProblem::new(
                        "/send_at/local",
                        "send_at.local",
                        format!("expected a time before 9999-12-30, found {local:?}: choose an earlier one"),
                    )
                })
            }
        }
    }
}

/// Whether it is written as an instant, and only lies where the calendar ends: what jiff says of that is not for people.
fn is_beyond(text: &str) -> bool {
    let pieces = Pieces::parse(text);
    pieces.is_ok_and(|pieces| pieces.time().is_some() && pieces.offset().is_some())
}

pub(crate) fn read_local(text: &str) -> Result<DateTime, String> {
    let wrong = |why: &str| {
        Err(format!(
            "expected a date and time such as \"2026-12-01T09:00\", found {text:?} ({why})"
        ))
    };
    // What says its own offset or zone is not a local time: jiff would pass over it.
    let time = text.split_once(['T', 't', ' ']).map(|(_, time)| time);
    match time {
        None => return wrong("the time of day is missing"),
        Some(time) if time.contains(['Z', 'z', '+', '-', '[']) => {
            return wrong("a local time has no offset: its zone stands beside it");
        }
        Some(_) => {}
    }
    text.parse()
        .or_else(|error: jiff::Error| wrong(&error.to_string()))
}

/// The instant at which the clocks of a zone show this: of a skipped time the first instant after the gap,
/// of a repeated one the first. `None`: the calendar does not reach it.
#[must_use]
pub fn instant_of(time: DateTime, zone: &TimeZone) -> Option<UnixMs> {
    let ambiguous = zone.to_ambiguous_timestamp(time);
    let instant = match ambiguous.offset() {
        // Read by the offset of before, it lies behind the gap by as much as it lay inside; the gap's end
        // is where the offset changes.
        AmbiguousOffset::Gap { before, .. } => {
            let inside = before.to_timestamp(time).ok()?;
            let start = zone.preceding(
                inside
                    .checked_add(jiff::SignedDuration::from_millis(1))
                    .ok()?,
            );
            start.map(|change| change.timestamp()).next()?
        }
        AmbiguousOffset::Fold { .. } | AmbiguousOffset::Unambiguous { .. } => {
            ambiguous.earlier().ok()?
        }
    };
    Some(instant.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(json: &str) -> Result<UnixMs, FieldProblem> {
        serde_json::from_str::<SendAt>(json).unwrap().instant()
    }

    fn utc(text: &str) -> UnixMs {
        text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn instants_and_local_times() {
        for (json, instant) in [
            (r#""2026-12-01T09:00:00+09:00""#, "2026-12-01T00:00:00Z"),
            (r#""2026-12-01T09:00+09:00""#, "2026-12-01T00:00:00Z"),
            (
                r#"{"local": "2026-12-01T09:00", "time_zone": "Asia/Seoul"}"#,
                "2026-12-01T00:00:00Z",
            ),
            (
                r#"{"local": "2026-12-01 09:00:30", "time_zone": "asia/seoul"}"#,
                "2026-12-01T00:00:30Z",
            ),
            // Berlin's clocks go from 02:00 to 03:00 and show 02:00 to 03:00 twice.
            (
                r#"{"local": "2026-03-29T02:30", "time_zone": "Europe/Berlin"}"#,
                "2026-03-29T01:00:00Z",
            ),
            (
                r#"{"local": "2026-10-25T02:30", "time_zone": "Europe/Berlin"}"#,
                "2026-10-25T00:30:00Z",
            ),
            // Half an hour, on Lord Howe Island.
            (
                r#"{"local": "2026-10-04T02:10", "time_zone": "Australia/Lord_Howe"}"#,
                "2026-10-03T15:30:00Z",
            ),
        ] {
            assert_eq!(read(json), Ok(utc(instant)), "{json}");
        }
    }

    #[test]
    fn what_is_no_time_is_named() {
        for (json, pointer, word) in [
            (r#""tomorrow""#, "/send_at", "RFC 3339"),
            (r#""2026-02-31T09:00:00Z""#, "/send_at", "2026-02-31"),
            (r#""2026-12-01T09:00""#, "/send_at", "RFC 3339"),
            (
                r#""9999-12-31T23:59:59Z""#,
                "/send_at",
                "expected a time before 9999-12-30, found \"9999-12-31T23:59:59Z\": choose an earlier one",
            ),
            (
                r#"{"local": "9999-12-31T23:59:59", "time_zone": "UTC"}"#,
                "/send_at/local",
                "expected a time before 9999-12-30, found \"9999-12-31T23:59:59\": choose an earlier one",
            ),
            (
                r#"{"local": "2026-02-30T09:00", "time_zone": "Asia/Seoul"}"#,
                "/send_at/local",
                "2026-02-30",
            ),
            (
                r#"{"local": "2026-12-01", "time_zone": "Asia/Seoul"}"#,
                "/send_at/local",
                "time of day",
            ),
            (
                r#"{"local": "2026-12-01T09:00Z", "time_zone": "Asia/Seoul"}"#,
                "/send_at/local",
                "no offset",
            ),
            (
                r#"{"local": "2026-12-01T09:00", "time_zone": "Asia/Soul"}"#,
                "/send_at/time_zone",
                "Asia/Seoul",
            ),
        ] {
            let problem = read(json).unwrap_err();
            assert_eq!(problem.pointer, pointer, "{json}");
            assert!(
                problem.message.contains(word),
                "{json}: {}",
                problem.message
            );
        }
        assert!(serde_json::from_str::<SendAt>(r#"{"local": "x"}"#).is_err());
    }

    proptest! {
        /// Whatever the clocks do, the instant shows that time, or is the end of the gap over it.
        #[test]
        fn every_local_time_has_its_instant(
            zone in proptest::sample::select(vec!["Europe/Berlin", "America/New_York", "Australia/Lord_Howe",
                "America/St_Johns", "Asia/Seoul", "Africa/Casablanca", "Pacific/Apia", "Asia/Tehran",
                "America/Santiago", "Europe/London"]),
            minutes in 0i64..5 * 366 * 1_440,
        ) {
            let zone = time_zone::parse(zone).unwrap();
            let start = DateTime::constant(2024, 1, 1, 0, 0, 0, 0);
            let time = start.checked_add(jiff::SignedDuration::from_mins(minutes)).unwrap();
            let at = instant_of(time, &zone).unwrap();
            let stamp = jiff::Timestamp::from_millisecond(at).unwrap();
            let shown = stamp.to_zoned(zone.clone()).datetime();
            if shown != time {
                prop_assert!(shown > time, "only a gap moves it, and forward");
                let before = jiff::Timestamp::from_millisecond(at - 1).unwrap();
                prop_assert!(before.to_zoned(zone).datetime() < time);
            } else {
                let hour_before = jiff::Timestamp::from_millisecond(at - 3_600_000).unwrap();
                prop_assert!(hour_before.to_zoned(zone).datetime() < time, "the first of two");
            }
        }
    }
}
