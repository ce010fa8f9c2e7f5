//! Linked audiences: devices that a query on another program's database names, asked when a campaign begins.
//!
//! Which databases there are, who may use them and how they are asked is the operator's: nobody else names a place that
//! is connected to.

use async_trait::async_trait;
use carillon_model::push_type::TokenKind;
use std::fmt;

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

/// The sources that there are.
#[async_trait]
pub trait Sources: fmt::Debug + Send + Sync + 'static {
    /// Those that an App may use, by name.
    fn of_app(&self, app: &str) -> Vec<SourceInfo>;
    /// Begins to read one. Nothing is written there; each wait, all of it and the number of rows are bounded.
    async fn read(&self, app: &str, name: &str) -> Result<Box<dyn SourceRows>, SourceError>;
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
        Err(SourceError {
            message: format!("there is no source {name:?}"),
            is_temporary: false,
        })
    }
}
