//! Tables of other programs that Live Activities follow: what came of reading them, and a try. Which there are is the
//! operator's, in a file of the configuration.

pub(crate) mod check;
pub(crate) mod list;
pub(crate) mod run;

use crate::instant;
use crate::problem::{Problem, codes};
use crate::state::Api;
use carillon_model::app::App;
use carillon_model::live_activity::{RowProblem, SourceReport};
use carillon_ports::source::FollowedTable;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// A table of the App's, by its name in the operator's file.
fn table(api: &Api, app: &App, name: &str) -> Result<Arc<FollowedTable>, Problem> {
    let mut tables = api.engine.activity_tables(&app.id).into_iter();
    tables.find(|table| table.name == name).ok_or_else(|| {
        Problem::new(
            &codes::LIVE_ACTIVITY_SOURCE_UNKNOWN,
            format!(
                "the server's configuration has no table {name:?} for Live Activities of the App {:?}",
                app.id
            ),
        )
    })
}

/// What came of reading a table.
#[derive(Serialize, ToSchema)]
#[schema(as = LiveActivitySourceReading)]
pub(crate) struct ReadingView {
    /// When the last reading began.
    #[schema(format = DateTime)]
    read_at: String,
    /// When the last one began that came to its end. The counts are of that one.
    #[schema(format = DateTime)]
    complete_at: Option<String>,
    /// How many readings failed since.
    failures: u32,
    /// Why the last one failed, if it did. Live Activities go on by what was read before.
    error: Option<String>,
    /// Rows that were found.
    rows: u64,
    /// New or different rows whose Live Activity was declared or changed.
    changed: u64,
    /// Live Activities that were ended: their rows said so, or were gone.
    ended: u64,
    /// New or different rows of Live Activities that were over before.
    over: u64,
    /// New or different rows without an update token, user or device.
    waiting: u64,
    /// Rows that could not be followed.
    bad: u64,
    /// Some of these.
    problems: Vec<RowProblemView>,
}

/// What is wrong with a row.
#[derive(Serialize, ToSchema)]
#[schema(as = LiveActivitySourceProblem)]
pub(crate) struct RowProblemView {
    /// Its id, or `row` and its number where it has none.
    #[schema(example = "lesson-42")]
    row: String,
    /// In words.
    #[schema(
        example = "ends_at: 2026-12-01 17:00:00 does not say in which time zone it is: set zone, for example zone = \"Asia/Seoul\""
    )]
    message: String,
}

impl From<RowProblem> for RowProblemView {
    fn from(problem: RowProblem) -> Self {
        Self {
            row: problem.row,
            message: problem.message,
        }
    }
}

impl From<SourceReport> for ReadingView {
    fn from(report: SourceReport) -> Self {
        Self {
            read_at: instant::rfc3339(report.read_at),
            complete_at: report.complete_at.map(instant::rfc3339),
            failures: report.failures,
            error: report.error,
            rows: report.rows,
            changed: report.changed,
            ended: report.ended,
            over: report.over,
            waiting: report.waiting,
            bad: report.bad,
            problems: report.problems.into_iter().map(Into::into).collect(),
        }
    }
}
