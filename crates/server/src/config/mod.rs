//! The configuration: what is set when the process starts. Apps, credentials, devices and API keys are
//! not here: they live in the store and change without a restart.
//!
//! [`settings`] lists every key once, with its default and what it means; from that list come the
//! printed example, the check for unknown keys and the environment's names. [`load`] lays file and
//! environment over the defaults; this file says which type each key has and what must hold between
//! them. All of it happens before any port is bound.

mod load;
mod nearest;
mod settings;
mod value;

pub(crate) use load::{Sources, load};
pub(crate) use settings::example;
pub(crate) use value::{Endpoint, Span};

use crate::exit::{Exit, Failure};
use secrecy::SecretString;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Everything, checked.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) server: Server,
    pub(crate) store: Store,
    pub(crate) secrets: Secrets,
    pub(crate) apns: Apns,
    pub(crate) engine: Engine,
    pub(crate) retention: Retention,
    pub(crate) log: Log,
    pub(crate) clock: Clock,
}

/// `[server]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Server {
    pub(crate) mode: Mode,
    pub(crate) listen: SocketAddr,
    pub(crate) tls_certificate_file: Option<PathBuf>,
    pub(crate) tls_private_key_file: Option<PathBuf>,
    pub(crate) threads: usize,
    pub(crate) header_timeout: Span,
    pub(crate) stop_deadline: Span,
}

/// Whether things that only help trying out are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    Production,
    Development,
}

/// `[store]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Store {
    pub(crate) path: PathBuf,
}

/// `[secrets]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Secrets {
    pub(crate) master_key: Option<SecretString>,
    pub(crate) master_key_file: Option<PathBuf>,
}

/// `[apns]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Apns {
    pub(crate) production: Endpoint,
    pub(crate) sandbox: Endpoint,
    pub(crate) production_channels: Endpoint,
    pub(crate) sandbox_channels: Endpoint,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) proxy: Option<Endpoint>,
    pub(crate) proxy_user: Option<String>,
    pub(crate) proxy_password: Option<SecretString>,
}

/// `[engine]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Engine {}

/// `[retention]`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Retention {
    pub(crate) content: Span,
    pub(crate) records: Span,
}

/// `[log]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Log {
    pub(crate) format: LogFormat,
    pub(crate) level: String,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// `[clock]`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Clock {
    pub(crate) offset: Span,
    pub(crate) speed: f64,
}

impl Config {
    /// What must hold between several keys.
    fn check(&self) -> Result<(), Failure> {
        let wrong = |key: &str, why: &str, mend: &str| {
            Err(Failure::new(Exit::Usage, format!("{key}: {why}")).mend(mend))
        };
        let server = &self.server;
        if server.tls_certificate_file.is_some() != server.tls_private_key_file.is_some() {
            return wrong(
                "server.tls_certificate_file",
                "it and server.tls_private_key_file belong together, and only one is set",
                "set both, or neither",
            );
        }
        if server.threads > 64 {
            return wrong(
                "server.threads",
                "expected 0 (automatic) to 64",
                "leave it at 0: one thread serves tens of thousands of requests a second",
            );
        }
        for (key, span) in [
            ("server.stop_deadline", server.stop_deadline),
            ("server.header_timeout", server.header_timeout),
            ("retention.content", self.retention.content),
            ("retention.records", self.retention.records),
        ] {
            if span.ms() <= 0 {
                return wrong(key, "expected a duration above zero", "e.g. \"30s\"");
            }
        }
        if self.retention.records.ms() < self.retention.content.ms() {
            return wrong(
                "retention.records",
                "records cannot go before the content they describe",
                "make it at least as long as retention.content",
            );
        }
        if self.secrets.master_key.is_some() && self.secrets.master_key_file.is_some() {
            return wrong(
                "secrets.master_key",
                "both it and secrets.master_key_file are set",
                "keep one of them",
            );
        }
        if self.apns.proxy.is_none()
            && (self.apns.proxy_user.is_some() || self.apns.proxy_password.is_some())
        {
            return wrong(
                "apns.proxy_user",
                "a proxy's user or password is set, and no proxy",
                "set apns.proxy to host:port, or remove them",
            );
        }
        if !(self.clock.speed.is_finite() && (0.001..=100_000.0).contains(&self.clock.speed)) {
            return wrong(
                "clock.speed",
                "expected 0.001 to 100000",
                "1.0 is real time",
            );
        }
        if self.is_clock_moved() && server.mode == Mode::Production {
            return wrong(
                "clock.offset",
                "a moved clock is for trying out, and server.mode is \"production\"",
                "remove [clock], or set server.mode = \"development\"",
            );
        }
        if let Err(error) = self.log.level.parse::<tracing_subscriber::EnvFilter>() {
            return wrong(
                "log.level",
                &format!("{:?} is not a filter: {error}", self.log.level),
                "e.g. \"info\", or \"warn,carillon_engine=debug\"",
            );
        }
        Ok(())
    }

    /// Whether business time is not the machine's.
    pub(crate) fn is_clock_moved(&self) -> bool {
        self.clock.offset.ms() != 0 || self.clock.speed != 1.0
    }

    /// Where the master key file is.
    pub(crate) fn master_key_file(&self) -> PathBuf {
        self.secrets
            .master_key_file
            .clone()
            .unwrap_or_else(|| self.store.path.with_file_name("master.key"))
    }

    /// Deadline of a graceful stop.
    pub(crate) fn stop_deadline(&self) -> Duration {
        self.server.stop_deadline.duration()
    }
}

#[cfg(test)]
mod tests;
