//! The way to push services: the guard, whom to trust, a proxy, a resolver. The same for every origin.

use std::fmt;
use std::sync::Arc;

use h2_pool::{Connector, Proxy, Resolve, Tls};

use crate::error::{Error, ErrorKind};
use crate::guard::{Guard, GuardedResolver};
use crate::origin::Origin;

/// How to get to an origin. Clones share.
///
/// ```
/// use webpush::{Guard, Route};
/// let route = Route::new(Guard::public());
/// assert!(route.guard().is_open());
/// ```
#[derive(Clone)]
pub struct Route {
    guard: Guard,
    extra_ca: Vec<Arc<[u8]>>,
    proxy: Option<Proxy>,
    resolver: Option<Arc<dyn Resolve>>,
}

impl Route {
    /// Straight there, if the guard lets it through.
    pub fn new(guard: Guard) -> Self {
        Self {
            guard,
            extra_ca: Vec::new(),
            proxy: None,
            resolver: None,
        }
    }

    /// The same way behind another guard.
    #[must_use]
    pub fn guarded_by(mut self, guard: Guard) -> Self {
        self.guard = guard;
        self
    }

    /// Trusts the certificate authorities in this PEM text besides the public ones.
    #[must_use]
    pub fn extra_ca_pem(mut self, pem: &[u8]) -> Self {
        self.extra_ca.push(pem.into());
        self
    }

    /// Goes through an HTTP proxy that allows `CONNECT`.
    ///
    /// The proxy looks names up, so no address can be checked here: [`check`](Self::check) then refuses a guard that lets
    /// every public host through, and the addresses of allowed hosts are the proxy's responsibility.
    #[must_use]
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// Looks names up elsewhere than at the operating system. The guard judges its answers all the same.
    #[must_use]
    pub fn resolver(mut self, resolver: Arc<dyn Resolve>) -> Self {
        self.resolver = Some(resolver);
        self
    }

    /// What is let through.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Whether its parts can be used, and together.
    ///
    /// # Errors
    /// If a certificate cannot be read, or an open guard stands before a proxy.
    pub fn check(&self) -> Result<(), Error> {
        if self.proxy.is_some() && self.guard.is_open() {
            return Err(Error::new(
                ErrorKind::Invalid,
                "a proxy looks names up itself, so a guard that lets every public host through could not see where they \
                 lead; allow hosts by name instead (Guard::known_services, Guard::allow)",
            ));
        }
        self.tls().map(drop)
    }

    fn tls(&self) -> Result<Tls, Error> {
        let mut tls = Tls::new();
        for pem in &self.extra_ca {
            tls = tls.extra_ca_pem(pem)?;
        }
        Ok(tls)
    }

    /// A connector to this origin, and the guard's resolver in it if there is one.
    pub(crate) fn connector(
        &self,
        origin: &Origin,
    ) -> Result<(Connector, Option<Arc<GuardedResolver>>), Error> {
        self.check()?;
        self.guard.check(origin)?;
        let host = origin.host().trim_matches(['[', ']']);
        let connector = Connector::new(host, origin.port()).tls(self.tls()?)?;
        if let Some(proxy) = &self.proxy {
            let connector = connector.proxy(proxy.clone());
            return Ok(match &self.resolver {
                Some(resolver) => (connector.resolver(resolver.clone()), None),
                None => (connector, None),
            });
        }
        let mut resolver = GuardedResolver::new(self.guard.clone(), origin.clone());
        if let Some(inner) = &self.resolver {
            resolver = resolver.asking(inner.clone());
        }
        let resolver = Arc::new(resolver);
        Ok((connector.resolver(resolver.clone()), Some(resolver)))
    }
}

// === impl Default, Debug ===

impl Default for Route {
    fn default() -> Self {
        Self::new(Guard::default())
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route")
            .field("guard", &self.guard)
            .field("extra_ca", &self.extra_ca.len())
            .field("proxy", &self.proxy)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_guard_and_a_proxy_do_not_go_together() {
        let proxy = || Proxy::new("proxy.example", 3128);
        let error = Route::new(Guard::public())
            .proxy(proxy())
            .check()
            .unwrap_err();
        assert!(
            error.to_string().contains("looks names up itself"),
            "{error}"
        );
        Route::default().proxy(proxy()).check().unwrap();
        let error = Route::default()
            .extra_ca_pem(b"no certificate")
            .check()
            .unwrap_err();
        assert!(error.to_string().contains("extra CA"), "{error}");
    }

    #[test]
    fn what_the_guard_refuses_has_no_connector() {
        let connector =
            |host| Route::new(Guard::public()).connector(&Origin::new(host, 443).unwrap());
        assert!(connector("127.0.0.1").unwrap_err().is_forbidden());
        assert!(connector("[::1]").unwrap_err().is_forbidden());
        assert!(connector("push.example.net").is_ok());
        assert!(
            connector("[2606:4700::1]").is_ok(),
            "an address in brackets can stand in a certificate"
        );
    }
}
