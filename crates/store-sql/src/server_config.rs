//! Settings of a connection to a database server. Each has a default that suits a server in the same room.

use crate::address::ServerUrl;
use crate::tls::TlsConfig;
use secrecy::SecretString;

/// How to reach a database on a server.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where it is, and as whom.
    pub url: ServerUrl,
    /// The user's password, if he has one.
    pub password: Option<SecretString>,
    /// How the connection is protected.
    pub tls: TlsConfig,
    /// Longest time until one host has taken a connection, in milliseconds.
    pub connect_timeout_ms: u32,
    /// Longest time of one statement, in milliseconds.
    pub statement_timeout_ms: u32,
    /// Longest wait of a statement for another program's lock, in milliseconds.
    pub lock_timeout_ms: u32,
    /// Pause after a first failed connect, in milliseconds. It doubles with each further one.
    pub reconnect_min_ms: u32,
    /// Longest such pause, in milliseconds.
    pub reconnect_max_ms: u32,
    /// How long work waits for a server that is gone, in milliseconds; then it is
    /// [`Busy`](carillon_ports::store::StoreError::Busy), as is all that comes until the server is back.
    pub reconnect_patience_ms: u32,
    /// Whether a database of an older schema is migrated when it is opened. If not, it is refused.
    pub migrate: bool,
}

impl ServerConfig {
    /// The defaults.
    #[must_use]
    pub fn new(url: ServerUrl) -> Self {
        Self {
            url,
            password: None,
            tls: TlsConfig::default(),
            connect_timeout_ms: 10_000,
            statement_timeout_ms: 30_000,
            lock_timeout_ms: 10_000,
            reconnect_min_ms: 100,
            reconnect_max_ms: 5_000,
            reconnect_patience_ms: 30_000,
            migrate: true,
        }
    }
}
