//! Databases of other programs, read for an import or an audience: one query, row after row, and nothing written. It
//! knows nothing of what the rows mean.

mod mysql;
mod postgres;
mod sqlite;
mod words;

use crate::address::ServerKind;
use crate::server_config::ServerConfig;
use std::fmt;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// What is asked when nobody says: every row of a table named `users`.
pub const ALL_USERS: &str = "SELECT * FROM users";
/// The apps of an rpush database, whose columns differ from version to version.
pub const RPUSH_APPS: &str = "SELECT * FROM rpush_apps ORDER BY id";
/// Its notifications, as far as they tell what waits and which push tokens are dead.
pub const RPUSH_NOTIFICATIONS: &str = "SELECT id, app_id, device_token, delivered, failed, failed_at, error_code, \
     error_description, deliver_after FROM rpush_notifications";
/// What Apple told it of push tokens.
pub const RPUSH_FEEDBACK: &str = "SELECT id, app_id, device_token, failed_at FROM rpush_feedback";

/// Rows that are taken from a server at once.
const PAGE: usize = 500;

/// A row: `None` is NULL, numbers are in decimal, what is binary is in hexadecimal.
pub type ForeignRow = Vec<Option<String>>;

/// Where another program's database is.
#[derive(Clone, Debug)]
pub enum ForeignPlace {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// On a server. Of the settings count those of connecting, `schema`, `lock_timeout_ms`, and
    /// `statement_timeout_ms`: the longest wait for the next rows.
    Server(Box<ServerConfig>),
}

/// A database of another program, or a query on it, that cannot be read. A sentence for a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ForeignError {
    /// The file is not there, is no database, or may not be read.
    #[error("it cannot be opened as a SQLite database: {0}")]
    Open(String),
    /// The server is not reached, or does not let us in.
    #[error("there is no connection to it: {0}")]
    Connect(String),
    /// The query does something else than read.
    #[error("the query would do more than read: {0}")]
    Writes(String),
    /// The database does not take the query.
    #[error("the database does not take the query: {0}")]
    Query(String),
    /// It broke off while rows were read.
    #[error("reading stopped after row {after}: {cause}")]
    Read {
        /// Rows that were read.
        after: u64,
        /// The database's words, or ours.
        cause: String,
    },
}

impl ForeignError {
    /// Whether the same may work later: the server is away, or slow.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Read { .. } => true,
            Self::Open(_) | Self::Writes(_) | Self::Query(_) => false,
        }
    }
}

/// As it is written, for people; never with a password.
impl fmt::Display for ForeignPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Server(config) => config.url.fmt(f),
        }
    }
}

/// Runs `query`, which may only read. `columns` is told the names of its columns and decides whether to go on; so is
/// `each`, for every row. Rows are taken as they are asked for: memory does not grow with their number. Blocks, and
/// must not be called inside an asynchronous runtime.
///
/// # Errors
/// [`ForeignError`]; nothing was written in any case.
pub fn read_foreign(
    place: &ForeignPlace,
    query: &str,
    columns: impl FnOnce(Vec<String>) -> ControlFlow<()>,
    each: impl FnMut(ForeignRow) -> ControlFlow<()>,
) -> Result<(), ForeignError> {
    match place {
        ForeignPlace::Sqlite(path) => sqlite::read(path, query, columns, each),
        ForeignPlace::Server(config) => match config.url.kind {
            ServerKind::Postgres => postgres::read(config, query, columns, each),
            ServerKind::Mysql => mysql::read(config, query, columns, each),
        },
    }
}

/// The sentence about rows that did not come in time.
fn slow(limit_ms: u32) -> String {
    format!("no further rows within {limit_ms} ms: make the query faster, or the time-out longer")
}
