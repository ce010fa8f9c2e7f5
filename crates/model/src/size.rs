//! Sizes as people write them: `"512MiB"`, `"1GiB"`.

const UNITS: [(&str, u32); 4] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];

/// Bytes of a written size, or the sentence that says what is wrong.
///
/// ```
/// assert_eq!(carillon_model::size::parse_bytes("512MiB"), Ok(536_870_912));
/// assert!(carillon_model::size::parse_bytes("512").is_err());
/// ```
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("expected a size such as \"512MiB\" or \"1GiB\", found {text:?}");
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let (_, shift) = UNITS
        .into_iter()
        .find(|(name, _)| *name == unit)
        .ok_or_else(wrong)?;
    number
        .checked_mul(1 << shift)
        .ok_or_else(|| format!("{text:?} is too large a size"))
}

/// A size in the largest unit of which there is at least one whole, rounded down; below one KiB in bytes.
///
/// ```
/// assert_eq!(carillon_model::size::format_bytes(1_600_000_000), "1GiB");
/// ```
#[must_use]
pub fn format_bytes(bytes: u64) -> String {
    let unit = UNITS.into_iter().find(|(_, shift)| bytes >> shift > 0);
    match unit {
        Some((name, shift)) => format!("{}{name}", bytes >> shift),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_back() {
        for text in ["1KiB", "1023MiB", "1GiB", "7TiB"] {
            assert_eq!(format_bytes(parse_bytes(text).unwrap()), text);
        }
        assert_eq!(format_bytes(1_023), "1023 bytes");
        for bad in [
            "",
            "1",
            "GiB",
            "1 GiB",
            "1GB",
            "-1GiB",
            "1.5GiB",
            "99999999999TiB",
        ] {
            assert!(parse_bytes(bad).is_err(), "{bad}");
        }
    }
}
