//! Databases of other programs that are linked: devices that a query names, asked when a campaign begins, and tables whose
//! rows Live Activities follow, read again and again.
//!
//! Which databases there are, who may use them and how they are asked is the operator's: nobody else names a place that
//! is connected to.

use async_trait::async_trait;
use carillon_model::live_activity::TableDefinition;
use carillon_model::push_type::TokenKind;
use std::fmt;
use std::sync::Arc;

/// What the rows of a source name devices by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedBy {
    /// Their ids.
    Device,
    /// Their users.
    User,
    /// Their push tokens of one kind.
    PushToken(TokenKind),
}

/// A source, as an App may know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceInfo {
    /// Its name.
    pub name: String,
    /// What its rows name devices by.
    pub by: NamedBy,
    /// More rows than this are an error.
    pub max_rows: u64,
}

/// A source that cannot be read. A sentence for a person, without a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SourceError {
    /// The sentence.
    pub message: String,
    /// Whether the same may work later: the database is away, or slow.
    pub is_temporary: bool,
}

/// Names of devices, a row each; `None`: the row has none.
pub type Names = Vec<Option<String>>;

/// Rows as they come.
#[async_trait]
pub trait SourceRows: Send {
    /// The next of them. Ends with `Ok(None)`.
    async fn next(&mut self) -> Result<Option<Names>, SourceError>;
}

/// A table that Live Activities follow.
#[derive(Clone, Debug)]
pub struct FollowedTable {
    /// Its source's name.
    pub name: String,
    /// The App whose activities these are, by id.
    pub app: String,
    /// How often it is read, in milliseconds.
    pub every_ms: u32,
    /// What its rows mean.
    pub definition: TableDefinition,
}

/// All rows of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableRows {
    /// The names of its columns.
    pub columns: Vec<String>,
    /// A text for each column of each row; `None` is NULL.
    pub rows: Vec<Vec<Option<String>>>,
}

/// The sources that there are.
#[async_trait]
pub trait Sources: fmt::Debug + Send + Sync + 'static {
    /// Those that an App may use, by name.
    fn of_app(&self, app: &str) -> Vec<SourceInfo>;
    /// Begins to read one. Nothing is written there; each wait, all of it and the number of rows are bounded.
    async fn read(&self, app: &str, name: &str) -> Result<Box<dyn SourceRows>, SourceError>;
    /// The tables that Live Activities follow, by name.
    fn tables(&self) -> Vec<Arc<FollowedTable>>;
    /// Reads one of them to its end: all rows of one moment, or an error. Bounded as [`Self::read`] is, and in bytes.
    async fn read_table(&self, name: &str) -> Result<TableRows, SourceError>;
}

/// None at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSources;

#[async_trait]
impl Sources for NoSources {
    fn of_app(&self, _: &str) -> Vec<SourceInfo> {
        Vec::new()
    }

    async fn read(&self, _: &str, name: &str) -> Result<Box<dyn SourceRows>, SourceError> {
        Err(unknown(name))
    }

    fn tables(&self) -> Vec<Arc<FollowedTable>> {
        Vec::new()
    }

    async fn read_table(&self, name: &str) -> Result<TableRows, SourceError> {
        Err(unknown(name))
    }
}

fn unknown(name: &str) -> SourceError {
    SourceError {
        message: format!("there is no source {name:?}"),
        is_temporary: false,
    }
}
