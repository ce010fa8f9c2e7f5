//! Why a database could not be opened: each kind has its own exit code in the server.

use crate::db;
use crate::db::driver::{ServerError, Trouble};
use std::path::Path;

/// A database that was not opened, backed up or restored. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {kind}")]
pub struct OpenError {
    /// The file, or the server and the database's name.
    place: String,
    kind: OpenErrorKind,
}

/// Why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenErrorKind {
    /// Another process has it.
    #[error(
        "the database is in use by another process: stop it, or talk to it through its API instead"
    )]
    Locked,
    /// Another process opens it, migrates it or fills it, of which the server can say more.
    #[error(
        "another process is opening, migrating or filling the database, and did not end within store.lock_timeout ({0}): wait for it, or stop it"
    )]
    LockedBy(String),
    /// The server does not answer, or lets nobody in.
    #[error(
        "cannot connect ({0}): see that the server runs, that the database exists, and that host, port, user, password and TLS are those that it wants"
    )]
    Unreachable(String),
    /// Its pages or its rows make no sense.
    #[error("the database is damaged ({0}): restore a backup with `carillon restore`")]
    Corrupt(String),
    /// A newer version of Carillon wrote it.
    #[error(
        "the database has schema {found}, this program knows schemas up to {known}: run the newer version"
    )]
    Newer {
        /// Its schema.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// An older version of Carillon wrote it, and it may not be migrated by opening it.
    #[error(
        "the database has schema {found}, this program needs schema {known}: run `carillon migrate`, or set store.migrate = true"
    )]
    Older {
        /// Its schema; 0: it has none.
        found: i64,
        /// The one that this program needs.
        known: i64,
    },
    /// All that was in it is in a server's database by now.
    #[error(
        "the store was moved to a database on a server by `carillon store copy`: name that in store.url"
    )]
    Moved,
    /// Not all rows are in it yet.
    #[error("a copy into this database was not finished: run `carillon store copy` again")]
    Unfinished,
    /// The file is something else.
    #[error("it is not a Carillon database: name another one, or an empty one")]
    NotADatabase,
    /// The operating system forbids it.
    #[error(
        "no permission ({0}): the server's user must be able to read and write the file and its directory"
    )]
    NoPermission(String),
    /// No room.
    #[error("the disk is full: free some space")]
    DiskFull,
    /// Something stands there already.
    #[error("the file exists already: name another path")]
    Exists,
    /// Anything else.
    #[error("cannot open the database ({0})")]
    Io(String),
}

impl OpenError {
    pub(crate) fn new(path: &Path, kind: OpenErrorKind) -> Self {
        Self::at(path.display().to_string(), kind)
    }

    pub(crate) fn at(place: String, kind: OpenErrorKind) -> Self {
        Self { place, kind }
    }

    /// Why.
    #[must_use]
    pub fn kind(&self) -> &OpenErrorKind {
        &self.kind
    }
}

impl From<rusqlite::Error> for OpenErrorKind {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as C;
        let text = error.to_string();
        match error.sqlite_error_code() {
            Some(C::DatabaseBusy | C::DatabaseLocked | C::FileLockingProtocolFailed) => {
                Self::Locked
            }
            Some(C::DatabaseCorrupt) => Self::Corrupt(text),
            Some(C::NotADatabase) => Self::NotADatabase,
            Some(
                C::PermissionDenied
                | C::ReadOnly
                | C::CannotOpen
                | C::AuthorizationForStatementDenied,
            ) => Self::NoPermission(text),
            Some(C::DiskFull) => Self::DiskFull,
            _ => Self::Io(text),
        }
    }
}

impl From<db::Error> for OpenErrorKind {
    fn from(error: db::Error) -> Self {
        match error {
            db::Error::Sqlite(error) => error.into(),
            db::Error::NoRow => Self::Io(error.to_string()),
            db::Error::Server(ServerError { kind, text }) => match kind {
                Trouble::Lost => Self::Unreachable(text),
                Trouble::Full => Self::DiskFull,
                Trouble::Corrupt => Self::Corrupt(text),
                Trouble::Busy | Trouble::Failed => Self::Io(text),
            },
        }
    }
}

impl From<std::io::Error> for OpenErrorKind {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind as K;
        match error.kind() {
            K::PermissionDenied | K::ReadOnlyFilesystem => Self::NoPermission(error.to_string()),
            K::StorageFull | K::QuotaExceeded | K::FileTooLarge => Self::DiskFull,
            K::AlreadyExists => Self::Exists,
            _ => Self::Io(error.to_string()),
        }
    }
}
