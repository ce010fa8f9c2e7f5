//! Whom a push service may write to when something is wrong: the `sub` of a VAPID token (RFC 8292 section 2.1).
//!
//! The RFC only recommends one. Apple refuses tokens without a plausible one (`403 BadJwtToken`), so here it is required,
//! and checked by what Apple was seen to refuse.

use std::fmt;
use std::sync::Arc;

use crate::invalid::{Invalid, quoted};

/// A `mailto:` or `https:` address of the sender's operator.
///
/// ```
/// let contact: webpush::Contact = "mailto:push@example.com".parse()?;
/// assert_eq!(contact.as_str(), "mailto:push@example.com");
/// assert!("mailto:me@localhost".parse::<webpush::Contact>().is_err());
/// # Ok::<(), webpush::Invalid>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Contact(Arc<str>);

/// Ends of host names that nobody outside can reach; Apple refuses them.
const UNREACHABLE: &[&str] = &["localhost", "local", "invalid"];

impl Contact {
    /// Checks and keeps it.
    ///
    /// # Errors
    /// If it is neither `mailto:` with one address nor `https:` with a host, holds blanks or angle brackets, or names a
    /// host that is not reachable from outside.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        let wrong = |rule| {
            Invalid::new(
                "contact",
                quoted(text),
                rule,
                "give an address that is read, such as mailto:push@example.com or https://example.com/contact",
            )
        };
        let is_plain =
            |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b'"' | b'\\');
        if !text.bytes().all(is_plain) {
            return Err(wrong(
                "it must not hold blanks, angle brackets, quotes or letters beyond ASCII (Apple answers BadJwtToken)",
            ));
        }
        let host = if let Some(address) = text.strip_prefix("mailto:") {
            match address.split_once('@') {
                Some((user, host)) if !user.is_empty() && !host.contains(['@', ',', '?']) => host,
                _ => return Err(wrong("mailto: is followed by exactly one address")),
            }
        } else if let Some(rest) = text.strip_prefix("https://") {
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            rest[..end].split(':').next().unwrap_or_default()
        } else {
            return Err(wrong(
                "it begins with mailto: or https:// (RFC 8292 section 2.1)",
            ));
        };
        let host = host.to_ascii_lowercase();
        let last = host.rsplit('.').next().unwrap_or_default();
        let is_name = host.contains('.')
            && host.split('.').all(|label| {
                !label.is_empty()
                    && label
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            });
        if UNREACHABLE.contains(&last) || !is_name {
            return Err(wrong(
                "its host must be reachable from outside (Apple answers BadJwtToken)",
            ));
        }
        Ok(Self(text.into()))
    }

    /// The address with its scheme.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

// === impl Contact ===

impl fmt::Display for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Contact {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_services_take() {
        for text in [
            "mailto:push@example.com",
            "mailto:push+prod@mail.example.co.uk",
            "https://example.com",
            "https://example.com:8443/contact?x=1",
        ] {
            assert_eq!(Contact::new(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn what_apple_was_seen_to_refuse() {
        for text in [
            "",
            "push@example.com",
            "http://example.com",
            "mailto:",
            "mailto:push",
            "mailto:@example.com",
            "mailto:a@b@example.com",
            "mailto:a@example.com,b@example.com",
            "mailto: push@example.com",
            "mailto:<push@example.com>",
            "mailto:push@localhost",
            "mailto:push@host",
            "mailto:push@mac.local",
            "mailto:push@x.LOCAL",
            "mailto:push@example.invalid",
            "mailto:push@example..com",
            "https://",
            "https:///x",
            "https://localhost",
            "https://localhost:8080/x",
            "https://",
            "mailto:bücher@example.com",
            "mailto:push@example.com\r\nx: y",
        ] {
            let error = Contact::new(text).unwrap_err();
            assert_eq!(error.field(), "contact", "{text}");
        }
    }
}
