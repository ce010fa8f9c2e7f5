//! Where to push, and as whom: the two things that make a connection's identity.
//!
//! One connection belongs to one team and one environment (Apple, *Establishing a token-based connection to APNs*), so
//! the two are never changed on a live one: open another.

use std::fmt;
use std::sync::Arc;

use h2_pool::{Connector, Proxy, Resolve, Tls};
use http::uri::{Authority, Scheme};

use crate::certificate::ClientCertificate;
use crate::environment::Environment;
use crate::error::{Error, ErrorKind};
use crate::provider_token::ProviderTokens;

/// A host to push to, and the way there.
///
/// ```
/// use apns::{Endpoint, Environment, Proxy};
/// let endpoint = Endpoint::environment(Environment::Production)
///     .port(Environment::ALTERNATIVE_PORT)
///     .proxy(Proxy::new("proxy.example", 3128).basic_auth("user", "secret"));
/// assert_eq!(endpoint.authority(), "api.push.apple.com:2197");
/// ```
#[derive(Clone)]
pub struct Endpoint {
    host: Box<str>,
    port: u16,
    extra_ca: Vec<Arc<[u8]>>,
    proxy: Option<Proxy>,
    resolver: Option<Arc<dyn Resolve>>,
}

/// Who is pushing: the provider tokens of a signing key, or a client certificate. Never both.
#[derive(Clone, Debug)]
pub enum Credential {
    /// `authorization: bearer …`, renewed by itself. All push types but `mdm`.
    ProviderTokens(ProviderTokens),
    /// TLS with a client certificate, for the topics it lists.
    Certificate(ClientCertificate),
}

impl Endpoint {
    /// Apple's host for pushes to devices.
    pub fn environment(environment: Environment) -> Self {
        Self::new(environment.device_host(), Environment::PORT)
    }

    /// Any host: a simulator, or a broadcast host.
    pub fn new(host: impl Into<Box<str>>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            extra_ca: Vec::new(),
            proxy: None,
            resolver: None,
        }
    }

    /// Another port, such as [`Environment::ALTERNATIVE_PORT`].
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Trusts the certificate authorities in this PEM text besides the public ones.
    pub fn extra_ca_pem(mut self, pem: &[u8]) -> Self {
        self.extra_ca.push(pem.into());
        self
    }

    /// Goes through an HTTP proxy that allows `CONNECT`.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// Looks the host's name up elsewhere than at the operating system.
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
        if self.port == Environment::PORT {
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

    pub(crate) fn connector(&self, credential: &Credential) -> Result<Connector, Error> {
        let mut tls = Tls::new();
        for pem in &self.extra_ca {
            tls = tls.extra_ca_pem(pem)?;
        }
        if let Credential::Certificate(certificate) = credential {
            let chain = certificate.chain().iter().map(|der| der.to_vec()).collect();
            let private_key = certificate.private_key().secret_der().to_vec();
            tls = tls.client_certificate_der(chain, private_key)?;
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

impl Credential {
    /// How many streams a new connection may open before APNs has accepted who we are.
    pub(crate) fn initial_streams(&self) -> usize {
        match self {
            Self::ProviderTokens(_) => 1,
            Self::Certificate(_) => usize::MAX,
        }
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

impl From<ProviderTokens> for Credential {
    fn from(tokens: ProviderTokens) -> Self {
        Self::ProviderTokens(tokens)
    }
}

impl From<ClientCertificate> for Credential {
    fn from(certificate: ClientCertificate) -> Self {
        Self::Certificate(certificate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_port_is_not_spelt_out() {
        for (endpoint, authority) in [
            (
                Endpoint::environment(Environment::Sandbox),
                "api.sandbox.push.apple.com",
            ),
            (
                Endpoint::environment(Environment::Production).port(2197),
                "api.push.apple.com:2197",
            ),
            (Endpoint::new("127.0.0.1", 8443), "127.0.0.1:8443"),
            (Endpoint::new("::1", 443), "[::1]"),
        ] {
            assert_eq!(endpoint.authority(), authority);
            assert_eq!(endpoint.origin().unwrap().1, authority);
        }
        assert!(Endpoint::new("no host", 443).origin().is_err());
    }
}
