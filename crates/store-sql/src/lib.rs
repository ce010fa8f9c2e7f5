//! Carillon's stores on SQL databases. Only this crate writes SQL.
//!
//! [`SqlStore`] is every store port ([`carillon_ports::store::HotStore`],
//! [`carillon_ports::registry::Registry`], [`carillon_ports::webhook::WebhookStore`]) on one SQLite file or on one
//! database of a server. One thread writes, in group commits; a few others read. It knows no clock: time comes in with
//! each call. It decides nothing about sending: what a row means is in `carillon-model`, what is done about it in
//! `carillon-engine`.

mod address;
mod copying;
mod db;
mod error;
mod foreign;
mod home;
mod hot;
mod instances;
mod linked;
mod linked_table;
mod marks;
mod migrate;
mod numbers;
mod open_error;
mod queue;
mod reader;
mod registry;
mod schema;
mod segment;
mod server;
mod server_config;
mod sqlite;
mod statements;
mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod tls;
mod webhook;
mod writer;

pub use address::{Host, ServerKind, ServerUrl, StoreUrl};
pub use copying::{CopiedTable, CopyError, CopyStep, copy};
pub use foreign::{
    ALL_USERS, ForeignError, ForeignPlace, ForeignRow, RPUSH_APPS, RPUSH_FEEDBACK,
    RPUSH_NOTIFICATIONS, read_foreign,
};
pub use linked::{LinkedSource, LinkedSources};
pub use linked_table::LinkedTable;
pub use open_error::{OpenError, OpenErrorKind};
pub use schema::{Probe, Schema, migrate, probe, schema};
pub use server_config::ServerConfig;
pub use sqlite::backup::restore;
pub use sqlite::config::SqliteConfig;
pub use store::{SqlStore, StoreConfig};
pub use tls::{TlsConfig, TlsMode};
