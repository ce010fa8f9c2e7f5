//! `[store]`: a file, or a database on a server and how to get there.

use super::Span;
use carillon_store_sql::{ServerUrl, StoreUrl, TlsMode};
use secrecy::SecretString;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// `[store]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Store {
    pub(crate) path: PathBuf,
    #[serde(default, deserialize_with = "super::value::store_url")]
    pub(crate) url: Option<StoreUrl>,
    pub(crate) password: Option<SecretString>,
    pub(crate) schema: Option<String>,
    #[serde(default, deserialize_with = "super::value::tls_mode")]
    pub(crate) tls: Option<TlsMode>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) certificate_file: Option<PathBuf>,
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) migrate: bool,
    pub(crate) connect_timeout: Span,
    pub(crate) statement_timeout: Span,
    pub(crate) lock_timeout: Span,
    pub(crate) reconnect_min: Span,
    pub(crate) reconnect_max: Span,
    pub(crate) reconnect_patience: Span,
    pub(crate) busy_timeout: Span,
    pub(crate) queue_items: u32,
    pub(crate) queue_wait: Span,
    pub(crate) queue_reads: u32,
    pub(crate) readers: u32,
    pub(crate) cache_kib: u32,
    pub(crate) checkpoint_pages: u32,
    pub(crate) max_bytes: u64,
}

impl Store {
    /// The SQLite file, unless the store is on a server.
    pub(crate) fn file(&self) -> Option<&Path> {
        match &self.url {
            None => Some(&self.path),
            Some(StoreUrl::Sqlite(path)) => Some(path),
            Some(StoreUrl::Server(_)) => None,
        }
    }

    /// The database on a server, if it is there.
    pub(crate) fn server(&self) -> Option<&ServerUrl> {
        match &self.url {
            Some(StoreUrl::Server(url)) => Some(url),
            _ => None,
        }
    }

    /// Where it is, for people.
    pub(crate) fn place(&self) -> String {
        match &self.url {
            Some(url) => url.to_string(),
            None => self.path.display().to_string(),
        }
    }
}
