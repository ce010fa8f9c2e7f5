//! The `apns-priority` header.
//!
//! Which priorities a push type allows stands with the push type, not here.

use std::fmt;
use std::str::FromStr;

use http::HeaderValue;
use serde::{Deserialize, Serialize};

use crate::invalid::{Invalid, quoted};

/// How eagerly APNs delivers. Without the header APNs takes 10.
///
/// Serialised as the number. Source: Apple, *Sending notification requests to APNs*.
///
/// ```
/// use apns::Priority;
/// assert_eq!(Priority::PowerAware.as_u8(), 5);
/// assert_eq!(Priority::try_from(10), Ok(Priority::Immediate));
/// assert!(Priority::try_from(7).is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
#[repr(u8)]
pub enum Priority {
    /// 1: never wakes the device; may be grouped with others.
    NeverWake = 1,
    /// 5: with regard to the device's power; may be grouped and delivered in bursts.
    PowerAware = 5,
    /// 10: at once.
    Immediate = 10,
}

impl Priority {
    /// All three, highest first.
    pub const ALL: [Self; 3] = [Self::Immediate, Self::PowerAware, Self::NeverWake];

    /// 10, 5 or 1.
    pub const fn as_u8(self) -> u8 {
        self as u8
    }

    /// The header's text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Immediate => "10",
            Self::PowerAware => "5",
            Self::NeverWake => "1",
        }
    }

    /// The value for `apns-priority`; nothing is allocated.
    pub const fn header_value(self) -> HeaderValue {
        HeaderValue::from_static(self.as_str())
    }
}

// === impl Priority ===

fn invalid(found: String) -> Invalid {
    Invalid::new(
        "apns-priority",
        found,
        "must be 10, 5 or 1",
        "use 10 to deliver at once, 5 to spare the battery, 1 to never wake the device",
    )
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl TryFrom<u8> for Priority {
    type Error = Invalid;

    fn try_from(number: u8) -> Result<Self, Invalid> {
        match number {
            10 => Ok(Self::Immediate),
            5 => Ok(Self::PowerAware),
            1 => Ok(Self::NeverWake),
            other => Err(invalid(other.to_string())),
        }
    }
}

impl From<Priority> for u8 {
    fn from(priority: Priority) -> u8 {
        priority.as_u8()
    }
}

impl FromStr for Priority {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "10" => Ok(Self::Immediate),
            "5" => Ok(Self::PowerAware),
            "1" => Ok(Self::NeverWake),
            other => Err(invalid(quoted(other))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ten_five_and_one_exist() {
        for number in 0..=u8::MAX {
            match Priority::try_from(number) {
                Ok(priority) => {
                    assert_eq!(priority.as_u8(), number);
                    assert_eq!(priority.as_str().parse(), Ok(priority));
                    assert_eq!(priority.header_value(), number.to_string());
                }
                Err(error) => {
                    assert!(![1, 5, 10].contains(&number));
                    assert_eq!(error.field(), "apns-priority");
                }
            }
        }
    }

    #[test]
    fn json_is_the_number() {
        assert_eq!(serde_json::to_string(&Priority::Immediate).unwrap(), "10");
        assert_eq!(
            serde_json::from_str::<Priority>("5").unwrap(),
            Priority::PowerAware
        );
        assert!(
            serde_json::from_str::<Priority>("7")
                .unwrap_err()
                .to_string()
                .contains("10, 5 or 1")
        );
    }
}
