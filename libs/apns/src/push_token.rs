//! A device's address: opaque bytes that Apple hands to the app and the app hands to its provider.
//!
//! It knows nothing of kinds (alert, VoIP, Live Activity…) or environments: the bytes do not reveal them.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::invalid::Invalid;

/// A device's address at APNs, kept as bytes and written as lower-case hexadecimal.
///
/// Its length is not fixed: Apple says so, so any length up to [`MAX_BYTES`](Self::MAX_BYTES) is taken. `<`, `>` and
/// blanks are dropped while reading, because old apps send the `description` of an `NSData`. Anything else that is
/// not hexadecimal is refused, which also keeps path tricks out of `/3/device/…`.
///
/// `Debug` shows a fingerprint, not the address. There is no `Display`: ask for [`to_hex`](Self::to_hex) on purpose.
/// Clones share the bytes. Serialised as hexadecimal.
///
/// ```
/// use apns::PushToken;
/// let token: PushToken = "<0BADC0DE 00112233>".parse()?;
/// assert_eq!(token.to_hex(), "0badc0de00112233");
/// assert!(!format!("{token:?}").contains("0badc0de"));
/// # Ok::<(), apns::Invalid>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PushToken(Bytes);

impl PushToken {
    /// The longest address taken, in bytes. Today's are 32 to 160; this only keeps a path within header limits.
    pub const MAX_BYTES: usize = 1024;

    /// Takes the raw bytes; `Bytes` are not copied.
    ///
    /// # Errors
    /// If there are none, or more than [`MAX_BYTES`](Self::MAX_BYTES).
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Result<Self, Invalid> {
        let bytes = bytes.into();
        check_length(bytes.len())?;
        Ok(Self(bytes))
    }

    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Lower-case hexadecimal, as it stands in the request's path.
    pub fn to_hex(&self) -> String {
        let mut hex = String::with_capacity(self.0.len() * 2);
        self.push_hex(&mut hex);
        hex
    }

    /// Appends the hexadecimal form: for callers who build a path without an extra allocation.
    pub fn push_hex(&self, out: &mut String) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        out.reserve(self.0.len() * 2);
        for byte in self.0.iter() {
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }

    /// A short name for logs: equal for equal addresses, and the address cannot be told from it.
    pub fn fingerprint(&self) -> String {
        // FNV-1a, folded to 32 bits: stable across releases and machines, which std's hasher does not promise.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in self.0.iter() {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        format!("{:08x}", (hash >> 32) ^ (hash & 0xffff_ffff))
    }
}

// === impl PushToken ===

fn check_length(bytes: usize) -> Result<(), Invalid> {
    if bytes == 0 {
        return Err(invalid("no hexadecimal digits".into(), "must not be empty"));
    }
    if bytes > PushToken::MAX_BYTES {
        return Err(invalid(
            format!("{bytes} bytes"),
            "at most 1024 bytes are taken",
        ));
    }
    Ok(())
}

fn invalid(found: String, rule: &'static str) -> Invalid {
    Invalid::new(
        "push token",
        found,
        rule,
        "send the bytes from didRegisterForRemoteNotificationsWithDeviceToken as hexadecimal, two digits a byte",
    )
}

impl FromStr for PushToken {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.len() > 4 * Self::MAX_BYTES {
            return Err(invalid(
                format!("{} characters", text.len()),
                "at most 1024 bytes are taken",
            ));
        }
        let mut bytes = Vec::with_capacity(text.len() / 2);
        let mut high = None;
        for (at, character) in text.char_indices() {
            if matches!(character, '<' | '>') || character.is_ascii_whitespace() {
                continue;
            }
            // The character itself is not shown: a stray one may be part of a base64 address.
            let Some(digit) = character.to_digit(16) else {
                return Err(invalid(
                    format!("something else at character {}", at + 1),
                    "must be hexadecimal digits only",
                ));
            };
            let digit = digit as u8;
            high = match high {
                None => Some(digit << 4),
                Some(high) => {
                    bytes.push(high | digit);
                    None
                }
            };
        }
        if high.is_some() {
            return Err(invalid(
                format!("{} hexadecimal digits", bytes.len() * 2 + 1),
                "must be an even number of hexadecimal digits",
            ));
        }
        Self::from_bytes(bytes)
    }
}

impl fmt::Debug for PushToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "PushToken(#{}, {} bytes)",
            self.fingerprint(),
            self.0.len()
        )
    }
}

impl Serialize for PushToken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_hex())
    }
}

impl<'de> Deserialize<'de> for PushToken {
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
    fn refused_texts_say_why_and_do_not_repeat_the_address() {
        let long = "ab".repeat(1025);
        let table = [
            ("", "must not be empty"),
            ("< >", "must not be empty"),
            ("abc", "even number"),
            ("zz", "hexadecimal digits only"),
            ("abcd/../../x", "hexadecimal digits only"),
            ("ab%2f", "hexadecimal digits only"),
            ("q83vASNFZ4k=", "hexadecimal digits only"),
            (long.as_str(), "at most 1024"),
        ];
        for (text, rule) in table {
            let error = text.parse::<PushToken>().unwrap_err();
            assert!(error.to_string().contains(rule), "{text:.20}: {error}");
            assert!(
                text.len() < 4 || !error.to_string().contains(&text[..4]),
                "{error}"
            );
        }
    }

    #[test]
    fn debug_hides_the_address_and_tells_two_apart() {
        let one: PushToken = "00".repeat(32).parse().unwrap();
        let two: PushToken = "01".repeat(32).parse().unwrap();
        assert_ne!(one.fingerprint(), two.fingerprint());
        assert_eq!(one.fingerprint(), one.clone().fingerprint());
        assert!(!format!("{one:?}").contains("0000000000"));
    }

    proptest! {
        #[test]
        fn bytes_to_hex_and_back(bytes in proptest::collection::vec(any::<u8>(), 1..200)) {
            let token = PushToken::from_bytes(bytes.clone()).unwrap();
            let hex = token.to_hex();
            prop_assert_eq!(hex.len(), bytes.len() * 2);
            prop_assert_eq!(&hex.parse::<PushToken>().unwrap(), &token);
            prop_assert_eq!(&format!("<{}>", hex.to_uppercase()).parse::<PushToken>().unwrap(), &token);
            let json = serde_json::to_string(&token).unwrap();
            prop_assert_eq!(serde_json::from_str::<PushToken>(&json).unwrap(), token);
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            drop(text.parse::<PushToken>());
        }
    }
}
