//! Where pushes may go. An endpoint comes from outside, and without a guard it makes the sender speak to whatever its author
//! likes: a database next door, a cloud's metadata, the sender itself (SSRF).
//!
//! Two questions, both asked: may this host be spoken to at all, and is the address it stands for public? The second is
//! asked of the very addresses that are then connected to, so a name that changes its mind between question and connection
//! gains nothing. Redirects are never followed.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use h2_pool::Resolve;

use crate::address::not_public;
use crate::invalid::{Invalid, quoted};
use crate::origin::{HTTPS, Origin};
use crate::service::{PushService, is_host};

/// Which endpoints are let through. Clones share.
///
/// [`Guard::known_services`] is the safe choice and the default: the services of Apple, Google, Microsoft and Mozilla.
/// [`Guard::public`] lets every public https host through, as UnifiedPush and small browsers need.
///
/// ```
/// use webpush::{Guard, PushEndpoint};
/// let guard = Guard::known_services().allow("push.example.net")?;
/// let origin = |text| PushEndpoint::parse(text).map(|endpoint| endpoint.origin().clone());
/// assert!(guard.check(&origin("https://web.push.apple.com/x")?).is_ok());
/// assert!(guard.check(&origin("https://push.example.net/x")?).is_ok());
/// assert!(guard.check(&origin("https://elsewhere.example/x")?).is_err());
/// assert!(Guard::public().check(&origin("https://169.254.169.254/latest")?).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard(Arc<Rules>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rules {
    is_open: bool,
    any_port: bool,
    allowed: Vec<Box<str>>,
    trusted: Vec<Origin>,
}

/// Why an endpoint is not let through.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Forbidden {
    /// Its host is on no list.
    #[error(
        "{host} is no known push service; if it is one, allow it by name, or open the guard for every public host"
    )]
    Host {
        /// The host.
        host: Box<str>,
    },
    /// Its port is not that of https.
    #[error(
        "port {port} of {host} is not 443; trust that origin by name if a push service is there"
    )]
    Port {
        /// The host.
        host: Box<str>,
        /// The port.
        port: u16,
    },
    /// It is, or stands for, an address that is not public.
    #[error(
        "{host} leads to {address}, which is not public ({what}); a push service of your own there must be trusted by name"
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
    /// Only the services that [`PushService::KNOWN`] lists, and what is [allowed](Self::allow) besides.
    pub fn known_services() -> Self {
        Self(Arc::new(Rules {
            is_open: false,
            any_port: false,
            allowed: Vec::new(),
            trusted: Vec::new(),
        }))
    }

    /// Every host with a public address, on port 443.
    pub fn public() -> Self {
        Self::known_services().changed(|rules| rules.is_open = true)
    }

    /// Lets this host through too; one that begins with a dot stands for every host below it. Its addresses must be public
    /// all the same.
    ///
    /// # Errors
    /// If it is not the name of a host.
    pub fn allow(self, host: &str) -> Result<Self, Invalid> {
        let bare = host.strip_prefix('.').unwrap_or(host);
        let origin = Origin::new(bare, HTTPS).map_err(|_| {
            Invalid::new(
                "allowed host",
                quoted(host),
                "it must be the name of a host, with a dot in front if it stands for all below it",
                "name it as in the endpoint, without scheme, port and path",
            )
        })?;
        let dot = if host.starts_with('.') { "." } else { "" };
        let allowed = format!("{dot}{}", origin.host()).into();
        Ok(self.changed(|rules| rules.allowed.push(allowed)))
    }

    /// Lets hosts through on other ports than 443.
    #[must_use]
    pub fn any_port(self) -> Self {
        self.changed(|rules| rules.any_port = true)
    }

    /// Lets this one origin through whatever its address: a push service in your own network, or a simulator.
    #[must_use]
    pub fn trust(self, origin: Origin) -> Self {
        self.changed(|rules| rules.trusted.push(origin))
    }

    fn changed(mut self, change: impl FnOnce(&mut Rules)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// Whether addresses are the only thing that keeps hosts out: then they must be looked at here, and not by a proxy.
    pub fn is_open(&self) -> bool {
        self.0.is_open
    }

    fn trusts(&self, origin: &Origin) -> bool {
        self.0.trusted.contains(origin)
    }

    /// May this origin be spoken to, as far as its text tells? Asked before anything is looked up.
    ///
    /// # Errors
    /// [`Forbidden`] says why not.
    pub fn check(&self, origin: &Origin) -> Result<(), Forbidden> {
        if self.trusts(origin) {
            return Ok(());
        }
        let host = origin.host();
        if let Some(address) = origin.address() {
            self.check_address(origin, address)?;
        }
        let is_listed = || {
            PushService::of(origin) != PushService::Other
                || self.0.allowed.iter().any(|allowed| is_host(host, allowed))
        };
        if !self.0.is_open && !is_listed() {
            return Err(Forbidden::Host { host: host.into() });
        }
        if !self.0.any_port && origin.port() != HTTPS {
            return Err(Forbidden::Port {
                host: host.into(),
                port: origin.port(),
            });
        }
        Ok(())
    }

    /// May this address be connected to for that origin? Asked of every address that a name stands for.
    ///
    /// # Errors
    /// [`Forbidden::Address`] if it is not public and the origin not trusted.
    pub fn check_address(&self, origin: &Origin, address: IpAddr) -> Result<(), Forbidden> {
        match not_public(address) {
            Some(what) if !self.trusts(origin) => Err(Forbidden::Address {
                host: origin.host().into(),
                address,
                what,
            }),
            _ => Ok(()),
        }
    }
}

/// A resolver for one origin that keeps back every address the guard refuses. What it returns is connected to as it is, so
/// there is no second lookup that could say something else.
///
/// It is public for those who connect on their own.
///
/// ```
/// use webpush::{Guard, GuardedResolver, PushEndpoint};
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let endpoint = PushEndpoint::parse("https://push.example.net/x")?;
/// let resolver = GuardedResolver::new(Guard::public(), endpoint.origin().clone());
/// let connector = webpush::pool::Connector::new("push.example.net", 443).resolver(std::sync::Arc::new(resolver));
/// # Ok(())
/// # }
/// ```
pub struct GuardedResolver {
    guard: Guard,
    origin: Origin,
    inner: Option<Arc<dyn Resolve>>,
    last_refusal: Mutex<Option<Forbidden>>,
}

impl GuardedResolver {
    /// Asks the operating system.
    pub fn new(guard: Guard, origin: Origin) -> Self {
        Self {
            guard,
            origin,
            inner: None,
            last_refusal: Mutex::default(),
        }
    }

    /// Asks this resolver instead.
    #[must_use]
    pub fn asking(mut self, inner: Arc<dyn Resolve>) -> Self {
        self.inner = Some(inner);
        self
    }

    /// Why the last lookup gave nothing, if it was because of the guard.
    pub fn last_refusal(&self) -> Option<Forbidden> {
        self.last_refusal
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    async fn public_addresses(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let mut addresses: Vec<SocketAddr> = match &self.inner {
            Some(inner) => inner.resolve(host, port).await?,
            None => tokio::net::lookup_host((host, port)).await?.collect(),
        };
        let mut refused = None;
        addresses.retain(
            |address| match self.guard.check_address(&self.origin, address.ip()) {
                Ok(()) => true,
                Err(forbidden) => {
                    refused = Some(forbidden);
                    false
                }
            },
        );
        let verdict = refused.filter(|_| addresses.is_empty());
        let mut last = self
            .last_refusal
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        last.clone_from(&verdict);
        match verdict {
            Some(forbidden) => Err(io::Error::new(io::ErrorKind::PermissionDenied, forbidden)),
            None => Ok(addresses),
        }
    }
}

// === impl Default, Resolve, Debug ===

impl Default for Guard {
    fn default() -> Self {
        Self::known_services()
    }
}

impl Resolve for GuardedResolver {
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + 'a>> {
        Box::pin(self.public_addresses(host, port))
    }
}

impl fmt::Debug for GuardedResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedResolver")
            .field("guard", &self.guard)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::push_endpoint::PushEndpoint;

    fn origin(text: &str) -> Origin {
        PushEndpoint::parse(text).unwrap().origin().clone()
    }

    #[test]
    fn table_of_guards_and_endpoints() {
        let known = Guard::known_services();
        let listed = Guard::known_services()
            .allow("push.example.net")
            .unwrap()
            .allow(".up.example")
            .unwrap();
        let open = Guard::public();
        let ports = Guard::public().any_port();
        let own = Guard::known_services().trust(Origin::new("localhost", 8443).unwrap());
        // For each endpoint: known, listed, open, ports, own.
        for (endpoint, expected) in [
            (
                "https://web.push.apple.com/x",
                [true, true, true, true, true],
            ),
            (
                "https://fcm.googleapis.com/x",
                [true, true, true, true, true],
            ),
            (
                "https://fcm.googleapis.com:8443/x",
                [false, false, false, true, false],
            ),
            (
                "https://push.example.net/x",
                [false, true, true, true, false],
            ),
            (
                "https://push.example.net:444/x",
                [false, false, false, true, false],
            ),
            (
                "https://x.push.example.net/x",
                [false, false, true, true, false],
            ),
            ("https://a.up.example/x", [false, true, true, true, false]),
            ("https://up.example/x", [false, false, true, true, false]),
            (
                "https://evilup.example/x",
                [false, false, true, true, false],
            ),
            ("https://17.188.143.34/x", [false, false, true, true, false]),
            ("https://10.0.0.1/x", [false; 5]),
            ("https://127.0.0.1/x", [false; 5]),
            ("https://0.0.0.0/x", [false; 5]),
            ("https://169.254.169.254/latest/meta-data", [false; 5]),
            ("https://[::1]/x", [false; 5]),
            ("https://[::ffff:10.0.0.1]/x", [false; 5]),
            ("https://[64:ff9b::7f00:1]/x", [false; 5]),
            ("https://[fe80::1]/x", [false; 5]),
            (
                "https://localhost:8443/x",
                [false, false, false, true, true],
            ),
            (
                "https://localhost:8444/x",
                [false, false, false, true, false],
            ),
        ] {
            let found = [&known, &listed, &open, &ports, &own]
                .map(|guard| guard.check(&origin(endpoint)).is_ok());
            assert_eq!(found, expected, "{endpoint}");
        }
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let refused = |guard: Guard, text| guard.check(&origin(text)).unwrap_err().to_string();
        let text = refused(Guard::default(), "https://push.example.net/x");
        assert!(
            text.contains("push.example.net") && text.contains("allow it by name"),
            "{text}"
        );
        let text = refused(Guard::public(), "https://push.example.net:22/x");
        assert!(text.contains("port 22"), "{text}");
        let text = refused(Guard::public(), "https://192.168.1.1/x");
        assert!(
            text.contains("192.168.1.1") && text.contains("private"),
            "{text}"
        );
        assert!(Guard::public().allow("https://a.example").is_err());
    }

    /// Answers with what it was given.
    struct Names(Vec<SocketAddr>);

    impl Resolve for Names {
        fn resolve<'a>(
            &'a self,
            _host: &'a str,
            _port: u16,
        ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + 'a>> {
            Box::pin(async { Ok(self.0.clone()) })
        }
    }

    fn resolved(
        guard: &Guard,
        host: &str,
        addresses: &[&str],
    ) -> (Result<Vec<SocketAddr>, String>, Option<Forbidden>) {
        let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        let origin = Origin::new(host, 443).unwrap();
        let resolver =
            GuardedResolver::new(guard.clone(), origin).asking(Arc::new(Names(addresses)));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let result = runtime.block_on(resolver.resolve(host, 443));
        (
            result.map_err(|error| error.to_string()),
            resolver.last_refusal(),
        )
    }

    #[test]
    fn only_public_addresses_of_a_name_are_connected_to() {
        let open = Guard::public();
        let (kept, refusal) = resolved(
            &open,
            "mixed.example",
            &["10.0.0.1:443", "17.1.2.3:443", "[::1]:443"],
        );
        assert_eq!(kept.unwrap(), ["17.1.2.3:443".parse().unwrap()]);
        assert_eq!(refusal, None);
        let (none, refusal) = resolved(
            &open,
            "inside.example",
            &["10.0.0.1:443", "[::ffff:127.0.0.1]:443"],
        );
        assert!(none.unwrap_err().contains("not public"));
        assert!(
            matches!(
                refusal,
                Some(Forbidden::Address {
                    what: "loopback",
                    ..
                })
            ),
            "{refusal:?}"
        );
        // A known service whose name was poisoned is no exception.
        let (none, _) = resolved(
            &Guard::default(),
            "fcm.googleapis.com",
            &["192.168.0.1:443"],
        );
        assert!(none.is_err());
        let trusting = Guard::default().trust(Origin::new("push.internal", 443).unwrap());
        let (kept, _) = resolved(&trusting, "push.internal", &["10.0.0.1:443"]);
        assert_eq!(kept.unwrap().len(), 1);
        let (kept, _) = resolved(&open, "nowhere.example", &[]);
        assert_eq!(kept.unwrap(), []);
    }

    proptest! {
        #[test]
        fn no_address_that_is_not_public_gets_through(bits in proptest::collection::vec(any::<u128>(), 0..6), four in proptest::collection::vec(any::<u32>(), 0..6)) {
            let six = bits.iter().map(|bits| format!("[{}]:443", std::net::Ipv6Addr::from_bits(*bits)));
            let four = four.iter().map(|bits| format!("{}:443", std::net::Ipv4Addr::from_bits(*bits)));
            let all: Vec<String> = six.chain(four).collect();
            let all: Vec<&str> = all.iter().map(String::as_str).collect();
            let (kept, _) = resolved(&Guard::public(), "a.example", &all);
            for address in kept.unwrap_or_default() {
                prop_assert_eq!(not_public(address.ip()), None);
            }
        }
    }
}
