//! Connections of checks: looked up, judged by the guard, and made to the very addresses that it let through.

use std::fmt;
use std::net::SocketAddr;

use carillon_model::UnixMs;
use carillon_model::monitor::{CheckResult, FaultKind};
use egress_guard::{Forbidden, Host};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout_at;
use tokio_rustls::client::TlsStream;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::Attempt;
use crate::failure::tls_words;
use crate::lookup::is_no_turn;

/// Most addresses of one name that are tried.
const MAX_ADDRESSES: usize = 4;

/// A host and a port.
pub(super) struct Place {
    pub(super) host: Host,
    pub(super) port: u16,
}

impl Place {
    pub(super) fn parse(host: &str, port: u16) -> Result<Self, CheckResult> {
        let host = Host::parse(host)
            .map_err(|error| CheckResult::unknown(FaultKind::Refused, error.to_string()))?;
        Ok(Self { host, port })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Why the guard said no. It is a library and does not know what is to be done about it here.
pub(super) fn sentence(forbidden: &Forbidden) -> String {
    match forbidden {
        Forbidden::Address { .. } => format!(
            "{forbidden}: in the setting monitors.allow_private, and by \"private_target\": true of the monitor"
        ),
        other => other.to_string(),
    }
}

fn refused(forbidden: &Forbidden) -> CheckResult {
    CheckResult::unknown(FaultKind::Refused, sentence(forbidden))
}

/// The addresses of a place that may be spoken to, at least one.
pub(super) async fn addresses(
    attempt: &Attempt<'_>,
    place: &Place,
) -> Result<Vec<SocketAddr>, CheckResult> {
    let host = &place.host;
    attempt
        .guard
        .check(host, place.port)
        .map_err(|forbidden| refused(&forbidden))?;
    let found = match host.address() {
        Some(address) => vec![SocketAddr::new(address, place.port)],
        None => {
            let lookup = &attempt.inner.config.lookup;
            let lookup = lookup.lookup_until(host.as_str(), attempt.deadline);
            let found = timeout_at(attempt.deadline, lookup)
                .await
                .map_err(|_| attempt.too_late("no address", host))?;
            let not_found = |why: &dyn fmt::Display| {
                let message = format!("the name {host} was not found: {why}");
                CheckResult::down(FaultKind::Resolve, message).after(attempt.elapsed_ms())
            };
            let mut found = found.map_err(|error| match is_no_turn(&error) {
                true => {
                    let message = format!("the name {host} was not looked up: {error}");
                    CheckResult::unknown(FaultKind::Resolve, message)
                }
                false => not_found(&error),
            })?;
            if found.is_empty() {
                return Err(not_found(&"it has no address"));
            }
            found
                .iter_mut()
                .for_each(|address| address.set_port(place.port));
            found
        }
    };
    let mut admitted = attempt
        .guard
        .admit(host, Some(place.port), found)
        .map_err(|forbidden| refused(&forbidden))?;
    admitted.truncate(MAX_ADDRESSES);
    Ok(admitted)
}

/// A connection to a place.
pub(super) async fn connected(
    attempt: &Attempt<'_>,
    place: &Place,
) -> Result<TcpStream, CheckResult> {
    let mut last = None;
    for address in addresses(attempt, place).await? {
        match timeout_at(attempt.deadline, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // A request is one write; whether this can be set is no fault of the place.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => last = Some(error.to_string()),
            Err(_) => return Err(attempt.too_late("no connection", place)),
        }
    }
    let why = last.unwrap_or_else(|| "it has no address".to_owned());
    let message = format!("{place} could not be connected to: {why}");
    Err(CheckResult::down(FaultKind::Connect, message).after(attempt.elapsed_ms()))
}

/// TLS over a connection, and when the certificate that was shown is no longer valid.
pub(super) async fn secured(
    attempt: &Attempt<'_>,
    place: &Place,
    name: &str,
    stream: TcpStream,
) -> Result<(TlsStream<TcpStream>, Option<UnixMs>), CheckResult> {
    let bare = name.trim_matches(['[', ']']).to_owned();
    let server_name = ServerName::try_from(bare).map_err(|_| {
        let message = format!("{name} cannot stand in a certificate");
        CheckResult::unknown(FaultKind::Refused, message)
    })?;
    let handshake = attempt.inner.tls.connect(server_name, stream);
    match timeout_at(attempt.deadline, handshake).await {
        Ok(Ok(stream)) => {
            let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
            let until = certificates.first().and_then(|der| ends_at(der));
            Ok((stream, until))
        }
        Ok(Err(error)) => {
            let inner = error
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<rustls::Error>());
            let (kind, why) = match inner {
                Some(tls @ rustls::Error::InvalidCertificate(_)) => {
                    (FaultKind::Certificate, tls_words(tls))
                }
                Some(tls) => (FaultKind::Tls, tls_words(tls)),
                None => (FaultKind::Tls, error.to_string()),
            };
            let message = match kind {
                FaultKind::Certificate => format!("{place}: {why}"),
                _ => format!("TLS with {place} did not come about: {why}"),
            };
            Err(CheckResult::down(kind, message).after(attempt.elapsed_ms()))
        }
        Err(_) => Err(attempt.too_late("no TLS", place)),
    }
}

fn ends_at(der: &[u8]) -> Option<UnixMs> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let secs = certificate.validity().not_after.timestamp();
    secs.checked_mul(1_000)
}
