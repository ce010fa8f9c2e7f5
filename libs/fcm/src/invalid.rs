//! The one error of every small value in this crate: which field, what was found, which rule, what to do.
//!
//! It does not carry secrets: push tokens, signing keys and server keys never appear in `found`.

use std::fmt;

/// A value that FCM would refuse, refused here first.
///
/// The message names the field, what was found, the rule it breaks and the mend:
///
/// ```
/// let error = fcm::FcmTopic::new("breaking news").unwrap_err();
/// assert_eq!(error.field(), "topic");
/// assert_eq!(
///     error.to_string(),
///     "topic: found \"breaking news\"; only letters, digits and -_.~% are allowed; \
///      replace what else is in it, or percent-encode it",
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    field: &'static str,
    found: Box<str>,
    rule: &'static str,
    mend: &'static str,
}

impl Invalid {
    pub(crate) fn new(
        field: &'static str,
        found: impl Into<Box<str>>,
        rule: &'static str,
        mend: &'static str,
    ) -> Self {
        Self {
            field,
            found: found.into(),
            rule,
            mend,
        }
    }

    /// The field of the request, or the name of the setting, that is wrong.
    pub fn field(&self) -> &'static str {
        self.field
    }

    /// What was found there; shortened, and never a push token or a key.
    pub fn found(&self) -> &str {
        &self.found
    }

    /// The rule it breaks.
    pub fn rule(&self) -> &'static str {
        self.rule
    }

    /// What to do about it.
    pub fn mend(&self) -> &'static str {
        self.mend
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: found {}; {}; {}",
            self.field, self.found, self.rule, self.mend
        )
    }
}

impl std::error::Error for Invalid {}

/// Quotes a value for an error message, cut at 40 characters.
pub(crate) fn quoted(value: &str) -> String {
    let mut short: String = value.chars().take(40).collect();
    if short.len() < value.len() {
        short.push('…');
    }
    format!("{short:?}")
}
