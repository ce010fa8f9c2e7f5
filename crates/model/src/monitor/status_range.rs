//! Statuses that an answer by HTTP may have.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Statuses from one to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WrittenStatus", into = "WrittenStatus")]
pub struct StatusRange {
    first: u16,
    last: u16,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum WrittenStatus {
    Number(u16),
    Text(String),
}

// === impl StatusRange ===

impl TryFrom<WrittenStatus> for StatusRange {
    type Error = String;

    fn try_from(written: WrittenStatus) -> Result<Self, String> {
        let (text, range) = match &written {
            WrittenStatus::Number(number) => (number.to_string(), Some((*number, *number))),
            WrittenStatus::Text(text) => (format!("{text:?}"), Self::read(text)),
        };
        match range {
            Some((first, last)) if (100..=599).contains(&first) && first <= last && last <= 599 => {
                Ok(Self { first, last })
            }
            _ => Err(format!(
                "expected a status such as 200, \"2xx\" or \"200-204\", found {text}"
            )),
        }
    }
}

impl From<StatusRange> for WrittenStatus {
    fn from(range: StatusRange) -> Self {
        match range.first == range.last {
            true => Self::Number(range.first),
            false => Self::Text(range.to_string()),
        }
    }
}

impl StatusRange {
    fn read(text: &str) -> Option<(u16, u16)> {
        if let Some(class) = text.strip_suffix("xx") {
            let class: u16 = class.parse().ok().filter(|class| *class < 10)?;
            return Some((class * 100, class * 100 + 99));
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        Some((first.parse().ok()?, last.parse().ok()?))
    }

    pub(super) fn contains(self, status: u16) -> bool {
        (self.first..=self.last).contains(&status)
    }
}

impl fmt::Display for StatusRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.first, self.last) {
            (first, last) if first % 100 == 0 && last == first + 99 => {
                write!(f, "{}xx", first / 100)
            }
            (first, last) if first == last => write!(f, "{first}"),
            (first, last) => write!(f, "{first}-{last}"),
        }
    }
}
