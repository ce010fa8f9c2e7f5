//! Sources that a test fills.

use crate::source::{NamedBy, Names, SourceError, SourceInfo, SourceRows, Sources};
use async_trait::async_trait;
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// The fake: every App may use all that it has. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct FakeSources(Arc<Mutex<BTreeMap<String, Source>>>);

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
