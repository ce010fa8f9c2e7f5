//! The URL that a browser hands out for a subscription: the address of a push, and a secret.
//!
//! It is a *capability*: whoever knows it can push (RFC 8030 section 8.3), so it is never shown whole. It also comes
//! from outside: that it is well formed says nothing about where it leads. See [`Guard`](crate::Guard).

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest;
use http::Uri;
use http::uri::PathAndQuery;

use crate::invalid::{Invalid, quoted};
use crate::origin::{HTTPS, Origin};

/// The longest endpoint that is taken, in bytes. WNS has the longest, below 1,000.
const MAX_BYTES: usize = 4096;

/// The address of a subscription. Clones share; `Debug` and `Display` show the origin and a fingerprint.
///
/// ```
/// let endpoint = webpush::PushEndpoint::parse("https://push.example.net/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV")?;
/// assert_eq!(endpoint.origin().host(), "push.example.net");
/// assert!(!format!("{endpoint}{endpoint:?}").contains("JzLQ3"));
/// # Ok::<(), webpush::Invalid>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PushEndpoint(Arc<Parts>);

#[derive(PartialEq, Eq, Hash)]
struct Parts {
    text: Box<str>,
    origin: Origin,
    path: PathAndQuery,
}

impl PushEndpoint {
    /// Checks and keeps an endpoint as the browser gave it.
    ///
    /// # Errors
    /// If it is not an https URL with a host and a path, names a user or a fragment, or is longer than 4096 bytes.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let wrong = |found: String, rule| {
            let mend = "store the subscription exactly as the browser gave it";
            Invalid::new("endpoint", found, rule, mend)
        };
        if text.len() > MAX_BYTES {
            let found = format!("{} bytes", text.len());
            return Err(wrong(found, "at most 4096 bytes are taken"));
        }
        if text.contains('#') {
            let found = "a fragment (#…)".to_owned();
            return Err(wrong(found, "a push endpoint has none"));
        }
        let uri: Uri = text
            .parse()
            .map_err(|_| wrong(format!("{} bytes", text.len()), "it is not a URL"))?;
        match uri.scheme_str() {
            Some("https") => {}
            Some(other) => {
                return Err(wrong(
                    format!("the scheme {}", quoted(other)),
                    "a push endpoint is an https URL (RFC 8030 section 8)",
                ));
            }
            None => {
                return Err(wrong(
                    "no scheme".to_owned(),
                    "a push endpoint is an absolute https URL",
                ));
            }
        }
        let authority = uri
            .authority()
            .ok_or_else(|| wrong("no host".to_owned(), "a push endpoint names its host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong(
                "a user name".to_owned(),
                "a push endpoint has none: what stands before the @ looks like a host and is not",
            ));
        }
        // `http` takes ports for good that are no numbers of 16 bits, and then knows of none.
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => HTTPS,
            Some(rest) => rest
                .strip_prefix(':')
                .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
                .and_then(|digits| digits.parse().ok())
                .ok_or_else(|| {
                    wrong(
                        format!("the port {}", quoted(rest)),
                        "a port is a number up to 65535",
                    )
                })?,
            None => {
                return Err(wrong(
                    "no host".to_owned(),
                    "a push endpoint names its host",
                ));
            }
        };
        let origin = Origin::new(authority.host(), port)?;
        let path = uri
            .path_and_query()
            .cloned()
            .unwrap_or_else(|| PathAndQuery::from_static("/"));
        Ok(Self(Arc::new(Parts {
            text: text.into(),
            origin,
            path,
        })))
    }

    /// The endpoint as given. It is a secret: whoever has it can push.
    pub fn expose(&self) -> &str {
        &self.0.text
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> &Origin {
        &self.0.origin
    }

    /// Path and query, byte for byte as given. A secret as well.
    pub fn path_and_query(&self) -> &PathAndQuery {
        &self.0.path
    }

    /// The first 12 hexadecimal digits of its SHA-256: to tell two apart in logs.
    pub fn fingerprint(&self) -> String {
        let hash = digest::digest(&digest::SHA256, self.0.text.as_bytes());
        hash.as_ref()[..6]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

// === impl PushEndpoint ===

impl fmt::Display for PushEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/…{}", self.0.origin, self.fingerprint())
    }
}

impl fmt::Debug for PushEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PushEndpoint({self})")
    }
}

impl std::str::FromStr for PushEndpoint {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn endpoints_of_the_services_pass_byte_for_byte() {
        for text in [
            "https://updates.push.services.mozilla.com/wpush/v2/gAAAAABk-_9x",
            "https://fcm.googleapis.com/fcm/send/dQw4:APA91bHun4",
            "https://web.push.apple.com/QGZ2c3Rh",
            "https://wns2-par02p.notify.windows.com/w/?token=BQYAAAD%2bq%2f",
            "https://push.example.net:8443/up?x=1&y=2",
        ] {
            let endpoint = PushEndpoint::parse(text).unwrap();
            assert_eq!(endpoint.expose(), text);
            let rest = format!("{}{}", endpoint.origin(), endpoint.path_and_query());
            assert_eq!(rest, text);
        }
    }

    #[test]
    fn what_is_no_endpoint_is_refused_by_its_rule() {
        for (text, found) in [
            ("http://push.example/x", "http"),
            ("HTTP://push.example/x", "http"),
            ("ftp://push.example/x", "ftp"),
            ("/push/x", "no scheme"),
            ("push.example", "no scheme"),
            ("https://user@push.example/x", "user name"),
            ("https://push.example@10.0.0.1/x", "user name"),
            ("https://push.example/x#y", "fragment"),
            ("https://push.example:/x", "the port"),
            ("https://push.example:99999/x", "99999"),
            ("https://127.1/x", "127.1"),
            ("https://push.example:0/x", "push.example"),
        ] {
            let error = PushEndpoint::parse(text).unwrap_err();
            assert!(error.found().contains(found), "{text}: {error}");
        }
        for text in [
            "",
            "https://",
            "https:///x",
            "https://a b/",
            "https://push.example/ä ö",
            "https://push.example:4x3/x",
            "javascript:alert(1)",
            "https:push.example",
            "https:\\\\push.example",
            "https://push.example/a\r\nb",
        ] {
            assert!(PushEndpoint::parse(text).is_err(), "{text}");
        }
        assert!(PushEndpoint::parse(&format!("https://a.example/{}", "x".repeat(4096))).is_err());
    }

    #[test]
    fn errors_do_not_show_the_secret_part() {
        for text in [
            "https://user@push.example/SECRET",
            "http://push.example/SECRET",
            "https://push.example/SECRET#x",
            "https://127.1/SECRET",
            "https://push.example/SECRET \u{7f}",
        ] {
            let error = PushEndpoint::parse(text).unwrap_err();
            assert!(!error.to_string().contains("SECRET"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_taken_is_written_whole(text in "\\PC{0,60}|https://[a-z0-9.:@/?#\\[\\]-]{0,40}") {
            if let Ok(endpoint) = PushEndpoint::parse(&text) {
                prop_assert_eq!(endpoint.expose(), &text);
                prop_assert!(endpoint.path_and_query().as_str().starts_with(['/', '?']));
            }
        }
    }
}
