//! Scheme, host and port of an endpoint: what connections are pooled by and what a VAPID token is made out to.
//!
//! It says nothing about whether that host may be talked to: that is the guard's business.

use std::fmt;
use std::net::IpAddr;

pub(crate) use egress_guard::HTTPS;
use egress_guard::Host;

use crate::invalid::Invalid;

/// The origin of an endpoint (RFC 6454): always https, its host in lower case. Clones share.
///
/// Its text is the `aud` of a VAPID token (RFC 8292 section 2): no path, no slash at the end, and the port only where it
/// is not 443.
///
/// ```
/// let endpoint = webpush::PushEndpoint::parse("https://Push.Example.net:8443/x/y")?;
/// assert_eq!(endpoint.origin().to_string(), "https://push.example.net:8443");
/// assert_eq!(endpoint.origin().host(), "push.example.net");
/// # Ok::<(), webpush::Invalid>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    host: Host,
    port: u16,
}

impl Origin {
    /// Checks the host's form: a name in ASCII letters, digits, hyphens and dots, or an address (IPv6 in brackets).
    ///
    /// # Errors
    /// If it is neither. Names that end in a number are refused unless they are a plain IPv4 address: to resolvers
    /// `127.1` and `0x7f000001` are addresses in disguise.
    pub fn new(host: &str, port: u16) -> Result<Self, Invalid> {
        let wrong = |found: &str, rule| {
            let mend = "store the subscription exactly as the browser gave it";
            Invalid::new("endpoint", format!("the host {found}"), rule, mend)
        };
        let host = Host::parse(host).map_err(|error| wrong(error.found(), error.rule()))?;
        if port == 0 {
            return Err(wrong(
                &format!("{:?}", host.as_str()),
                "port 0 cannot be connected to",
            ));
        }
        Ok(Self { host, port })
    }

    /// The host; an IPv6 address stands in brackets.
    pub fn host(&self) -> &str {
        self.host.as_str()
    }

    pub(crate) fn as_host(&self) -> &Host {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address that the host is, if it is one and not a name.
    pub fn address(&self) -> Option<IpAddr> {
        self.host.address()
    }

    /// The value of `:authority`: without the port if it is 443.
    pub fn authority(&self) -> String {
        match self.port {
            HTTPS => self.host.to_string(),
            port => format!("{}:{port}", self.host),
        }
    }
}

// === impl Origin ===

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}", self.host)?;
        match self.port {
            HTTPS => Ok(()),
            port => write!(f, ":{port}"),
        }
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({self})")
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hosts_and_ports_as_an_audience() {
        for (host, port, text) in [
            ("push.example.net", 443, "https://push.example.net"),
            ("PUSH.example.NET.", 443, "https://push.example.net"),
            ("push.example.net", 8443, "https://push.example.net:8443"),
            ("203.0.113.7", 443, "https://203.0.113.7"),
            ("[2001:DB8::0:1]", 8443, "https://[2001:db8::1]:8443"),
            (
                "xn--bcher-kva.example",
                443,
                "https://xn--bcher-kva.example",
            ),
            ("localhost", 443, "https://localhost"),
        ] {
            assert_eq!(Origin::new(host, port).unwrap().to_string(), text);
        }
        let origin = Origin::new("[::1]", 443).unwrap();
        assert_eq!(origin.address(), Some(Ipv6Addr::LOCALHOST.into()));
        assert_eq!(Origin::new("a.example", 443).unwrap().address(), None);
    }

    #[test]
    fn addresses_in_disguise_are_no_hosts() {
        for host in [
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
            let error = Origin::new(host, 443).unwrap_err();
            assert_eq!(error.field(), "endpoint", "{host}");
        }
        assert!(Origin::new("a.example", 0).is_err());
        assert!(Origin::new(&"a.".repeat(130), 443).is_err());
    }

    proptest! {
        #[test]
        fn what_is_taken_stays_the_same(host in "\\PC{0,40}|[a-z0-9.-]{1,20}|[0-9.x]{1,12}", port: u16) {
            if let Ok(origin) = Origin::new(&host, port) {
                prop_assert_eq!(&Origin::new(origin.host(), port).unwrap(), &origin);
                prop_assert!(http::uri::Authority::try_from(origin.authority()).is_ok());
            }
        }
    }
}
