//! What is kept of tables that Live Activities follow: which rows were seen, and what came of the last reading.
//!
//! A row that was noted and is not among those of a complete reading is gone, and its activity ends: so a row is noted
//! before its activity is declared. Noting is no part of the step of an activity: a step twice changes nothing.

use crate::store::{NewEvent, Result};
use async_trait::async_trait;
use carillon_model::UnixMs;
use carillon_model::id::AppNo;

/// A row that was seen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeenRow {
    /// Its id.
    pub id: String,
    /// What was in it when it was last followed; 0: it never was.
    pub hash: i64,
}

/// What is noted of a source; all of it, or nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceNote {
    /// Whose.
    pub app: AppNo,
    /// The source's name.
    pub source: String,
    /// Rows that are new, or have something else in them.
    pub seen: Vec<SeenRow>,
    /// Ids of rows that are gone.
    pub gone: Vec<String>,
    /// What came of the reading: JSON, the engine's business. `None`: as before.
    pub report: Option<String>,
    /// What is told.
    pub events: Vec<NewEvent>,
    /// The time of it.
    pub now: UnixMs,
}

/// The part of the hot store that keeps them.
#[async_trait]
pub trait ActivitySourceStore: Send + Sync + 'static {
    /// The rows of a source that were seen and are not gone, by id.
    async fn seen_rows(&self, app: AppNo, source: String) -> Result<Vec<SeenRow>>;
    /// Notes something.
    async fn note_source(&self, note: SourceNote) -> Result<()>;
    /// The reports of an App's sources by their names, in their order.
    async fn source_reports(&self, app: AppNo) -> Result<Vec<(String, String)>>;
}
