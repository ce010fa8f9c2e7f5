//! What goes wrong inside a statement, sorted: this command's trouble, or the whole store's.

use crate::db;
use crate::db::driver::{ServerError, Trouble};
use carillon_model::codec::Unreadable;
use carillon_ports::store::StoreError;
use rusqlite::ErrorCode;
use std::fmt::Display;

/// Why a command stopped.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Goes to whoever asked.
    Store(StoreError),
    /// Reading or writing the files failed: if the disk is not merely full, nothing may go on.
    Io(String),
    /// The connection to the server is gone: on another one it can be run again.
    Lost(String),
}

/// What the parts of a command return.
pub(crate) type Done<T> = Result<T, Fault>;

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::Error as E;
        let code = error.sqlite_error_code();
        Self::Store(match (&error, code) {
            (_, Some(ErrorCode::SystemIoFailure)) => return Self::Io(error.to_string()),
            (_, Some(ErrorCode::DiskFull)) => StoreError::DiskFull,
            (_, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)) => StoreError::Busy,
            (_, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)) => {
                StoreError::Corrupt(format!("{error}: restore a backup"))
            }
            (E::InvalidColumnType(_, column, found), _) => {
                StoreError::Corrupt(format!("column {column} holds {found}"))
            }
            (E::FromSqlConversionFailure(..) | E::IntegralValueOutOfRange(..), _) => {
                StoreError::Corrupt(error.to_string())
            }
            _ => StoreError::Failed(error.to_string()),
        })
    }
}

impl From<db::Error> for Fault {
    fn from(error: db::Error) -> Self {
        match error {
            db::Error::Sqlite(error) => error.into(),
            db::Error::Server(ServerError { kind, text }) => Self::Store(match kind {
                Trouble::Lost => return Self::Lost(text),
                Trouble::Busy => StoreError::Busy,
                Trouble::Full => StoreError::DiskFull,
                Trouble::Corrupt => StoreError::Corrupt(text),
                Trouble::Failed => StoreError::Failed(text),
            }),
            db::Error::NoRow => StoreError::Failed(error.to_string()).into(),
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Store(error) => error,
            Fault::Io(text) => Self::Failed(text),
            Fault::Lost(text) => Self::Away(text),
        }
    }
}

/// A row that cannot be read, named by table, column and key.
pub(crate) fn corrupt(
    table: &str,
    column: &str,
    key: impl Display,
    what: impl Display,
) -> StoreError {
    StoreError::Corrupt(format!("table {table}, column {column}, row {key}: {what}"))
}

/// Names the row of an unreadable record.
pub(crate) trait At<T> {
    /// The same, with the place in the error.
    fn at(self, table: &str, column: &str, key: impl Display) -> Done<T>;
}

impl<T> At<T> for Result<T, Unreadable> {
    fn at(self, table: &str, column: &str, key: impl Display) -> Done<T> {
        self.map_err(|error| corrupt(table, column, key, error.reason).into())
    }
}

impl<T> At<T> for Option<T> {
    fn at(self, table: &str, column: &str, key: impl Display) -> Done<T> {
        self.ok_or_else(|| corrupt(table, column, key, "unknown code").into())
    }
}
