//! The one error of every small value in this crate: which field or header, what was found, which rule, what to do.
//!
//! It does not carry secrets: endpoints, which are push tokens, and keys never appear in `found`.

use std::fmt;

/// A value that a push service or a browser would refuse, refused here first.
///
/// ```
/// let error = webpush::PushEndpoint::parse("http://push.example/x").unwrap_err();
/// assert_eq!(error.field(), "endpoint");
/// assert_eq!(
///     error.to_string(),
///     "endpoint: found the scheme \"http\"; a push endpoint is an https URL (RFC 8030 section 8); \
///      store the subscription exactly as the browser gave it",
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

    /// The field, the header or the setting that is wrong.
    pub fn field(&self) -> &'static str {
        self.field
    }

    /// What was found there; shortened, and never an endpoint or a key.
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
