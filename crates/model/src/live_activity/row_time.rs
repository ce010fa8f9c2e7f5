//! Times as databases write them, into instants.

use crate::UnixMs;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// A time of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RowTime {
    pub(super) at: UnixMs,
    /// In RFC 3339, with the zone's offset where one is set.
    pub(super) written: String,
}

impl RowTime {
    pub(super) fn utc(at: UnixMs) -> Self {
        let at = at.clamp(
            Timestamp::MIN.as_millisecond(),
            Timestamp::MAX.as_millisecond(),
        );
        let written = Timestamp::from_millisecond(at).map(|at| at.to_string());
        Self {
            at,
            written: written.unwrap_or_default(),
        }
    }

    fn of(instant: Timestamp, zone: Option<&TimeZone>) -> Self {
        let written = match zone {
            None => instant.to_string(),
            Some(zone) => {
                let there = instant.to_zoned(zone.clone());
                there.strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string()
            }
        };
        Self {
            at: instant.as_millisecond(),
            written,
        }
    }
}

/// Reads `2026-12-01 16:00:00`, in the zone, or the same with an offset of its own, as PostgreSQL writes a timestamp with
/// time zone and ISO 8601 writes both. The error is a sentence.
pub(super) fn read_time(text: &str, zone: Option<&TimeZone>) -> Result<RowTime, String> {
    if text.parse::<f64>().is_ok() {
        return Err(format!(
            "expected a time such as 2026-12-01 16:00:00, found the bare number {text}; where these are Unix seconds, have \
             the query say so: FROM_UNIXTIME(…) in MySQL with its session's zone, to_timestamp(…) in PostgreSQL, \
             datetime(…, 'unixepoch') in SQLite with zone = \"UTC\""
        ));
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(RowTime::of(instant, zone));
    }
    let Ok(civil) = text.parse::<DateTime>() else {
        return Err(format!(
            "expected a time such as 2026-12-01 16:00:00 or 2026-12-01T16:00:00+09:00, found {text:?}"
        ));
    };
    let Some(zone) = zone else {
        return Err(format!(
            "{text} does not say in which time zone it is: set zone, for example zone = \"Asia/Seoul\""
        ));
    };
    // A time that a change of the clocks skips or repeats is read as everybody else reads it (RFC 5545).
    let instant = civil.to_zoned(zone.clone()).map(|there| there.timestamp());
    let instant = instant.map_err(|error| format!("{text}: {error}"))?;
    Ok(RowTime::of(instant, Some(zone)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time_zone;

    #[test]
    fn databases_times_are_instants() {
        let seoul = time_zone::parse("Asia/Seoul").unwrap();
        let berlin = time_zone::parse("Europe/Berlin").unwrap();
        for (text, zone, written) in [
            (
                "2026-12-01 16:00:00",
                Some(&seoul),
                "2026-12-01T16:00:00+09:00",
            ),
            (
                "2026-12-01 16:00:00.250000",
                Some(&seoul),
                "2026-12-01T16:00:00.25+09:00",
            ),
            (
                "2026-12-01T16:00",
                Some(&seoul),
                "2026-12-01T16:00:00+09:00",
            ),
            ("2026-12-01", Some(&seoul), "2026-12-01T00:00:00+09:00"),
            // As PostgreSQL writes it.
            (
                "2026-12-01 07:00:00+00",
                Some(&seoul),
                "2026-12-01T16:00:00+09:00",
            ),
            ("2026-12-01 07:00:00+00", None, "2026-12-01T07:00:00Z"),
            ("2026-12-01T16:00:00+09:00", None, "2026-12-01T07:00:00Z"),
            // Skipped and repeated by the clocks.
            (
                "2026-03-29 02:30:00",
                Some(&berlin),
                "2026-03-29T03:30:00+02:00",
            ),
            (
                "2026-10-25 02:30:00",
                Some(&berlin),
                "2026-10-25T02:30:00+02:00",
            ),
        ] {
            let read = read_time(text, zone).unwrap();
            assert_eq!(read.written, written, "{text}");
            let again: Timestamp = read.written.parse().unwrap();
            assert_eq!(again.as_millisecond(), read.at);
        }
    }

    #[test]
    fn what_is_no_instant_is_said() {
        for (text, part) in [
            ("2026-12-01 16:00:00", "set zone"),
            ("1796112000", "bare number 1796112000"),
            ("1796112000.5", "FROM_UNIXTIME"),
            ("0000-00-00 00:00:00", "found \"0000-00-00"),
            ("soon", "found \"soon\""),
            ("2026-13-01 16:00:00", "found"),
        ] {
            let why = read_time(text, None).unwrap_err();
            assert!(why.contains(part), "{text}: {why}");
        }
    }
}
