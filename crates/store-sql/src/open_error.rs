//! Why a database could not be opened: each kind has its own exit code in the server.

use std::path::{Path, PathBuf};

/// A database that was not opened, backed up or restored. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
#[error("{}: {kind}", path.display())]
pub struct OpenError {
    path: PathBuf,
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
    /// The file is something else.
    #[error("the file is not a Carillon database: name another path")]
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
        Self {
            path: path.to_owned(),
            kind,
        }
    }

    /// Why.
    #[must_use]
    pub fn kind(&self) -> &OpenErrorKind {
        &self.kind
    }

    /// The file that it is about.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
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
