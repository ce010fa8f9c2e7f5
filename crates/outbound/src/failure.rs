//! What an error of the HTTP client means: how far the call got, and a sentence about it.
//!
//! Sentences name the host, never the path, which can be a secret.

use std::error::Error;
use std::io;

use carillon_model::webhook::{FailedPhase, WebhookAnswer};
use egress_guard::Forbidden;
use rustls::CertificateError;

use crate::config::WebhookConfig;

/// Judges an error that came before any answer.
pub(crate) fn failure(error: &reqwest::Error, host: &str, config: &WebhookConfig) -> WebhookAnswer {
    let causes = causes(error);
    let last = causes.last().map_or_else(String::new, ToString::to_string);
    let find =
        |wanted: fn(&(dyn Error + 'static)) -> bool| causes.iter().any(|cause| wanted(*cause));
    if let Some(forbidden) = causes
        .iter()
        .find_map(|cause| cause.downcast_ref::<Forbidden>())
    {
        return refused(&sentence(forbidden));
    }
    if error.is_dns() {
        let message = format!("the name {host} was not found: {last}");
        return WebhookAnswer::failed(FailedPhase::Resolve, message);
    }
    if let Some(tls) = causes
        .iter()
        .find_map(|cause| cause.downcast_ref::<rustls::Error>())
    {
        let message = format!("TLS with {host} did not come about: {}", tls_words(tls));
        return WebhookAnswer::failed(FailedPhase::Tls, message);
    }
    if error.is_timeout() && error.is_connect() {
        return timeout(host, "no connection", config.connect_deadline);
    }
    if error.is_connect() {
        // Accepted and hung up: nobody who speaks HTTPS does that before TLS stands.
        let hung_up = find(|cause| {
            cause
                .downcast_ref::<io::Error>()
                .is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof)
        });
        return if hung_up {
            let message =
                format!("{host} hung up before TLS stood; does it speak HTTPS at this port?");
            WebhookAnswer::failed(FailedPhase::Tls, message)
        } else {
            let message = format!("{host} could not be connected to: {last}");
            WebhookAnswer::failed(FailedPhase::Connect, message)
        };
    }
    let message = format!("the exchange with {host} broke off: {last}");
    WebhookAnswer::failed(FailedPhase::Exchange, message)
}

/// Why the guard said no. It is a library and does not know what the setting is called that it asks for.
pub(crate) fn sentence(forbidden: &Forbidden) -> String {
    match forbidden {
        Forbidden::Address { .. } => {
            format!("{forbidden}: in the setting webhooks.allow_private")
        }
        other => other.to_string(),
    }
}

/// It was not sent.
pub(crate) fn refused(why: &dyn std::fmt::Display) -> WebhookAnswer {
    WebhookAnswer::failed(FailedPhase::Refused, why.to_string())
}

/// `what` did not come within the time that it is given.
pub(crate) fn timeout(host: &str, what: &str, deadline: std::time::Duration) -> WebhookAnswer {
    let message = format!("{what} from {host} within {} s", deadline.as_secs_f32());
    WebhookAnswer::failed(FailedPhase::Timeout, message)
}

/// The error and what caused it, outermost first. What an `io::Error` is made of is among them, which `source` passes over.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    let mut causes = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        causes.push(error);
        next = match error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    causes
}

/// What went wrong with TLS, for people.
pub(crate) fn tls_words(error: &rustls::Error) -> String {
    let rustls::Error::InvalidCertificate(wrong) = error else {
        return error.to_string();
    };
    match wrong {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for other names".to_owned()
        }
        CertificateError::UnknownIssuer => {
            "its certificate is by an authority that is not trusted; does the server send the certificates in between too?"
                .to_owned()
        }
        other => format!("its certificate does not hold: {other}"),
    }
}
