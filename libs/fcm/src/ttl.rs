//! How long FCM keeps a message for a device that is away: a duration in Google's spelling, `"3.5s"`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::invalid::{Invalid, quoted};

/// A time to live, 0 to 28 days. Zero means now or never.
///
/// ```
/// use std::time::Duration;
/// use fcm::Ttl;
/// assert_eq!(Ttl::new(Duration::from_millis(3_500))?.to_string(), "3.5s");
/// assert!("3600".parse::<Ttl>().is_err()); // the s is missing; FCM answers 400
/// # Ok::<(), fcm::Invalid>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ttl(Duration);

impl Ttl {
    /// 28 days: the longest, and what FCM takes if nothing is said.
    pub const MAX: Self = Self(Duration::from_secs(2_419_200));

    /// Now or never.
    pub const ZERO: Self = Self(Duration::ZERO);

    /// Checks and keeps it.
    ///
    /// # Errors
    /// If it is more than 28 days.
    pub fn new(span: Duration) -> Result<Self, Invalid> {
        if span > Self::MAX.0 {
            return Err(invalid(
                format!("{} s", span.as_secs_f64()),
                "at most 28 days (2419200 s) are allowed",
            ));
        }
        Ok(Self(span))
    }

    /// As a duration.
    pub const fn as_duration(self) -> Duration {
        self.0
    }

    /// What is left of it after a wait, for a retry; `None` if its time is over.
    ///
    /// ```
    /// # use std::time::Duration;
    /// let ttl = fcm::Ttl::new(Duration::from_secs(60))?;
    /// assert_eq!(ttl.after(Duration::from_secs(59)).unwrap().to_string(), "1s");
    /// assert_eq!(ttl.after(Duration::from_secs(60)), None);
    /// # Ok::<(), fcm::Invalid>(())
    /// ```
    pub fn after(self, waited: Duration) -> Option<Self> {
        self.0
            .checked_sub(waited)
            .filter(|left| !left.is_zero())
            .map(Self)
    }
}

/// Reads Google's spelling of a duration: seconds, at most 9 digits of a fraction, `s`.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let number = text.strip_suffix('s')?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let nanos: u32 = format!("{fraction:0<9}").parse().ok()?;
    Some(Duration::new(whole.parse().ok()?, nanos))
}

/// Writes it.
pub(crate) fn format_duration(span: Duration) -> String {
    let (whole, nanos) = (span.as_secs(), span.subsec_nanos());
    if nanos == 0 {
        return format!("{whole}s");
    }
    let fraction = format!("{nanos:09}");
    format!("{whole}.{}s", fraction.trim_end_matches('0'))
}

fn invalid(found: String, rule: &'static str) -> Invalid {
    Invalid::new(
        "ttl",
        found,
        rule,
        "write seconds with an s, such as \"3600s\" or \"3.5s\"",
    )
}

// === impl Ttl ===

impl fmt::Display for Ttl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_duration(self.0))
    }
}

impl FromStr for Ttl {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match parse_duration(text) {
            Some(span) => Self::new(span),
            None => Err(invalid(quoted(text), "must be a number of seconds and s")),
        }
    }
}

impl Serialize for Ttl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Ttl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_spelt_as_google_wants_them() {
        for (millis, text) in [
            (0, "0s"),
            (3_500, "3.5s"),
            (1, "0.001s"),
            (2_419_200_000, "2419200s"),
        ] {
            let ttl = Ttl::new(Duration::from_millis(millis)).unwrap();
            assert_eq!(ttl.to_string(), text);
            assert_eq!(text.parse::<Ttl>().unwrap(), ttl);
        }
        let error = Ttl::new(Duration::from_secs(2_419_201)).unwrap_err();
        assert!(error.to_string().contains("28 days"), "{error}");
    }

    #[test]
    fn other_spellings_are_refused() {
        for bad in [
            "",
            "s",
            "3600",
            "-1s",
            "1.s",
            ".5s",
            "1h",
            "1 s",
            "1e3s",
            "0.1234567890s",
            "+1s",
            "2419200.1s",
            "99999999999999999999999s",
        ] {
            assert!(bad.parse::<Ttl>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn there_and_back(secs in 0_u64..2_419_200, nanos in 0_u32..1_000_000_000) {
            let ttl = Ttl::new(Duration::new(secs, nanos)).unwrap();
            prop_assert_eq!(ttl.to_string().parse::<Ttl>().unwrap(), ttl);
        }
    }
}
