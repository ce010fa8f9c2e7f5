//! Carillon's stores on SQL databases. Only this crate writes SQL.
//!
//! [`SqliteStore`] is every store port ([`carillon_ports::store::HotStore`],
//! [`carillon_ports::registry::Registry`], [`carillon_ports::webhook::WebhookStore`]) on one SQLite file. One thread writes, in group commits;
//! a few others read. It knows no clock: time comes in with each call. It decides nothing about
//! sending: what a row means is in `carillon-model`, what is done about it in `carillon-engine`.

mod address;
mod backup;
mod checkpoint;
mod config;
mod db;
mod disk;
mod error;
mod foreign;
mod hot;
mod lock;
mod marks;
mod migrate;
mod open;
mod open_error;
mod queue;
mod reader;
mod registry;
mod segment;
mod server_config;
mod sqlite;
mod statements;
mod tls;
mod webhook;
mod writer;

pub use address::{Host, ServerKind, ServerUrl, StoreUrl};
pub use backup::restore;
pub use config::SqliteConfig;
pub use foreign::{ALL_USERS, ForeignError, read_foreign};
pub use open_error::{OpenError, OpenErrorKind};
pub use server_config::ServerConfig;
pub use sqlite::SqliteStore;
pub use tls::{TlsConfig, TlsMode};
