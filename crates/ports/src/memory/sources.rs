//! Sources that a test fills.

use crate::source::{
    FollowedTable, NamedBy, Names, SourceError, SourceInfo, SourceRows, Sources, TableRows,
};
use async_trait::async_trait;
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// The fake: every App may use all that it has. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct FakeSources(
    Arc<Mutex<BTreeMap<String, Source>>>,
    Arc<Mutex<BTreeMap<String, Table>>>,
);

#[derive(Clone, Debug)]
struct Table {
    table: Arc<FollowedTable>,
    rows: TableRows,
    /// Why readings fail, as long as they do.
    failure: Option<SourceError>,
    readings: u32,
}

#[derive(Clone, Debug)]
struct Source {
    by: NamedBy,
    rows: Names,
    /// What comes of the next readings, before it works.
    failures: VecDeque<SourceError>,
    hangs: bool,
    readings: u32,
}

impl FakeSources {
    /// A source with these rows; what it failed with is over.
    pub fn put(&self, name: &str, by: NamedBy, rows: Names) {
        let source = Source {
            by,
            rows,
            failures: VecDeque::new(),
            hangs: false,
            readings: 0,
        };
        self.0.lock().insert(name.to_owned(), source);
    }

    /// The next so many readings fail, after its first half.
    pub fn fail(&self, name: &str, times: usize, is_temporary: bool) {
        let error = SourceError {
            message: "the database is away".to_owned(),
            is_temporary,
        };
        self.change(name, |source| {
            source.failures = std::iter::repeat_n(error, times).collect();
        });
    }

    /// Readings that begin from now on get nothing, or are as before.
    pub fn hang(&self, name: &str, hangs: bool) {
        self.change(name, |source| source.hangs = hangs);
    }

    /// A table that Live Activities follow, without rows. An engine follows those that are there when it starts.
    pub fn put_table(&self, table: FollowedTable) {
        let name = table.name.clone();
        let table = Table {
            table: Arc::new(table),
            rows: TableRows::default(),
            failure: None,
            readings: 0,
        };
        self.1.lock().insert(name, table);
    }

    /// What a table holds from now on.
    pub fn fill_table(&self, name: &str, rows: TableRows) {
        if let Some(table) = self.1.lock().get_mut(name) {
            table.rows = rows;
        }
    }

    /// Readings of a table fail with this, or (`None`) do not any more.
    pub fn fail_table(&self, name: &str, message: Option<&str>) {
        if let Some(table) = self.1.lock().get_mut(name) {
            table.failure = message.map(|message| SourceError {
                message: message.to_owned(),
                is_temporary: true,
            });
        }
    }

    /// How often a table was read.
    #[must_use]
    pub fn table_readings(&self, name: &str) -> u32 {
        self.1.lock().get(name).map_or(0, |table| table.readings)
    }

    /// How often it was begun to read.
    #[must_use]
    pub fn readings(&self, name: &str) -> u32 {
        self.0.lock().get(name).map_or(0, |source| source.readings)
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Source)) {
        if let Some(source) = self.0.lock().get_mut(name) {
            change(source);
        }
    }
}

#[async_trait]
impl Sources for FakeSources {
    fn of_app(&self, _: &str) -> Vec<SourceInfo> {
        let info = |(name, source): (&String, &Source)| SourceInfo {
            name: name.clone(),
            by: source.by,
            max_rows: 1_000_000,
        };
        self.0.lock().iter().map(info).collect()
    }

    async fn read(&self, _: &str, name: &str) -> Result<Box<dyn SourceRows>, SourceError> {
        let mut sources = self.0.lock();
        let source = sources.get_mut(name).ok_or_else(|| SourceError {
            message: format!("there is no source {name:?}"),
            is_temporary: false,
        })?;
        source.readings += 1;
        let failure = source.failures.pop_front();
        let mut rows = source.rows.clone();
        if failure.is_some() {
            rows.truncate(rows.len() / 2);
        }
        Ok(Box::new(Rows {
            pages: rows.chunks(7).map(<[_]>::to_vec).collect(),
            failure,
            hangs: source.hangs,
        }))
    }

    fn tables(&self) -> Vec<Arc<FollowedTable>> {
        let all = self.1.lock();
        all.values().map(|table| table.table.clone()).collect()
    }

    async fn read_table(&self, name: &str) -> Result<TableRows, SourceError> {
        let mut tables = self.1.lock();
        let table = tables.get_mut(name).ok_or_else(|| SourceError {
            message: format!("there is no source {name:?}"),
            is_temporary: false,
        })?;
        table.readings += 1;
        match &table.failure {
            Some(failure) => Err(failure.clone()),
            None => Ok(table.rows.clone()),
        }
    }
}

struct Rows {
    pages: VecDeque<Names>,
    failure: Option<SourceError>,
    hangs: bool,
}

#[async_trait]
impl SourceRows for Rows {
    async fn next(&mut self) -> Result<Option<Names>, SourceError> {
        if self.hangs {
            std::future::pending::<()>().await;
        }
        match (self.pages.pop_front(), self.failure.take()) {
            (Some(page), failure) => {
                self.failure = failure;
                Ok(Some(page))
            }
            (None, Some(failure)) => Err(failure),
            (None, None) => Ok(None),
        }
    }
}
