//! Which older push a new one replaces while both wait for the browser (RFC 8030 section 5.4).

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest;
use http::HeaderValue;

use crate::base64url;
use crate::invalid::{Invalid, quoted};

/// The `Topic` header: up to 32 characters of the base64url alphabet. Of the pushes of one subscription and topic only the
/// last undelivered one is kept. Clones share.
///
/// ```
/// use webpush::PushTopic;
/// assert_eq!(PushTopic::new("inbox")?.as_str(), "inbox");
/// // Whatever an application calls it, hashed to fit:
/// assert_eq!(PushTopic::hashed("chat: Zoë & Søren").as_str().len(), 32);
/// # Ok::<(), webpush::Invalid>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PushTopic(Arc<str>);

impl PushTopic {
    /// The most characters.
    pub const MAX_CHARS: usize = 32;

    /// Checks and keeps it.
    ///
    /// # Errors
    /// If it is empty, longer than 32 characters, or holds others than letters, digits, `-` and `_`.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if text.is_empty() || text.len() > Self::MAX_CHARS || !text.bytes().all(is_allowed) {
            return Err(Invalid::new(
                "Topic",
                quoted(text),
                "1 to 32 characters of the base64url alphabet: letters, digits, - and _ (RFC 8030 section 5.4)",
                "use PushTopic::hashed for names of your own",
            ));
        }
        Ok(Self(text.into()))
    }

    /// A topic for any name: the base64url of the first 24 bytes of its SHA-256. Nobody on the way can read the name.
    pub fn hashed(name: impl AsRef<[u8]>) -> Self {
        let hash = digest::digest(&digest::SHA256, name.as_ref());
        Self(base64url::encode(&hash.as_ref()[..24]).into())
    }

    /// Its characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `None` never comes: the alphabet is that of headers.
    pub(crate) fn header_value(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(&self.0).ok()?;
        // Mostly no other push has it, so it would only push others out of the table of compressed headers.
        value.set_sensitive(true);
        Some(value)
    }
}

// === impl PushTopic ===

impl fmt::Display for PushTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for PushTopic {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn length_and_alphabet() {
        assert!(PushTopic::new(&"a".repeat(32)).is_ok());
        for text in ["", &"a".repeat(33), "a b", "a=", "a+b", "a/b", "ä"] {
            assert_eq!(PushTopic::new(text).unwrap_err().field(), "Topic", "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_name_has_a_topic_of_its_own(name in "\\PC{0,80}") {
            let topic = PushTopic::hashed(&name);
            prop_assert_eq!(&PushTopic::new(topic.as_str()).unwrap(), &topic);
            prop_assert_ne!(PushTopic::hashed(format!("{name}.")), topic.clone());
            prop_assert!(topic.header_value().is_some());
        }
    }
}
