//! A place that is let through whatever the guard would say of its address.
//!
//! Whoever runs the server writes these down; never whoever names the destination.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::host::{BadHost, Host};
use crate::network::{BadNetwork, Network};

/// A place of your own: a host by its name, at one port or at every one, or whatever is in a network.
///
/// Written as text it is a name (`hooks.internal`), a name with a port (`localhost:8443`), an address (`127.0.0.1`, `[::1]`)
/// or a network (`10.1.0.0/16`).
///
/// ```
/// use egress_guard::Exception;
/// assert!(matches!("10.1.0.0/16".parse()?, Exception::Network(_)));
/// assert!(matches!("hooks.internal:8443".parse()?, Exception::Host { port: Some(8443), .. }));
/// assert!("https://hooks.internal".parse::<Exception>().is_err());
/// # Ok::<(), egress_guard::BadException>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Exception {
    /// This host, whatever its name stands for.
    Host {
        /// The host.
        host: Host,
        /// At this port alone; `None`: at every port.
        port: Option<u16>,
    },
    /// Every address in this network, at every port, whatever the name that leads there.
    Network(Network),
}

/// A text that is no exception.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{found:?} is no exception for the guard: expected the name of a host (with \":port\" for one port alone), an address or \
     a network, such as hooks.internal, localhost:8443, 127.0.0.1 or 10.1.0.0/16; {why}"
)]
pub struct BadException {
    found: Box<str>,
    why: Box<str>,
}

impl Exception {
    /// Whether it is about this host at this port, at the address that its name stands for. `None` is what is not known yet, or
    /// not known here; nothing that is not known is in an exception.
    pub(crate) fn covers(&self, host: &Host, port: Option<u16>, address: Option<IpAddr>) -> bool {
        match self {
            Self::Host {
                host: own,
                port: at,
            } => host == own && (at.is_none() || *at == port),
            Self::Network(network) => address
                .or_else(|| host.address())
                .is_some_and(|address| network.contains(address)),
        }
    }
}

// === impl Exception ===

impl FromStr for Exception {
    type Err = BadException;

    fn from_str(text: &str) -> Result<Self, BadException> {
        let wrong = |why: String| BadException {
            found: text.chars().take(60).collect(),
            why: why.into(),
        };
        if text.contains('/') || text.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
            let network = text.parse();
            return network
                .map(Self::Network)
                .map_err(|error: BadNetwork| wrong(error.rule().to_owned()));
        }
        // A colon inside brackets belongs to the address.
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (text, None),
        };
        let port = port.map(|port| port.parse().ok().filter(|port| *port != 0));
        if port == Some(None) {
            return Err(wrong("a port is a number from 1 to 65535".to_owned()));
        }
        let host = Host::parse(host).map_err(|error: BadHost| wrong(error.rule().to_owned()))?;
        Ok(Self::Host {
            host,
            port: port.flatten(),
        })
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host { host, port: None } => host.fmt(f),
            Self::Host {
                host,
                port: Some(port),
            } => write!(f, "{host}:{port}"),
            Self::Network(network) => network.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exception(text: &str) -> Exception {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        for text in [
            "hooks.internal",
            "localhost:8443",
            "127.0.0.1",
            "10.1.0.0/16",
            "fd00::/8",
            "[::1]:8443",
            "10.0.0.7:80",
        ] {
            assert_eq!(exception(text).to_string(), text);
        }
        assert_eq!(exception("[::1]").to_string(), "::1");
        assert_eq!(exception("Hooks.Internal."), exception("hooks.internal"));
        for text in [
            "",
            "https://a.example",
            "a.example/x",
            "a.example:",
            "a.example:0",
            "a.example:65536",
            "127.1",
            "a b",
            "10.0.0.1/8",
            "*",
        ] {
            let error = text.parse::<Exception>().unwrap_err().to_string();
            assert!(
                error.contains(&format!("{text:?}")) && error.contains("hooks.internal"),
                "{error}"
            );
        }
    }

    #[test]
    fn what_is_not_known_is_not_covered() {
        let host = |text| Host::parse(text).unwrap();
        let inside: Option<IpAddr> = Some([10, 1, 2, 3].into());
        for (text, name, port, address, expected) in [
            ("a.internal", "a.internal", Some(1), None, true),
            ("a.internal", "a.internal", None, inside, true),
            ("a.internal", "b.a.internal", Some(1), None, false),
            ("a.internal:443", "a.internal", Some(443), None, true),
            ("a.internal:443", "a.internal", Some(444), inside, false),
            ("a.internal:443", "a.internal", None, inside, false),
            ("10.1.0.0/16", "a.internal", Some(1), inside, true),
            ("10.1.0.0/16", "a.internal", Some(1), None, false),
            ("10.1.0.0/16", "10.1.9.9", Some(1), None, true),
            ("10.1.0.0/16", "10.2.9.9", Some(1), None, false),
        ] {
            assert_eq!(
                exception(text).covers(&host(name), port, address),
                expected,
                "{text} {name} {port:?} {address:?}"
            );
        }
    }
}
