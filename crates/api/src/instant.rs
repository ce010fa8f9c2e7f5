//! Instants and durations as the API writes and reads them: RFC 3339 in UTC with milliseconds, and
//! durations such as `15m`.

use carillon_model::UnixMs;
use jiff::Timestamp;

/// RFC 3339, e.g. `2026-08-01T12:00:00.000Z`. What no calendar reaches is shown at its end.
pub(crate) fn rfc3339(at: UnixMs) -> String {
    let at = Timestamp::from_millisecond(at).unwrap_or(if at < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    });
    format!("{at:.3}")
}

/// The same for an instant that may be missing.
pub(crate) fn optional(at: Option<UnixMs>) -> Option<String> {
    at.map(rfc3339)
}

/// Reads RFC 3339; the error is a sentence.
pub(crate) fn parse(text: &str) -> Result<UnixMs, String> {
    text.parse::<Timestamp>()
        .map(Timestamp::as_millisecond)
        .map_err(|_| {
            format!(
                "expected an instant such as \"2026-08-01T12:00:00Z\" (RFC 3339), found {text:?}"
            )
        })
}

/// A whole number of seconds in the largest units that divide it, e.g. `1d`, `90s`.
pub(crate) fn duration(secs: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
    for (size, unit) in units {
        if secs >= size && secs.is_multiple_of(size) {
            return format!("{}{unit}", secs / size);
        }
    }
    format!("{secs}s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(1_785_585_600_123), "2026-08-01T12:00:00.123Z");
        assert_eq!(
            parse("2026-08-01T14:00:00.123+02:00"),
            Ok(1_785_585_600_123)
        );
        assert!(parse("yesterday").is_err());
        assert!(rfc3339(i64::MAX).starts_with("9999-"));
    }

    #[test]
    fn durations_read_back() {
        for (secs, text) in [
            (0, "0s"),
            (90, "90s"),
            (120, "2m"),
            (7_200, "2h"),
            (86_400, "1d"),
            (90_000, "25h"),
        ] {
            assert_eq!(duration(secs), text);
            assert_eq!(
                carillon_model::duration::parse_ms(text),
                Ok(secs as i64 * 1_000)
            );
        }
    }
}
