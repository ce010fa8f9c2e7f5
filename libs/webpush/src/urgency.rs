//! How much a push may cost the battery (RFC 8030 section 5.3).

use std::fmt;

use http::HeaderValue;

/// The `Urgency` header. A browser that saves power may ask its service to hold back what is less urgent.
///
/// ```
/// use webpush::Urgency;
/// assert_eq!(Urgency::VeryLow.as_str(), "very-low");
/// assert!(Urgency::VeryLow < Urgency::High);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Urgency {
    /// On power and Wi-Fi: advertisements.
    VeryLow,
    /// On power or Wi-Fi: topic updates.
    Low,
    /// On neither: chat or calendar messages. What counts without the header.
    #[default]
    Normal,
    /// On a low battery too: calls, time-sensitive alerts.
    High,
}

impl Urgency {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::VeryLow, Self::Low, Self::Normal, Self::High];

    /// The RFC's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VeryLow => "very-low",
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }

    pub(crate) fn header_value(self) -> HeaderValue {
        HeaderValue::from_static(self.as_str())
    }
}

// === impl Urgency ===

impl fmt::Display for Urgency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Urgency {
    type Err = crate::Invalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|urgency| urgency.as_str() == text)
            .ok_or_else(|| {
                crate::Invalid::new(
                    "Urgency",
                    crate::invalid::quoted(text),
                    "it is one of very-low, low, normal, high (RFC 8030 section 5.3)",
                    "choose one of them, in lower case",
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_rfc() {
        for urgency in Urgency::ALL {
            assert_eq!(urgency.as_str().parse::<Urgency>().unwrap(), urgency);
            assert_eq!(urgency.header_value(), urgency.as_str());
        }
        for text in ["", "High", "very low", "high,low", "urgent"] {
            let error = text.parse::<Urgency>().unwrap_err();
            assert!(error.to_string().contains("very-low"), "{error}");
        }
        assert_eq!(Urgency::default(), Urgency::Normal);
    }
}
