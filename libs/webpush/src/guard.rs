//! Where pushes may go. An endpoint comes from outside, and without a guard it makes the sender speak to whatever its author
//! likes: a database next door, a cloud's metadata, the sender itself (SSRF).
//!
//! Two questions, both asked: may this host be spoken to at all, and is the address it stands for public? The second is
//! asked of the very addresses that are then connected to, so a name that changes its mind between question and connection
//! gains nothing. Redirects are never followed. The judging itself is `egress_guard`'s; here is what it means for push services.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use egress_guard::{Exception, Forbidden};
use h2_pool::Resolve;

use crate::invalid::{Invalid, quoted};
use crate::origin::Origin;
use crate::service::PushService;

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
pub struct Guard(egress_guard::Guard);

impl Guard {
    /// Only the services that [`PushService::KNOWN`] lists, and what is [allowed](Self::allow) besides.
    pub fn known_services() -> Self {
        let known = PushService::KNOWN
            .iter()
            .flat_map(|service| service.rules().hosts.iter().copied());
        Self(egress_guard::Guard::listed(known))
    }

    /// Every host with a public address, on port 443.
    pub fn public() -> Self {
        Self(egress_guard::Guard::public())
    }

    /// Lets this host through too; one that begins with a dot stands for every host below it. Its addresses must be public
    /// all the same.
    ///
    /// # Errors
    /// If it is not the name of a host.
    pub fn allow(self, host: &str) -> Result<Self, Invalid> {
        self.0.allow(host).map(Self).map_err(|_| {
            Invalid::new(
                "allowed host",
                quoted(host),
                "it must be the name of a host, with a dot in front if it stands for all below it",
                "name it as in the endpoint, without scheme, port and path",
            )
        })
    }

    /// Lets hosts through on other ports than 443.
    #[must_use]
    pub fn any_port(self) -> Self {
        Self(self.0.any_port())
    }

    /// Lets this one origin through whatever its address: a push service in your own network, or a simulator.
    #[must_use]
    pub fn trust(self, origin: Origin) -> Self {
        let exception = Exception::Host {
            host: origin.as_host().clone(),
            port: Some(origin.port()),
        };
        Self(self.0.except(exception))
    }

    /// Whether addresses are the only thing that keeps hosts out: then they must be looked at here, and not by a proxy.
    pub fn is_open(&self) -> bool {
        self.0.is_open()
    }

    /// May this origin be spoken to, as far as its text tells? Asked before anything is looked up.
    ///
    /// # Errors
    /// [`Forbidden`] says why not.
    pub fn check(&self, origin: &Origin) -> Result<(), Forbidden> {
        self.0.check(origin.as_host(), origin.port())
    }

    /// May this address be connected to for that origin? Asked of every address that a name stands for.
    ///
    /// # Errors
    /// [`Forbidden::Address`] if it is not public and the origin not trusted.
    pub fn check_address(&self, origin: &Origin, address: IpAddr) -> Result<(), Forbidden> {
        self.0
            .check_address(origin.as_host(), Some(origin.port()), address)
    }

    fn admit(&self, origin: &Origin, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Forbidden> {
        self.0.admit(origin.as_host(), Some(origin.port()), found)
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
        let addresses: Vec<SocketAddr> = match &self.inner {
            Some(inner) => inner.resolve(host, port).await?,
            None => tokio::net::lookup_host((host, port)).await?.collect(),
        };
        let verdict = self.guard.admit(&self.origin, addresses);
        let mut last = self
            .last_refusal
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *last = verdict.as_ref().err().cloned();
        verdict.map_err(|forbidden| io::Error::new(io::ErrorKind::PermissionDenied, forbidden))
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

    use egress_guard::not_public;

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
