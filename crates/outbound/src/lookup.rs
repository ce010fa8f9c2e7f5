//! Looking names up: at the operating system or elsewhere, with the guard between the answer and the connection.
//!
//! What a lookup gives is connected to as it is, so there is no second one that could say something else. Hosts that are
//! addresses never come here: the client has judged them before.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use egress_guard::{Guard, Host};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// The addresses of a name, once they are there. Their ports mean nothing.
pub type Found = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Looks names up elsewhere than at the operating system. The guard judges its answers all the same.
pub trait Lookup: Send + Sync + 'static {
    /// The addresses of `host`. Called for each connection; what it returns is not kept.
    fn lookup(&self, host: &str) -> Found;
}

/// The resolver that reqwest is given.
pub(crate) struct GuardedLookup {
    guard: Guard,
    inner: Arc<dyn Lookup>,
}

/// The operating system's resolver.
pub(crate) struct SystemLookup;

impl GuardedLookup {
    pub(crate) fn new(guard: Guard, inner: Arc<dyn Lookup>) -> Self {
        Self { guard, inner }
    }
}

// === impl Lookup, Resolve ===

impl Lookup for SystemLookup {
    fn lookup(&self, host: &str) -> Found {
        let host = host.to_owned();
        Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.collect()) })
    }
}

impl Resolve for GuardedLookup {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.guard.clone();
        let found = self.inner.lookup(name.as_str());
        Box::pin(async move {
            let host = Host::parse(name.as_str())?;
            let found = found.await?;
            if found.is_empty() {
                return Err(io::Error::new(io::ErrorKind::NotFound, "it has no address").into());
            }
            // The port is not told here, so exceptions for one port alone do not count.
            let addresses = guard
                .admit(&host, None, found)?
                .into_iter()
                .map(without_port);
            Ok(Box::new(addresses) as Addrs)
        })
    }
}

/// reqwest then takes the port of the URL, or that of its scheme.
fn without_port(mut address: SocketAddr) -> SocketAddr {
    address.set_port(0);
    address
}
