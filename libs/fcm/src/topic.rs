//! FCM's topics: names that app instances subscribe to. Not Apple's `apns-topic`, which is the name of an app.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::invalid::{Invalid, quoted};

/// A topic's bare name.
///
/// Letters, digits and `-_.~%`, at most 900 characters; a leading `/topics/` is dropped. Source: Firebase, *Send to
/// topics*.
///
/// ```
/// use fcm::FcmTopic;
/// assert_eq!(FcmTopic::new("/topics/weather-seoul")?.as_str(), "weather-seoul");
/// assert!(FcmTopic::new("weather seoul").is_err());
/// # Ok::<(), fcm::Invalid>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FcmTopic(Arc<str>);

impl FcmTopic {
    /// The longest name, in characters.
    pub const MAX_CHARACTERS: usize = 900;

    /// Checks and keeps it.
    ///
    /// # Errors
    /// If it is empty, too long, or has other characters in it.
    pub fn new(text: impl AsRef<str>) -> Result<Self, Invalid> {
        let text = text.as_ref();
        let name = text.strip_prefix("/topics/").unwrap_or(text);
        let refused = |found, rule, mend| Err(Invalid::new("topic", found, rule, mend));
        if name.is_empty() {
            return refused(
                "nothing".into(),
                "must not be empty",
                "give the topic's name",
            );
        }
        if !name.bytes().all(is_topic_byte) {
            return refused(
                quoted(name),
                "only letters, digits and -_.~% are allowed",
                "replace what else is in it, or percent-encode it",
            );
        }
        if name.len() > Self::MAX_CHARACTERS {
            return refused(
                format!("{} characters", name.len()),
                "at most 900 characters are allowed",
                "shorten the name, or hash it",
            );
        }
        Ok(Self(name.into()))
    }

    /// The name, without `/topics/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

pub(crate) fn is_topic_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~%".contains(&byte)
}

// === impl FcmTopic ===

impl fmt::Display for FcmTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for FcmTopic {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_and_the_length_are_kept() {
        for good in ["a", "A-1_b.c~d%20", "/topics/news"] {
            assert!(FcmTopic::new(good).is_ok(), "{good}");
        }
        assert!(FcmTopic::new("a".repeat(900)).is_ok());
        for (bad, rule) in [
            ("", "empty"),
            ("/topics/", "empty"),
            ("a/b", "only letters"),
            ("날씨", "only letters"),
            ("'a' in topics", "only letters"),
            (&*"a".repeat(901), "at most 900"),
        ] {
            let error = FcmTopic::new(bad).unwrap_err();
            assert!(error.to_string().contains(rule), "{bad:.20}: {error}");
        }
    }
}
