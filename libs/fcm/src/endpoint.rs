//! Which host to talk to, and the way there.

use std::fmt;
use std::sync::Arc;

use h2_pool::{Connector, Proxy, Resolve, Tls};
use http::uri::{Authority, Scheme};

use crate::error::{Error, ErrorKind};

/// A host to send to, and the way there.
///
/// ```
/// use fcm::{Endpoint, Proxy};
/// let endpoint = Endpoint::fcm().proxy(Proxy::new("proxy.example", 3128).basic_auth("user", "secret"));
/// assert_eq!(endpoint.authority(), "fcm.googleapis.com");
/// ```
#[derive(Clone)]
pub struct Endpoint {
    host: Box<str>,
    port: u16,
    extra_ca: Vec<Arc<[u8]>>,
    proxy: Option<Proxy>,
    resolver: Option<Arc<dyn Resolve>>,
}

impl Endpoint {
    /// The port that is not spelt out.
    pub const PORT: u16 = 443;

    /// Google's host for messages.
    pub fn fcm() -> Self {
        Self::new("fcm.googleapis.com", Self::PORT)
    }

    /// Any host: a simulator, or a token endpoint.
    pub fn new(host: impl Into<Box<str>>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            extra_ca: Vec::new(),
            proxy: None,
            resolver: None,
        }
    }

    /// Trusts the certificate authorities in this PEM text besides the public ones.
    #[must_use]
    pub fn extra_ca_pem(mut self, pem: &[u8]) -> Self {
        self.extra_ca.push(pem.into());
        self
    }

    /// Goes through an HTTP proxy that allows `CONNECT`.
    #[must_use]
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// Looks the host's name up elsewhere than at the operating system.
    #[must_use]
    pub fn resolver(mut self, resolver: Arc<dyn Resolve>) -> Self {
        self.resolver = Some(resolver);
        self
    }

    /// The value of `:authority`.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') && !self.host.starts_with('[') {
            format!("[{}]", self.host)
        } else {
            self.host.to_string()
        };
        if self.port == Self::PORT {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }

    pub(crate) fn origin(&self) -> Result<(Scheme, Authority), Error> {
        let authority = self.authority();
        let authority = Authority::try_from(authority.as_str())
            .map_err(|_| Error::new(ErrorKind::Invalid, format!("{authority:?} is not a host")))?;
        Ok((Scheme::HTTPS, authority))
    }

    pub(crate) fn connector(&self) -> Result<Connector, Error> {
        let mut tls = Tls::new();
        for pem in &self.extra_ca {
            tls = tls.extra_ca_pem(pem)?;
        }
        let mut connector = Connector::new(&*self.host, self.port).tls(tls)?;
        if let Some(proxy) = &self.proxy {
            connector = connector.proxy(proxy.clone());
        }
        if let Some(resolver) = &self.resolver {
            connector = connector.resolver(resolver.clone());
        }
        Ok(connector)
    }
}

// === impl Endpoint ===

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("authority", &self.authority())
            .field("extra_ca", &self.extra_ca.len())
            .field("proxy", &self.proxy)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_port_is_not_spelt_out() {
        for (endpoint, authority) in [
            (Endpoint::fcm(), "fcm.googleapis.com"),
            (Endpoint::new("127.0.0.1", 8443), "127.0.0.1:8443"),
            (Endpoint::new("::1", 443), "[::1]"),
        ] {
            assert_eq!(endpoint.authority(), authority);
            assert_eq!(endpoint.origin().unwrap().1, authority);
        }
        assert!(Endpoint::new("no host", 443).origin().is_err());
    }
}
