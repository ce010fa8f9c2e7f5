//! What a database server's driver provides. It is synchronous: a thread that has a connection waits for it, whatever the
//! client below does meanwhile. Every wait in here has a deadline, and what it waits for is the driver's to bound.

use super::{Result, Step};
use rusqlite::types::Value;
use std::time::Duration;

/// A row: truth as 0 or 1, bytes as they are.
pub(crate) type Record = Box<[Value]>;

/// Whose words a text must be in, where no rule translates it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
    /// MySQL and MariaDB.
    Mysql,
}

impl Dialect {
    /// What asks the database's clock, for milliseconds since 1970.
    pub(crate) fn clock(self) -> &'static str {
        match self {
            Self::Sqlite => "SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER)",
            Self::Postgres => "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)",
            // Not by the session's time zone, in which an hour may come twice.
            Self::Mysql => {
                "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) DIV 1000"
            }
        }
    }
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The one that writes, and holds the installation's lock.
    Writer,
    /// Cannot write.
    Reader,
}

/// One connection to a server.
pub(crate) trait Driver: Send {
    /// Which words it speaks.
    fn dialect(&self) -> Dialect;
    /// Takes a text in SQLite's dialect. The same text has the same handle as long as the driver lives.
    fn prepare(&mut self, sql: &str) -> Result<usize>;
    /// A text that was for once is not needed any more.
    fn forget(&mut self, handle: usize);
    /// Runs a statement for its rows: all of them.
    fn query(&mut self, handle: usize, values: Vec<Value>) -> Result<Vec<Record>>;
    /// Runs a statement. Returns how many rows its condition met.
    fn execute(&mut self, handle: usize, values: Vec<Value>) -> Result<usize>;
    /// Runs a statement before the next one that is waited for, which also brings its error.
    fn queue(&mut self, handle: usize, values: Vec<Value>) -> Result<()>;
    /// Sends what was queued, and waits for it.
    fn flush(&mut self) -> Result<()>;
    /// Asks a query for many values at once, in one turn of the network, where the server can. Each answer is kept for the
    /// next [`Self::query`] with the same values, once, and not beyond the transaction.
    fn ahead(&mut self, handle: usize, all: Vec<Vec<Value>>) -> Result<()> {
        let _ = (handle, all);
        Ok(())
    }
    /// What was asked ahead and not used is not needed any more.
    fn end_ahead(&mut self) {}
    /// A step of a transaction. When the connection is lost in [`Step::Commit`], nobody knows whether it was made.
    fn step(&mut self, step: Step) -> Result<()>;
    /// Whether no transaction is open.
    fn is_autocommit(&self) -> bool;
    /// Whether the connection can be used: not after it was lost.
    fn is_alive(&self) -> bool;
    /// Runs a text of the server's own with any number of statements in it, as one transaction where the server can.
    fn script(&mut self, sql: &str) -> Result<()>;
    /// Names of the tables where ours are, or will be.
    fn tables(&mut self) -> Result<Vec<String>>;
    /// Takes the lock of those who open the installation, within [`ENDING`] or not at all; it lasts no longer than the
    /// connection. Otherwise says who has it.
    fn lock(&mut self) -> Result<Option<String>>;
    /// Gives the lock back.
    fn unlock(&mut self) -> Result<()>;
    /// Random bytes, for the installation's seed.
    fn random(&mut self) -> Result<[u8; 16]>;
}

/// How long whoever has the lock may take to end: a server lets go of it a while after its connection was closed.
pub(crate) const ENDING: Duration = Duration::from_secs(2);

/// A database on a server, as configured.
pub(crate) trait Server: Send + Sync {
    /// Connects, with time-outs set; a [`Role::Reader`] cannot write.
    fn connect(&self, role: Role) -> Result<Box<dyn Driver>>;
    /// Its migrations, by number, in order. The first brings a schema that SQLite reaches in several.
    fn migrations(&self) -> &'static [(i64, &'static str)];
}

/// What a server said, or did not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(crate) struct ServerError {
    pub(crate) kind: Trouble,
    /// The server's or the client's own words.
    pub(crate) text: String,
}

/// What sort of trouble it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The connection is gone, or could not be made.
    Lost,
    /// A lock or time was not to be had: another try may do.
    Busy,
    /// No room on its disk.
    Full,
    /// It cannot read what it stored.
    Corrupt,
    /// Anything else, such as two rows of one key.
    Failed,
}
