//! IANA time zones, from the database that is built in: the same on every machine, without IO.

use jiff::tz::{TimeZone, TimeZoneDatabase};
use std::sync::LazyLock;

use crate::nearest::did_you_mean;

/// Abbreviations that name no zone by themselves, and the one that most people mean by them.
const ABBREVIATIONS: [(&str, &str); 43] = [
    ("ACDT", "Australia/Adelaide"),
    ("ACST", "Australia/Adelaide"),
    ("ADT", "America/Halifax"),
    ("AEDT", "Australia/Sydney"),
    ("AEST", "Australia/Sydney"),
    ("AKDT", "America/Anchorage"),
    ("AKST", "America/Anchorage"),
    ("ART", "America/Argentina/Buenos_Aires"),
    ("AST", "America/Halifax"),
    ("AWST", "Australia/Perth"),
    ("BRT", "America/Sao_Paulo"),
    ("BST", "Europe/London"),
    ("CAT", "Africa/Maputo"),
    ("CDT", "America/Chicago"),
    ("CEST", "Europe/Berlin"),
    ("CLT", "America/Santiago"),
    ("COT", "America/Bogota"),
    ("CST", "America/Chicago"),
    ("EAT", "Africa/Nairobi"),
    ("EDT", "America/New_York"),
    ("EEST", "Europe/Athens"),
    ("GST", "Asia/Dubai"),
    ("HKT", "Asia/Hong_Kong"),
    ("ICT", "Asia/Bangkok"),
    ("IDT", "Asia/Jerusalem"),
    ("IST", "Asia/Kolkata"),
    ("JST", "Asia/Tokyo"),
    ("KST", "Asia/Seoul"),
    ("MDT", "America/Denver"),
    ("MSK", "Europe/Moscow"),
    ("NZDT", "Pacific/Auckland"),
    ("NZST", "Pacific/Auckland"),
    ("PDT", "America/Los_Angeles"),
    ("PHT", "Asia/Manila"),
    ("PKT", "Asia/Karachi"),
    ("PST", "America/Los_Angeles"),
    ("SAST", "Africa/Johannesburg"),
    ("SGT", "Asia/Singapore"),
    ("TRT", "Europe/Istanbul"),
    ("WAT", "Africa/Lagos"),
    ("WEST", "Europe/Lisbon"),
    ("WIB", "Asia/Jakarta"),
    ("WITA", "Asia/Makassar"),
];

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
    let hint = meant_by(&shown).unwrap_or_else(|| {
        let names: Vec<String> = BUNDLED.available().map(|name| name.to_string()).collect();
        did_you_mean(&shown, names.iter().map(String::as_str))
    });
    Err(format!(
        "expected an IANA time zone such as Asia/Seoul, found {shown:?}{hint}"
    ))
}

/// `; did you mean `Asia/Seoul`?` of `KST`: nearer by its letters is `EST`, which nobody means.
pub(crate) fn meant_by(abbreviation: &str) -> Option<String> {
    let mut known = ABBREVIATIONS.into_iter();
    let (_, zone) = known.find(|(name, _)| name.eq_ignore_ascii_case(abbreviation))?;
    Some(format!("; did you mean `{zone}`?"))
}

#[cfg(test)]
mod tests {
    use super::{ABBREVIATIONS, parse};

    #[test]
    fn abbreviations_are_known_before_what_is_spelt_alike() {
        for (name, zone) in [
            ("KST", "Asia/Seoul"),
            ("kst", "Asia/Seoul"),
            ("JST", "Asia/Tokyo"),
            ("PST", "America/Los_Angeles"),
            ("AEST", "Australia/Sydney"),
            ("ETC", "UTC"),
        ] {
            let told = parse(name).unwrap_err();
            let hint = format!("found {name:?}; did you mean `{zone}`?");
            assert!(told.ends_with(&hint), "{told}");
        }
        for (name, zone) in ABBREVIATIONS {
            assert!(parse(name).is_err(), "{name} is a zone itself");
            assert!(parse(zone).is_ok(), "{zone}");
        }
        for zone in ["CET", "EST", "GMT"] {
            assert!(parse(zone).is_ok(), "{zone}");
        }
    }

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
