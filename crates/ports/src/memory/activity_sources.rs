//! Tables that Live Activities follow, of the fake.

use super::MemoryStore;
use crate::activity_source::{ActivitySourceStore, SeenRow, SourceNote};
use crate::store::Result;
use async_trait::async_trait;
use carillon_model::id::AppNo;
use std::collections::{BTreeMap, BTreeSet};

/// What the fake keeps of them.
#[derive(Debug, Default)]
pub(super) struct ActivitySources {
    rows: BTreeMap<(AppNo, String, String), i64>,
    reports: BTreeMap<(AppNo, String), String>,
}

impl ActivitySources {
    /// Those of deleted Apps go.
    pub(super) fn prune(&mut self, deleted: &BTreeSet<AppNo>) {
        self.rows.retain(|(app, ..), _| !deleted.contains(app));
        self.reports.retain(|(app, _), _| !deleted.contains(app));
    }
}

#[async_trait]
impl ActivitySourceStore for MemoryStore {
    async fn seen_rows(&self, app: AppNo, source: String) -> Result<Vec<SeenRow>> {
        let state = self.read();
        let all = state.activity_sources.rows.iter();
        let of = all.filter(|((of, its, _), _)| *of == app && *its == source);
        let row = |((.., id), hash): (&(AppNo, String, String), &i64)| SeenRow {
            id: id.clone(),
            hash: *hash,
        };
        Ok(of.map(row).collect())
    }

    async fn note_source(&self, note: SourceNote) -> Result<()> {
        let mut state = self.write()?;
        let sources = &mut state.activity_sources;
        for row in note.seen {
            let key = (note.app, note.source.clone(), row.id);
            sources.rows.insert(key, row.hash);
        }
        for id in note.gone {
            sources.rows.remove(&(note.app, note.source.clone(), id));
        }
        if let Some(report) = note.report {
            sources.reports.insert((note.app, note.source), report);
        }
        for event in note.events {
            state.append(event, note.now);
        }
        Ok(())
    }

    async fn source_reports(&self, app: AppNo) -> Result<Vec<(String, String)>> {
        let state = self.read();
        let all = state.activity_sources.reports.iter();
        let of = all.filter(|((of, _), _)| *of == app);
        Ok(of
            .map(|((_, name), report)| (name.clone(), report.clone()))
            .collect())
    }
}
