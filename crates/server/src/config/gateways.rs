//! Settings of the gateways, as they are read.

use super::{Endpoint, Several, Span};
use secrecy::SecretString;
use serde::Deserialize;
use std::path::PathBuf;

/// `[apns]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Apns {
    pub(crate) production: Endpoint,
    pub(crate) sandbox: Endpoint,
    pub(crate) production_channels: Endpoint,
    pub(crate) sandbox_channels: Endpoint,
    pub(crate) production_broadcasts: Option<Endpoint>,
    pub(crate) sandbox_broadcasts: Option<Endpoint>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) proxy: Option<Endpoint>,
    pub(crate) proxy_user: Option<String>,
    pub(crate) proxy_password: Option<SecretString>,
    pub(crate) io_threads: usize,
    pub(crate) connect_timeout: Span,
    pub(crate) connect_attempts: u32,
    pub(crate) backoff_min: Span,
    pub(crate) backoff_max: Span,
    pub(crate) max_connections: usize,
    pub(crate) grow_after: Span,
    pub(crate) idle_timeout: Span,
    pub(crate) max_age: Span,
    pub(crate) max_streams: usize,
    pub(crate) queue_timeout: Span,
    pub(crate) request_timeout: Span,
    pub(crate) late_grace: Span,
    pub(crate) ping_busy: Span,
    pub(crate) ping_idle: Span,
    pub(crate) ping_timeout: Span,
    pub(crate) probe_timeout: Span,
    pub(crate) provider_token_pause: Span,
}

/// `[fcm]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fcm {
    pub(crate) endpoint: Endpoint,
    pub(crate) token_endpoint: Option<Endpoint>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) proxy: Option<Endpoint>,
    pub(crate) proxy_user: Option<String>,
    pub(crate) proxy_password: Option<SecretString>,
    pub(crate) io_threads: usize,
    pub(crate) connect_timeout: Span,
    pub(crate) connect_attempts: u32,
    pub(crate) backoff_min: Span,
    pub(crate) backoff_max: Span,
    pub(crate) max_connections: usize,
    pub(crate) grow_after: Span,
    pub(crate) idle_timeout: Span,
    pub(crate) max_age: Span,
    pub(crate) max_streams: usize,
    pub(crate) queue_timeout: Span,
    pub(crate) request_timeout: Span,
    pub(crate) late_grace: Span,
    pub(crate) ping_busy: Span,
    pub(crate) ping_idle: Span,
    pub(crate) ping_timeout: Span,
    pub(crate) probe_timeout: Span,
    pub(crate) access_token_timeout: Span,
    pub(crate) quota_per_minute: u32,
    pub(crate) quota_ramp: Span,
    pub(crate) stringify_data: bool,
}

/// `[webpush]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebPush {
    pub(crate) services: Services,
    pub(crate) allowed_hosts: Option<Several<String>>,
    pub(crate) trusted_origins: Option<Several<Endpoint>>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) proxy: Option<Endpoint>,
    pub(crate) proxy_user: Option<String>,
    pub(crate) proxy_password: Option<SecretString>,
    pub(crate) io_threads: usize,
    pub(crate) encryption_threads: usize,
    pub(crate) max_origins: usize,
    pub(crate) origin_idle_timeout: Span,
    pub(crate) connect_timeout: Span,
    pub(crate) connect_attempts: u32,
    pub(crate) backoff_min: Span,
    pub(crate) backoff_max: Span,
    pub(crate) max_connections: usize,
    pub(crate) grow_after: Span,
    pub(crate) idle_timeout: Span,
    pub(crate) max_age: Span,
    pub(crate) max_streams: usize,
    pub(crate) queue_timeout: Span,
    pub(crate) request_timeout: Span,
    pub(crate) late_grace: Span,
    pub(crate) throttle_pause: Span,
    pub(crate) max_pause: Span,
    pub(crate) ping_busy: Span,
    pub(crate) ping_idle: Span,
    pub(crate) ping_timeout: Span,
    pub(crate) probe_timeout: Span,
    pub(crate) default_ttl: Span,
    pub(crate) max_ttl: Span,
}

/// Whose push services are spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Services {
    Known,
    Public,
}
