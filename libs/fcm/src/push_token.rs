//! A device's address at FCM: opaque text that the app gets and hands to its provider. There are two kinds, the
//! registration token and, since 2026, the Firebase installation id; they live side by side.
//!
//! It assumes no length and no alphabet, because Google promises none.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::invalid::Invalid;

/// The longest address taken, in bytes. Today's have 140 to 300.
const MAX_BYTES: usize = 4096;

fn check(field: &'static str, text: &str, mend: &'static str) -> Result<(), Invalid> {
    let (found, rule) = if text.is_empty() {
        ("nothing".to_owned(), "must not be empty")
    } else if text.len() > MAX_BYTES {
        (
            format!("{} bytes", text.len()),
            "at most 4096 bytes are taken",
        )
    } else if let Some(at) = odd(text) {
        // The text itself is not shown: it is the address.
        (
            format!("a blank or control character at character {}", at + 1),
            "must be one word",
        )
    } else {
        return Ok(());
    };
    Err(Invalid::new(field, found, rule, mend))
}

/// Where a blank or control character stands, in characters.
fn odd(text: &str) -> Option<usize> {
    // Every address seen so far is plain, and each push's is looked at: all bytes at once, and not one by one.
    let is_plain = text
        .bytes()
        .fold(true, |plain, byte| plain & byte.is_ascii_graphic());
    if is_plain {
        return None;
    }
    text.chars()
        .position(|c| c.is_whitespace() || c.is_control())
}

fn fingerprint(text: &str) -> String {
    // FNV-1a, folded to 32 bits: stable across releases and machines, which std's hasher does not promise.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in text.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    format!("{:08x}", (hash >> 32) ^ (hash & 0xffff_ffff))
}

macro_rules! address {
    ($(#[$doc:meta])* $name:ident, $field:literal, $mend:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The longest address taken, in bytes.
            pub const MAX_BYTES: usize = MAX_BYTES;

            /// Checks and keeps it, as it stands.
            ///
            /// # Errors
            /// If it is empty, has blanks or control characters in it, or is longer than
            /// [`MAX_BYTES`](Self::MAX_BYTES).
            pub fn new(text: impl AsRef<str>) -> Result<Self, Invalid> {
                check($field, text.as_ref(), $mend)?;
                Ok(Self(text.as_ref().into()))
            }

            /// The whole of it: a secret, in so far as whoever has it and a credential can reach the device.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// A short name for logs: equal for equal addresses, and the address cannot be told from it.
            pub fn fingerprint(&self) -> String {
                fingerprint(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                Self::new(text)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(
                    f,
                    "{}(#{}, {} bytes)",
                    stringify!($name),
                    self.fingerprint(),
                    self.0.len()
                )
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    };
}

address! {
    /// A registration token: an app instance's address, sent as `message.token`.
    ///
    /// `Debug` shows a fingerprint, not the address. There is no `Display`: ask for [`as_str`](Self::as_str) on
    /// purpose. Clones share the text.
    ///
    /// ```
    /// use fcm::PushToken;
    /// let push_token: PushToken = "dK3xYz:APA91bFakeAddress".parse()?;
    /// assert!(!format!("{push_token:?}").contains("APA91b"));
    /// # Ok::<(), fcm::Invalid>(())
    /// ```
    PushToken,
    "push token",
    "send the text from FirebaseMessaging's getToken as it is"
}

address! {
    /// A Firebase installation id: the newer kind of address, sent as `message.fid`. Otherwise like a [`PushToken`].
    ///
    /// ```
    /// assert!(fcm::InstallationId::new("").is_err());
    /// ```
    InstallationId,
    "installation id",
    "send the text that the app's onRegistered callback got, as it is"
}

address! {
    /// An address of a Live Activity at APNs, which FCM passes on: the push-to-start token of an app to start one, the
    /// activity's own push token to update or end it. Sent as `message.apns.live_activity_token`.
    ///
    /// ```
    /// assert!(fcm::LiveActivityToken::new("80f1 a2").is_err());
    /// ```
    LiveActivityToken,
    "live activity token",
    "send the token that ActivityKit gave the app, as hexadecimal without blanks"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_texts_say_why_and_do_not_repeat_the_address() {
        let long = "a".repeat(4097);
        for (text, rule) in [
            ("", "must not be empty"),
            ("abcd efgh", "one word"),
            ("abcd\n", "one word"),
            ("abcd\u{7f}", "one word"),
            (&long, "at most 4096"),
        ] {
            let error = PushToken::new(text).unwrap_err().to_string();
            assert!(error.contains(rule), "{error}");
            assert!(text.len() < 4 || !error.contains("abcd"), "{error}");
        }
        PushToken::new("ü:any/alphabet+=").unwrap();
        PushToken::new("a".repeat(4096)).unwrap();
    }

    #[test]
    fn debug_hides_the_address_and_tells_two_apart() {
        let one = PushToken::new("dK3:APA91b-one").unwrap();
        let two = PushToken::new("dK3:APA91b-two").unwrap();
        assert_ne!(one.fingerprint(), two.fingerprint());
        assert!(!format!("{one:?}").contains("APA91b"));
        assert_eq!(serde_json::to_string(&one).unwrap(), "\"dK3:APA91b-one\"");
        assert_eq!(
            serde_json::from_str::<PushToken>("\"dK3:APA91b-one\"").unwrap(),
            one
        );
        assert!(serde_json::from_str::<PushToken>("\"\"").is_err());
        let fid = InstallationId::new("fakeInstallation").unwrap();
        assert!(format!("{fid:?}").starts_with("InstallationId(#"));
    }
}
