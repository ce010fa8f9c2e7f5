//! The `apns-collapse-id` header.

use std::fmt;
use std::str::FromStr;

use http::HeaderValue;
use serde::{Deserialize, Serialize};

use crate::invalid::{Invalid, quoted};

/// Notifications with the same id replace one another on the device; at most 64 **bytes**.
///
/// It becomes the notification's identifier on the device, so the app can also remove it later by that name. It hides
/// a duplicate, which makes resending after a lost connection harmless. Longer ids are `400 BadCollapseId`.
/// Source: Apple, *Sending notification requests to APNs*.
///
/// ```
/// use apns::CollapseId;
/// assert_eq!(CollapseId::new("inc-4711")?.as_str(), "inc-4711");
/// assert!(CollapseId::new("é".repeat(33)).is_err()); // 33 characters, 66 bytes
/// # Ok::<(), apns::Invalid>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Box<str>", into = "Box<str>")]
pub struct CollapseId(Box<str>);

impl CollapseId {
    /// The most bytes APNs takes.
    pub const MAX_BYTES: usize = 64;

    /// Checks and keeps the id.
    ///
    /// # Errors
    /// If it is empty, longer than 64 bytes of UTF-8, begins or ends with a blank, or holds a control character (which
    /// no HTTP header can carry).
    pub fn new(id: impl Into<Box<str>>) -> Result<Self, Invalid> {
        const FIELD: &str = "apns-collapse-id";
        let id = id.into();
        if id.is_empty() {
            return Err(Invalid::new(
                FIELD,
                "an empty value",
                "must hold at least one byte",
                "leave the collapse id out if notifications should not replace one another",
            ));
        }
        if id.len() > Self::MAX_BYTES {
            return Err(Invalid::new(
                FIELD,
                format!("{} bytes", id.len()),
                "at most 64 bytes are allowed",
                "shorten the id, or hash it and send the hash",
            ));
        }
        let edge = |byte: Option<&u8>| byte == Some(&b' ');
        if id.bytes().any(|byte| byte < b' ' || byte == 0x7f)
            || edge(id.as_bytes().first())
            || edge(id.as_bytes().last())
        {
            return Err(Invalid::new(
                FIELD,
                quoted(&id),
                "must be fit for an HTTP header: no control characters, no blank at either end",
                "use letters, digits and dashes",
            ));
        }
        Ok(Self(id))
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The value for `apns-collapse-id`, marked sensitive so that HPACK does not keep a once-used value in its table.
    pub fn header_value(&self) -> HeaderValue {
        // Every byte was checked in `new`; should the rule of `http` ever be narrower, an empty value is refused by
        // APNs, not sent astray.
        let mut value = HeaderValue::from_bytes(self.0.as_bytes())
            .unwrap_or_else(|_| HeaderValue::from_static(""));
        value.set_sensitive(true);
        value
    }
}

// === impl CollapseId ===

impl fmt::Display for CollapseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for CollapseId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::new(text)
    }
}

impl TryFrom<Box<str>> for CollapseId {
    type Error = Invalid;

    fn try_from(text: Box<str>) -> Result<Self, Invalid> {
        Self::new(text)
    }
}

impl From<CollapseId> for Box<str> {
    fn from(id: CollapseId) -> Self {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn v3i_64_bytes_are_taken_and_65_are_not() {
        assert!(CollapseId::new("a".repeat(64)).is_ok());
        let error = CollapseId::new("a".repeat(65)).unwrap_err();
        assert!(error.to_string().contains("65 bytes"), "{error}");
    }

    #[test]
    fn what_no_header_can_carry_is_refused() {
        for bad in ["", "a\nb", "a\0", " a", "a ", "\u{7f}"] {
            assert!(CollapseId::new(bad).is_err(), "{bad:?}");
        }
        assert_eq!(
            CollapseId::new("störung 1").unwrap().header_value(),
            "störung 1".as_bytes()
        );
    }

    proptest! {
        #[test]
        fn whatever_is_taken_reaches_the_header_unchanged(text in "\\PC{0,70}") {
            if let Ok(id) = CollapseId::new(text.as_str()) {
                prop_assert!(text.len() <= 64);
                let value = id.header_value();
                prop_assert_eq!(value.as_bytes(), text.as_bytes());
                prop_assert!(value.is_sensitive());
            }
        }
    }
}
