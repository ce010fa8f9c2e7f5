//! Settings of a connection to a database server. Each has a default that suits a server in the same room.

use crate::address::ServerUrl;
use crate::tls::TlsConfig;
use carillon_ports::upkeep::Upkeep;
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
    /// [`Away`](carillon_ports::store::StoreError::Away), as is all that comes until the server is back.
    pub reconnect_patience_ms: u32,
    /// Whether a database of an older schema is migrated when it is opened. If not, it is refused.
    pub migrate: bool,
    /// The schema that has the tables, which must exist: PostgreSQL only. `None`: as the server says for the user.
    pub schema: Option<String>,
    /// See [`SqliteConfig::queue_items`](crate::SqliteConfig::queue_items).
    pub queue_items: u32,
    /// See [`SqliteConfig::queue_wait_ms`](crate::SqliteConfig::queue_wait_ms).
    pub queue_wait_ms: u32,
    /// See [`SqliteConfig::queue_reads`](crate::SqliteConfig::queue_reads).
    pub queue_reads: u32,
    /// Connections that read, each with a thread of its own: one is kept for the hot path, so at least 2.
    pub readers: u32,
    /// What each of the store's threads does when it has nothing else to do.
    pub upkeep: Upkeep,
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
            schema: None,
            queue_items: 20_000,
            queue_wait_ms: 30_000,
            queue_reads: 4_096,
            readers: 4,
            upkeep: Upkeep::NONE,
        }
    }
}
