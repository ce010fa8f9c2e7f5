//! IANA time zones, from the database that is built in: the same on every machine, without IO.

use jiff::tz::{TimeZone, TimeZoneDatabase};
use std::sync::LazyLock;

use crate::nearest::did_you_mean;

static BUNDLED: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The zone with this name, e.g. `Asia/Seoul`, or the sentence that says what is wrong. Letter case
/// does not matter.
///
/// ```
/// assert!(carillon_model::time_zone::parse("Asia/Seoul").is_ok());
/// assert!(carillon_model::time_zone::parse("Asia/Soul").unwrap_err().contains("Asia/Seoul"));
/// ```
pub fn parse(name: &str) -> Result<TimeZone, String> {
    // Longer than any name there is; the database would only search in vain.
    if name.len() <= 64
        && let Ok(zone) = BUNDLED.get(name)
    {
        return Ok(zone);
    }
    let shown: String = name.chars().take(64).collect();
    let names: Vec<String> = BUNDLED.available().map(|name| name.to_string()).collect();
    let hint = did_you_mean(&shown, names.iter().map(String::as_str));
    Err(format!(
        "expected an IANA time zone such as Asia/Seoul, found {shown:?}{hint}"
    ))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn names() {
        for name in [
            "Asia/Seoul",
            "europe/berlin",
            "UTC",
            "America/Argentina/Buenos_Aires",
        ] {
            assert!(parse(name).is_ok(), "{name}");
        }
        for name in ["", "KST+9", "Asia", "../etc/passwd", "Mars/Base"] {
            assert!(parse(name).unwrap_err().contains("IANA"), "{name}");
        }
    }
}
