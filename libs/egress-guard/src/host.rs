//! The host of a destination: a name or an address, in one spelling.
//!
//! It reads text and says nothing about where that leads: names are looked up by whoever connects.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// A host as it stands in a URL: in lower case, without a dot at the end, IPv6 in brackets. Clones share.
///
/// ```
/// use egress_guard::Host;
/// assert_eq!(Host::parse("Hooks.Example.NET.")?.as_str(), "hooks.example.net");
/// assert_eq!(Host::parse("[2001:DB8::0:1]")?.as_str(), "[2001:db8::1]");
/// assert_eq!(Host::parse("192.0.2.7")?.address(), Some([192, 0, 2, 7].into()));
/// assert!(Host::parse("0x7f000001").is_err());
/// # Ok::<(), egress_guard::BadHost>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host(Arc<str>);

/// A text that is no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the host {found}: {rule}")]
pub struct BadHost {
    found: Box<str>,
    rule: &'static str,
}

impl BadHost {
    /// What was found: quoted, cut at 40 characters.
    pub fn found(&self) -> &str {
        &self.found
    }

    /// The rule that it breaks.
    pub fn rule(&self) -> &'static str {
        self.rule
    }
}

impl Host {
    /// Checks the form: a name in ASCII letters, digits, hyphens and dots (RFC 1123 section 2.1; write names in other letters
    /// in their `xn--` form), or an address.
    ///
    /// # Errors
    /// If it is neither. Names that end in a number are refused unless they are a plain IPv4 address: to resolvers
    /// `127.1` and `0x7f000001` are addresses in disguise.
    pub fn parse(text: &str) -> Result<Self, BadHost> {
        let host = text.to_ascii_lowercase();
        let host = host.strip_suffix('.').unwrap_or(&host);
        let wrong = |rule| BadHost {
            found: quoted(host),
            rule,
        };
        if let Some(inner) = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            let address: Ipv6Addr = inner
                .parse()
                .map_err(|_| wrong("what stands in brackets must be an IPv6 address"))?;
            return Ok(Self(format!("[{address}]").into()));
        }
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        if host.len() > 253 || !host.split('.').all(is_label) {
            return Err(wrong(
                "a host is labels of ASCII letters, digits and hyphens, joined by dots",
            ));
        }
        let last = host.rsplit('.').next().unwrap_or_default();
        let is_number = last.bytes().all(|byte| byte.is_ascii_digit())
            || last
                .strip_prefix("0x")
                .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        if is_number && host.parse::<Ipv4Addr>().is_err() {
            return Err(wrong(
                "a host that ends in a number must be an IPv4 address in its usual form",
            ));
        }
        Ok(Self(host.into()))
    }

    /// Its text; an IPv6 address stands in brackets.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address that it is, if it is one and not a name.
    pub fn address(&self) -> Option<IpAddr> {
        self.0.trim_matches(['[', ']']).parse().ok()
    }
}

/// Whether the host is the one that the pattern names, or below it if the pattern begins with a dot. Both in lower case.
///
/// ```
/// use egress_guard::is_host;
/// assert!(is_host("hooks.example", "hooks.example"));
/// assert!(is_host("a.hooks.example", ".hooks.example"));
/// assert!(!is_host("hooks.example", ".hooks.example"));
/// assert!(!is_host("evilhooks.example", ".hooks.example"));
/// ```
pub fn is_host(host: &str, pattern: &str) -> bool {
    if pattern.starts_with('.') {
        host.len() > pattern.len() && host.ends_with(pattern)
    } else {
        host == pattern
    }
}

/// A value for an error message, cut at 40 characters.
fn quoted(value: &str) -> Box<str> {
    let mut short: String = value.chars().take(40).collect();
    if short.len() < value.len() {
        short.push('…');
    }
    format!("{short:?}").into()
}

// === impl Host ===

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self(address.to_string().into()),
            IpAddr::V6(address) => Self(format!("[{address}]").into()),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Host({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_spelling_for_each() {
        for (text, host) in [
            ("hooks.example.net", "hooks.example.net"),
            ("HOOKS.example.NET.", "hooks.example.net"),
            ("203.0.113.7", "203.0.113.7"),
            ("[2001:DB8::0:1]", "[2001:db8::1]"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(Host::parse(text).unwrap().as_str(), host);
        }
        assert_eq!(
            Host::parse("[::1]").unwrap().address(),
            Some(Ipv6Addr::LOCALHOST.into())
        );
        assert_eq!(Host::parse("a.example").unwrap().address(), None);
    }

    #[test]
    fn addresses_in_disguise_are_no_hosts() {
        for text in [
            "127.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "1.2.3.4.5",
            "a.0x",
            "256.1.1.1",
            "",
            ".",
            "a..b",
            "-a.example",
            "a-.example",
            "a_b.example",
            "bücher.example",
            "a b",
            "a/b",
            "a@b",
            "[::1",
            "::1",
            "[fe80::1%25eth0]",
            "[v1.x]",
        ] {
            let error = Host::parse(text).unwrap_err();
            assert!(error.to_string().contains(error.rule()), "{text}");
        }
        assert!(Host::parse(&"a.".repeat(130)).is_err());
        let long = Host::parse(&"a_".repeat(50)).unwrap_err();
        assert_eq!(long.found().chars().count(), 43, "{long}");
    }

    proptest! {
        #[test]
        fn what_is_taken_stays_the_same(text in "\\PC{0,40}|[a-z0-9.-]{1,20}|[0-9.x]{1,12}") {
            if let Ok(host) = Host::parse(&text) {
                prop_assert_eq!(&Host::parse(host.as_str()).unwrap(), &host);
            }
        }

        #[test]
        fn every_address_is_a_host(four: u32, six: u128) {
            for address in [IpAddr::from(Ipv4Addr::from_bits(four)), Ipv6Addr::from_bits(six).into()] {
                let host = Host::from(address);
                prop_assert_eq!(host.address(), Some(address));
                prop_assert_eq!(Host::parse(host.as_str()).unwrap(), host);
            }
        }
    }
}
