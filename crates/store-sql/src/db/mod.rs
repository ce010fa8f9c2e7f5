//! What commands speak to: connections, statements and rows of whichever database it is.
//!
//! Names and shapes are `rusqlite`'s, and so are values and their conversions, because every text here is written in
//! SQLite's dialect with numbered parameters. SQLite is called straight, and nothing is allocated on the way; opening it,
//! its log and its files are not this module's business. A server's [`driver`] translates each text once.

pub(crate) mod driver;
mod kept;
pub(crate) mod mysql;
mod params;
pub(crate) mod postgres;
mod rows;
mod session;
mod words;

pub(crate) use driver::Dialect;
pub(crate) use params::{Params, params_from_iter};
pub(crate) use rows::{Mapped, Row, Rows};
pub(crate) use rusqlite::{ToSql, params};
pub(crate) use session::Session;

use driver::ServerError;
use rows::Fetched;
use session::SessionStatement;

/// A connection, of one thread.
#[derive(Debug)]
pub(crate) enum Connection {
    /// To a file.
    Sqlite(rusqlite::Connection),
    /// To a server.
    Server(Session),
}

/// A statement that is prepared, and may be run any number of times.
pub(crate) enum Statement<'c> {
    /// For this once.
    Sqlite(rusqlite::Statement<'c>),
    /// Goes back to the connection's cache.
    SqliteCached(rusqlite::CachedStatement<'c>),
    /// A server's.
    Server(SessionStatement<'c>),
}

/// What begins, parts and ends transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Of the one that writes.
    BeginWriting,
    /// All reads up to the commit see one state.
    BeginReading,
    Commit,
    Rollback,
    /// A place to come back to. There is one at a time.
    Savepoint,
    /// Forgets the place, and keeps what was done since.
    Release,
    /// Undoes what was done since the place, and forgets it.
    Undo,
}

/// What a statement or a row gives.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// Why a statement failed, or a value could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// SQLite's own words; also a value that is not of the type that was asked for.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// A server's words.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A row was expected.
    #[error("the query gave no row")]
    NoRow,
}

// === impl Connection ===

impl Connection {
    /// Prepares a text and keeps it: for texts that come again.
    pub(crate) fn prepare_cached(&self, sql: &str) -> Result<Statement<'_>> {
        match self {
            Self::Sqlite(conn) => Ok(Statement::SqliteCached(conn.prepare_cached(sql)?)),
            Self::Server(session) => Ok(Statement::Server(session.prepare(sql, false)?)),
        }
    }

    /// Prepares a text for this once.
    pub(crate) fn prepare(&self, sql: &str) -> Result<Statement<'_>> {
        match self {
            Self::Sqlite(conn) => Ok(Statement::Sqlite(conn.prepare(sql)?)),
            Self::Server(session) => Ok(Statement::Server(session.prepare(sql, true)?)),
        }
    }

    /// Does a step of a transaction.
    pub(crate) fn step(&self, step: Step) -> Result<()> {
        match self {
            Self::Sqlite(conn) => Ok(conn.execute_batch(match step {
                Step::BeginWriting => "BEGIN IMMEDIATE",
                Step::BeginReading => "BEGIN",
                Step::Commit => "COMMIT",
                Step::Rollback => "ROLLBACK",
                Step::Savepoint => "SAVEPOINT job",
                Step::Release => "RELEASE job",
                Step::Undo => "ROLLBACK TO job; RELEASE job",
            })?),
            Self::Server(session) => session.step(step),
        }
    }

    /// Whether no transaction is open: SQLite ends one by itself after some errors.
    pub(crate) fn is_autocommit(&self) -> bool {
        match self {
            Self::Sqlite(conn) => conn.is_autocommit(),
            Self::Server(session) => session.with(|driver| driver.is_autocommit()),
        }
    }

    /// Whose words a text must be in that is written once for each.
    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Server(session) => session.with(|driver| driver.dialect()),
        }
    }

    /// Sends what was only to be [`run`](Statement::run), and waits for it.
    pub(crate) fn flush(&self) -> Result<()> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Server(session) => session.with(|driver| driver.flush()),
        }
    }

    /// What was asked [`ahead`](Statement::ahead) and not used is out of date from here on.
    pub(crate) fn end_ahead(&self) {
        if let Self::Server(session) = self {
            session.with(|driver| driver.end_ahead());
        }
    }

    /// What only SQLite has.
    pub(crate) fn sqlite(&self) -> Option<&rusqlite::Connection> {
        match self {
            Self::Sqlite(conn) => Some(conn),
            Self::Server(_) => None,
        }
    }

    /// What only servers have.
    pub(crate) fn session(&self) -> Option<&Session> {
        match self {
            Self::Sqlite(_) => None,
            Self::Server(session) => Some(session),
        }
    }
}

// === impl Statement ===

impl Statement<'_> {
    /// Runs it. Returns how many rows it changed: an update counts those that its condition meets.
    pub(crate) fn execute(&mut self, params: impl Params) -> Result<usize> {
        match self {
            Self::Sqlite(statement) => Ok(statement.execute(params.sqlite())?),
            Self::SqliteCached(statement) => Ok(statement.execute(params.sqlite())?),
            Self::Server(statement) => statement.execute(params),
        }
    }

    /// Runs it where nobody needs to know how many rows it changed. A server may be sent it together with the next
    /// statement that is waited for, and that one brings its error.
    pub(crate) fn run(&mut self, params: impl Params) -> Result<()> {
        match self {
            Self::Server(statement) => statement.queue(params),
            _ => self.execute(params).map(drop),
        }
    }

    /// Says for which values it is about to be run, one after the other: a server is asked for all of them at once. What
    /// comes back is what was true now, so nothing that is written before its turn may change it. It
    /// is for this command alone.
    pub(crate) fn ahead<P: Params>(&mut self, all: impl Iterator<Item = P>) -> Result<()> {
        match self {
            Self::Server(statement) => statement.ahead(all),
            _ => Ok(()),
        }
    }

    /// Runs it for its rows.
    pub(crate) fn query(&mut self, params: impl Params) -> Result<Rows<'_>> {
        match self {
            Self::Sqlite(statement) => Ok(Rows::Sqlite(statement.query(params.sqlite())?)),
            Self::SqliteCached(statement) => Ok(Rows::Sqlite(statement.query(params.sqlite())?)),
            Self::Server(statement) => Ok(Rows::Server(Fetched::new(statement.query(params)?))),
        }
    }

    /// Its first row, or [`Error::NoRow`]; see [`OptionalExtension`].
    pub(crate) fn query_row<T>(
        &mut self,
        params: impl Params,
        read: impl FnOnce(Row<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut rows = self.query(params)?;
        read(rows.next()?.ok_or(Error::NoRow)?)
    }

    /// Its rows, one after the other.
    pub(crate) fn query_map<T, F: FnMut(Row<'_>) -> Result<T>>(
        &mut self,
        params: impl Params,
        read: F,
    ) -> Result<Mapped<'_, F>> {
        Ok(Mapped::new(self.query(params)?, read))
    }

    /// Whether it gives a row.
    pub(crate) fn exists(&mut self, params: impl Params) -> Result<bool> {
        Ok(self.query(params)?.next()?.is_some())
    }
}

/// A row that need not be there.
pub(crate) trait OptionalExtension<T> {
    /// `None` where there was no row.
    fn optional(self) -> Result<Option<T>>;
}

impl<T> OptionalExtension<T> for Result<T> {
    fn optional(self) -> Result<Option<T>> {
        match self {
            Ok(value) => Ok(Some(value)),
            Err(Error::NoRow) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
