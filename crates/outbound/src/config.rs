//! Settings of the webhook client.
//!
//! Where calls may go is the guard's, which is part of it; everything else has a default that works.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use egress_guard::{BadException, Exception, Guard};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::lookup::{Lookup, SystemLookup};

/// How webhooks are sent.
#[derive(Clone)]
pub struct WebhookConfig {
    /// Where they may go. Default: every public address, at any port. Exceptions for a host at one port alone do not count
    /// for names, since the port is not known where those are looked up.
    pub guard: Guard,
    /// Longest time for one call, from the lookup to the end of what is kept of the answer. Default 15 s.
    pub deadline: Duration,
    /// Longest time until the connection stands, TLS included. Default 5 s.
    pub connect_deadline: Duration,
    /// How much of an answer's body is kept, in bytes. Default 4,096; the rest is not read.
    pub kept_body_bytes: usize,
    /// How long an idle connection is kept. Default 30 s.
    pub idle: Duration,
    /// Most idle connections kept for each host and port. Default 2.
    pub idle_connections: usize,
    /// Certificate authorities to trust besides the public ones: PEM.
    pub extra_ca_pem: Vec<u8>,
    /// Looks names up elsewhere than at the operating system.
    pub lookup: Arc<dyn Lookup>,
}

/// A client that cannot be made of its settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// An exception for the guard cannot be read.
    #[error(transparent)]
    Exception(#[from] BadException),
    /// An exception names a port.
    #[error(
        "{0} names a port; for webhooks expected a host, an address or a network alone, which is let through at every port"
    )]
    Port(Exception),
    /// A certificate cannot be read.
    #[error(
        "a certificate authority for webhooks or checks: {0}; expected the text of a PEM file with certificates"
    )]
    Certificate(Box<str>),
    /// TLS or the client below cannot start.
    #[error("the client for webhooks or checks cannot start: {0}")]
    Start(Box<str>),
}

impl WebhookConfig {
    /// Lets these places through besides: hosts, addresses and networks of one's own, as `api.example.internal`, `127.0.0.1` or
    /// `10.1.0.0/16`. They may also be spoken to without TLS.
    ///
    /// # Errors
    /// If one of them cannot be read, or names a port, which could not be held to.
    pub fn allow_private<S: AsRef<str>>(
        mut self,
        places: impl IntoIterator<Item = S>,
    ) -> Result<Self, ConfigError> {
        for place in places {
            let place: Exception = place.as_ref().parse()?;
            if matches!(place, Exception::Host { port: Some(_), .. }) {
                return Err(ConfigError::Port(place));
            }
            self.guard = self.guard.except(place);
        }
        Ok(self)
    }

    pub(crate) fn tls(&self) -> Result<rustls::ClientConfig, ConfigError> {
        tls(&self.extra_ca_pem)
    }
}

/// TLS that trusts the public authorities and these.
pub(crate) fn tls(extra_ca_pem: &[u8]) -> Result<rustls::ClientConfig, ConfigError> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let public = roots.len();
    for certificate in CertificateDer::pem_slice_iter(extra_ca_pem) {
        let wrong = |error: &dyn fmt::Display| ConfigError::Certificate(error.to_string().into());
        let certificate = certificate.map_err(|error| wrong(&error))?;
        roots.add(certificate).map_err(|error| wrong(&error))?;
    }
    if !extra_ca_pem.is_empty() && roots.len() == public {
        return Err(ConfigError::Certificate("there is none in it".into()));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ConfigError::Start(error.to_string().into()))?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

// === impl WebhookConfig ===

impl Default for WebhookConfig {
    fn default() -> Self {
        Self {
            guard: Guard::public().any_port(),
            deadline: Duration::from_secs(15),
            connect_deadline: Duration::from_secs(5),
            kept_body_bytes: 4_096,
            idle: Duration::from_secs(30),
            idle_connections: 2,
            extra_ca_pem: Vec::new(),
            lookup: Arc::new(SystemLookup::default()),
        }
    }
}

impl fmt::Debug for WebhookConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookConfig")
            .field("guard", &self.guard)
            .field("deadline", &self.deadline)
            .field("connect_deadline", &self.connect_deadline)
            .field("kept_body_bytes", &self.kept_body_bytes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_settings_say_which() {
        let text = |result: Result<WebhookConfig, ConfigError>| result.unwrap_err().to_string();
        let bad = text(WebhookConfig::default().allow_private(["127.0.0.1", "http://x"]));
        assert!(
            bad.contains("\"http://x\"") && bad.contains("127.0.0.1 or 10.1.0.0/16"),
            "{bad}"
        );
        let bad = text(WebhookConfig::default().allow_private(["localhost:80"]));
        assert!(bad.starts_with("localhost:80 names a port"), "{bad}");
        for pem in [
            "x",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ] {
            let config = WebhookConfig {
                extra_ca_pem: pem.into(),
                ..WebhookConfig::default()
            };
            assert!(
                config.tls().unwrap_err().to_string().contains("PEM"),
                "{pem}"
            );
        }
        assert!(WebhookConfig::default().tls().is_ok());
    }
}
