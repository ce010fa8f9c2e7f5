//! The guard: which hosts, and which of the addresses behind their names.
//!
//! It judges what it is shown. Looking up, connecting and not following redirects are the business of whoever asks it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::address::not_public;
use crate::exception::Exception;
use crate::host::{BadHost, Host, is_host};

/// The port of https when the URL names none.
pub const HTTPS: u16 = 443;

/// Which destinations are let through. Clones share.
///
/// [`Guard::listed`] is the safe choice where the destinations are known: those hosts and no others. [`Guard::public`] lets
/// every host through whose address is public. Either way addresses must be public, unless an [`Exception`] says otherwise.
///
/// ```
/// use egress_guard::{Guard, Host};
/// let guard = Guard::public().except("127.0.0.1".parse()?);
/// assert!(guard.check(&Host::parse("hooks.example.net")?, 443).is_ok());
/// assert!(guard.check(&Host::parse("169.254.169.254")?, 443).is_err());
/// assert!(guard.check(&Host::parse("127.0.0.1")?, 8080).is_ok());
///
/// // What a name stands for is judged before it is connected to.
/// let host = Host::parse("hooks.example.net")?;
/// let inside = vec!["10.0.0.1:443".parse()?];
/// assert!(guard.admit(&host, Some(443), inside).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard(Arc<Rules>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rules {
    is_open: bool,
    any_port: bool,
    allowed: Vec<Box<str>>,
    exceptions: Vec<Exception>,
}

/// Why a destination is not let through.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Forbidden {
    /// Its host is on no list.
    #[error(
        "{host} is on no list of hosts that may be spoken to; if it belongs there, allow it by name, or open the guard for \
         every public host"
    )]
    Host {
        /// The host.
        host: Box<str>,
    },
    /// Its port is not that of https.
    #[error(
        "port {port} of {host} is not 443; if that is right, trust this host and port by name, or allow other ports"
    )]
    Port {
        /// The host.
        host: Box<str>,
        /// The port.
        port: u16,
    },
    /// It is, or stands for, an address that is not public.
    #[error(
        "{host} leads to {address}, which is not public ({what}); a place of your own there must be trusted by name"
    )]
    Address {
        /// The host.
        host: Box<str>,
        /// The address.
        address: IpAddr,
        /// What the address is for.
        what: &'static str,
    },
}

impl Guard {
    /// Only these hosts, and what is [allowed](Self::allow) besides, at port 443. A pattern that begins with a dot stands for
    /// every host below it; they are in lower case, as [`is_host`] compares them.
    pub fn listed(patterns: impl IntoIterator<Item = &'static str>) -> Self {
        Self(Arc::new(Rules {
            is_open: false,
            any_port: false,
            allowed: patterns.into_iter().map(Box::from).collect(),
            exceptions: Vec::new(),
        }))
    }

    /// Every host with a public address, at port 443.
    pub fn public() -> Self {
        Self::listed([]).changed(|rules| rules.is_open = true)
    }

    /// Lets this host through too; one that begins with a dot stands for every host below it. Its addresses must be public
    /// all the same.
    ///
    /// # Errors
    /// If it is not the name of a host.
    pub fn allow(self, pattern: &str) -> Result<Self, BadHost> {
        let (dot, bare) = match pattern.strip_prefix('.') {
            Some(bare) => (".", bare),
            None => ("", pattern),
        };
        let allowed = format!("{dot}{}", Host::parse(bare)?).into();
        Ok(self.changed(|rules| rules.allowed.push(allowed)))
    }

    /// Lets hosts through at other ports than 443.
    #[must_use]
    pub fn any_port(self) -> Self {
        self.changed(|rules| rules.any_port = true)
    }

    /// Lets this place through whatever its address, port and list: one of your own, or a simulator.
    #[must_use]
    pub fn except(self, exception: Exception) -> Self {
        self.changed(|rules| rules.exceptions.push(exception))
    }

    fn changed(mut self, change: impl FnOnce(&mut Rules)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// Whether addresses are the only thing that keeps hosts out: then they must be looked at here, and not by a proxy.
    pub fn is_open(&self) -> bool {
        self.0.is_open
    }

    /// Whether an exception covers this host and port, as far as its text tells.
    pub fn trusts(&self, host: &Host, port: u16) -> bool {
        self.excepts(host, Some(port), None)
    }

    fn excepts(&self, host: &Host, port: Option<u16>, address: Option<IpAddr>) -> bool {
        let mut exceptions = self.0.exceptions.iter();
        exceptions.any(|exception| exception.covers(host, port, address))
    }

    /// May this host be spoken to at this port, as far as its text tells? Asked before anything is looked up, and the only
    /// question where the host is an address, which no resolver is ever shown.
    ///
    /// # Errors
    /// [`Forbidden`] says why not.
    pub fn check(&self, host: &Host, port: u16) -> Result<(), Forbidden> {
        if self.trusts(host, port) {
            return Ok(());
        }
        if let Some(address) = host.address() {
            self.check_address(host, Some(port), address)?;
        }
        let name = host.as_str();
        let is_listed = || self.0.allowed.iter().any(|allowed| is_host(name, allowed));
        if !self.0.is_open && !is_listed() {
            return Err(Forbidden::Host { host: name.into() });
        }
        if !self.0.any_port && port != HTTPS {
            return Err(Forbidden::Port {
                host: name.into(),
                port,
            });
        }
        Ok(())
    }

    /// May this address be connected to for that host? `port` is `None` where it is not known: exceptions for one port alone do
    /// not count then.
    ///
    /// # Errors
    /// [`Forbidden::Address`] if it is not public and no exception.
    pub fn check_address(
        &self,
        host: &Host,
        port: Option<u16>,
        address: IpAddr,
    ) -> Result<(), Forbidden> {
        match not_public(address) {
            Some(what) if !self.excepts(host, port, Some(address)) => Err(Forbidden::Address {
                host: host.as_str().into(),
                address,
                what,
            }),
            _ => Ok(()),
        }
    }

    /// Which of the addresses that a name stands for may be connected to: those, and nothing that a second lookup says.
    ///
    /// # Errors
    /// [`Forbidden::Address`] if there are some and none of them is let through. None at all is no error of the guard's.
    pub fn admit(
        &self,
        host: &Host,
        port: Option<u16>,
        mut addresses: Vec<SocketAddr>,
    ) -> Result<Vec<SocketAddr>, Forbidden> {
        let mut refused = None;
        addresses.retain(
            |address| match self.check_address(host, port, address.ip()) {
                Ok(()) => true,
                Err(forbidden) => {
                    refused = Some(forbidden);
                    false
                }
            },
        );
        match refused {
            Some(forbidden) if addresses.is_empty() => Err(forbidden),
            _ => Ok(addresses),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn host(text: &str) -> Host {
        Host::parse(text).unwrap()
    }

    #[test]
    fn table_of_guards_and_destinations() {
        let listed = Guard::listed(["a.example", ".up.example"]);
        let more = listed.clone().allow(".Push.Example.net").unwrap();
        let open = Guard::public();
        let ports = Guard::public().any_port();
        let own = Guard::listed([])
            .except("localhost:8443".parse().unwrap())
            .except("10.0.0.0/24".parse().unwrap());
        // For each destination: listed, more, open, ports, own.
        for (name, port, expected) in [
            ("a.example", 443, [true, true, true, true, false]),
            ("a.example", 8443, [false, false, false, true, false]),
            ("x.a.example", 443, [false, false, true, true, false]),
            ("x.up.example", 443, [true, true, true, true, false]),
            ("up.example", 443, [false, false, true, true, false]),
            ("evilup.example", 443, [false, false, true, true, false]),
            ("x.push.example.net", 443, [false, true, true, true, false]),
            ("17.188.143.34", 443, [false, false, true, true, false]),
            ("10.0.0.1", 22, [false, false, false, false, true]),
            ("10.0.1.1", 443, [false; 5]),
            ("127.0.0.1", 443, [false; 5]),
            ("0.0.0.0", 443, [false; 5]),
            ("169.254.169.254", 443, [false; 5]),
            ("[::1]", 443, [false; 5]),
            ("[::ffff:10.0.1.1]", 443, [false; 5]),
            ("[::ffff:10.0.0.1]", 443, [false, false, false, false, true]),
            ("[64:ff9b::7f00:1]", 443, [false; 5]),
            ("localhost", 8443, [false, false, false, true, true]),
            ("localhost", 8444, [false, false, false, true, false]),
        ] {
            let found = [&listed, &more, &open, &ports, &own]
                .map(|guard| guard.check(&host(name), port).is_ok());
            assert_eq!(found, expected, "{name}:{port}");
        }
        assert!(own.trusts(&host("localhost"), 8443) && !own.trusts(&host("localhost"), 443));
        assert!(Guard::public().allow("https://a.example").is_err());
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let refused =
            |guard: Guard, name, port| guard.check(&host(name), port).unwrap_err().to_string();
        for (text, words) in [
            (
                refused(Guard::listed([]), "a.example", 443),
                ["a.example", "allow it by name"],
            ),
            (
                refused(Guard::public(), "a.example", 22),
                ["port 22 of a.example", "trust"],
            ),
            (
                refused(Guard::public(), "192.168.1.1", 443),
                ["192.168.1.1", "private"],
            ),
        ] {
            assert!(words.iter().all(|word| text.contains(word)), "{text}");
        }
    }

    fn admitted(
        guard: &Guard,
        name: &str,
        port: Option<u16>,
        addresses: &[&str],
    ) -> Result<usize, Forbidden> {
        let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        guard
            .admit(&host(name), port, addresses)
            .map(|kept| kept.len())
    }

    #[test]
    fn only_public_addresses_of_a_name_are_admitted() {
        let open = Guard::public();
        let mixed = ["10.0.0.1:443", "17.1.2.3:443", "[::1]:443"];
        assert_eq!(admitted(&open, "mixed.example", Some(443), &mixed), Ok(1));
        let refusal = admitted(
            &open,
            "inside.example",
            None,
            &["10.0.0.1:443", "[::ffff:127.0.0.1]:443"],
        );
        assert!(
            matches!(
                refusal,
                Err(Forbidden::Address {
                    what: "loopback",
                    ..
                })
            ),
            "{refusal:?}"
        );
        assert_eq!(admitted(&open, "nowhere.example", None, &[]), Ok(0));
        // A listed host whose name was poisoned is no exception.
        let listed = Guard::listed(["a.example"]);
        assert!(admitted(&listed, "a.example", Some(443), &["192.168.0.1:443"]).is_err());
    }

    #[test]
    fn an_exception_for_one_port_does_not_open_the_others() {
        let guard = Guard::public()
            .any_port()
            .except("a.internal:8443".parse().unwrap())
            .except("b.internal".parse().unwrap())
            .except("10.9.0.0/16".parse().unwrap());
        for (name, port, address, expected) in [
            ("a.internal", Some(8443), "10.0.0.1:0", true),
            ("a.internal", Some(22), "10.0.0.1:0", false),
            ("a.internal", None, "10.0.0.1:0", false),
            ("b.internal", None, "10.0.0.1:0", true),
            ("c.internal", None, "10.9.0.1:0", true),
            ("c.internal", None, "10.8.0.1:0", false),
        ] {
            assert_eq!(
                admitted(&guard, name, port, &[address]).is_ok(),
                expected,
                "{name} {port:?} {address}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_address_that_is_not_public_gets_through(six in proptest::collection::vec(any::<u128>(), 0..6), four in proptest::collection::vec(any::<u32>(), 0..6)) {
            let six = six.into_iter().map(|bits| IpAddr::from(std::net::Ipv6Addr::from_bits(bits)));
            let four = four.into_iter().map(|bits| std::net::Ipv4Addr::from_bits(bits).into());
            let all: Vec<_> = six.chain(four).map(|address| SocketAddr::new(address, 443)).collect();
            let public = all.iter().filter(|address| not_public(address.ip()).is_none()).count();
            let kept = Guard::public().admit(&host("a.example"), Some(443), all);
            for address in kept.iter().flatten() {
                prop_assert_eq!(not_public(address.ip()), None);
            }
            prop_assert_eq!(kept.unwrap_or_default().len(), public);
        }
    }
}
