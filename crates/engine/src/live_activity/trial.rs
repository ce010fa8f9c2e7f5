//! A table tried out: read once, and what each row would lead to. Nothing is stored, nothing sent.

use super::follower;
use crate::engine::Engine;
use carillon_model::live_activity::{ActivityRequest, SourceReport, TableReader, Wish};
use carillon_ports::source::{FollowedTable, SourceError};
use carillon_ports::store::StoreError;
use std::collections::HashSet;
use std::sync::Arc;

/// What a table holds now.
#[derive(Clone, Debug)]
pub struct TableTrial {
    /// The columns that its query gives.
    pub columns: Vec<String>,
    /// Counts and problems as a reading that knows of no activity yet would have them.
    pub report: SourceReport,
    /// The first row that can be followed: its id, and the declaration that it becomes.
    pub example: Option<(String, ActivityRequest)>,
}

impl Engine {
    /// The tables that Live Activities of an App follow, by name.
    #[must_use]
    pub fn activity_tables(&self, app: &str) -> Vec<Arc<FollowedTable>> {
        let mut all = self.shared().hub.parts.sources.tables();
        all.retain(|table| table.app == app);
        all
    }

    /// Reads one of them now and does what follows from it, as it is done again and again. `None`: nothing was read, because after a
    /// restore everything that happens by itself waits.
    ///
    /// # Errors
    /// When the store cannot be read or written; then it is done with the next reading.
    pub async fn run_table(
        &self,
        table: &Arc<FollowedTable>,
    ) -> Result<Option<SourceReport>, StoreError> {
        follower::once(self.shared().clone(), table.clone()).await
    }

    /// Reads one of them, and says what its rows would lead to.
    ///
    /// # Errors
    /// When it cannot be read, or not be understood at all.
    pub async fn try_table(
        &self,
        table: &FollowedTable,
        app_name: &str,
    ) -> Result<TableTrial, SourceError> {
        let parts = &self.shared().hub.parts;
        let rows = parts.sources.read_table(&table.name).await?;
        let reader = TableReader::new(&table.definition, app_name, &rows.columns);
        let reader = reader.map_err(|message| SourceError {
            message,
            is_temporary: false,
        })?;
        let now = parts.clock.now();
        let mut report = SourceReport::default().next(now);
        report.rows = rows.rows.len() as u64;
        let mut example = None;
        let mut seen = HashSet::new();
        for (number, cells) in rows.rows.iter().enumerate() {
            let id = match reader.id(cells) {
                Ok(id) if seen.insert(id) => id,
                Ok(id) => {
                    report.bad_row(id.to_owned(), TWICE);
                    continue;
                }
                Err(why) => {
                    report.bad_row(format!("row {}", number + 1), &why);
                    continue;
                }
            };
            match reader.wish(cells, now) {
                Ok(Wish::Run { ends_at, .. }) if ends_at.is_some_and(|at| at <= now) => {
                    report.over += 1;
                }
                Ok(Wish::Run { request, .. }) => {
                    report.changed += 1;
                    example.get_or_insert_with(|| (id.to_owned(), *request));
                }
                Ok(Wish::End) => report.over += 1,
                Ok(Wish::Wait) => report.waiting += 1,
                Err(why) => report.bad_row(id.to_owned(), &why),
            }
        }
        report.complete();
        Ok(TableTrial {
            columns: rows.columns,
            report,
            example,
        })
    }
}

/// What is said of a second row of one id.
pub(super) const TWICE: &str = "expected one row of this id, found several: the first one counts";
