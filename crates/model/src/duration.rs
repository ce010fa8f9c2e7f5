//! Durations as people write them: `"90s"`, `"15m"`, `"2h"`, `"3d"`, `"500ms"`, also in sequence
//! (`"1h30m"`).

/// Milliseconds of a written duration, or the sentence that says what is wrong.
///
/// ```
/// assert_eq!(carillon_model::duration::parse_ms("1h30m"), Ok(5_400_000));
/// assert!(carillon_model::duration::parse_ms("15").is_err());
/// ```
pub fn parse_ms(text: &str) -> Result<i64, String> {
    let wrong = || {
        format!("expected a duration such as \"90s\", \"15m\", \"2h\" or \"1h30m\", found {text:?}")
    };
    let mut total = 0i64;
    let mut rest = text;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at(letters);
        let unit_ms = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        let number: i64 = number.parse().map_err(|_| wrong())?;
        total = number
            .checked_mul(unit_ms)
            .and_then(|ms| total.checked_add(ms))
            .ok_or_else(|| format!("{text:?} is too long a duration"))?;
        rest = tail;
    }
    Ok(total)
}

/// A duration as [`parse_ms`] reads it, in the fewest units; what is below zero is `0s`.
///
/// ```
/// assert_eq!(carillon_model::duration::format_ms(5_400_000), "1h30m");
/// ```
#[must_use]
pub fn format_ms(ms: i64) -> String {
    let mut rest = ms.max(0);
    let mut text = String::new();
    for (unit, unit_ms) in [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
        ("ms", 1),
    ] {
        if rest >= unit_ms {
            text.push_str(&format!("{}{unit}", rest / unit_ms));
            rest %= unit_ms;
        }
    }
    if text.is_empty() {
        text.push_str("0s");
    }
    text
}

/// The same in whole seconds, for people: nobody who is woken wants to read milliseconds.
///
/// ```
/// assert_eq!(carillon_model::duration::format_secs(61_999), "1m1s");
/// ```
#[must_use]
pub fn format_secs(ms: i64) -> String {
    format_ms(ms / 1_000 * 1_000)
}

#[cfg(test)]
mod tests {
    use super::{format_ms, format_secs, parse_ms};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_reads_back(ms in 0..i64::MAX) {
            prop_assert_eq!(parse_ms(&format_ms(ms)), Ok(ms));
        }
    }

    #[test]
    fn people_read_whole_seconds() {
        for (ms, text) in [
            (i64::MIN, "0s"),
            (-1, "0s"),
            (999, "0s"),
            (1_000, "1s"),
            (3_601_999, "1h1s"),
        ] {
            assert_eq!(format_secs(ms), text, "{ms}");
        }
    }

    #[test]
    fn reads_what_people_write() {
        for (text, ms) in [
            ("0s", 0),
            ("500ms", 500),
            ("15m", 900_000),
            ("3d", 259_200_000),
        ] {
            assert_eq!(parse_ms(text), Ok(ms), "{text}");
        }
        for text in [
            "",
            "s",
            "5",
            "-5s",
            "5 s",
            "5x",
            "1.5h",
            "99999999999999999d",
        ] {
            assert!(parse_ms(text).is_err(), "{text}");
        }
    }
}
