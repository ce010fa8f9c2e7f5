//! The sources of a server's configuration, read as other programs' databases are. It knows nothing of whom a name means.

use crate::foreign::{ForeignError, ForeignPlace, read_foreign};
use crate::linked_table::LinkedTable;
use async_trait::async_trait;
use carillon_model::nearest::did_you_mean;
use carillon_ports::source::{
    FollowedTable, NamedBy, Names, SourceError, SourceInfo, SourceRows, Sources, TableRows,
};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Rows of a page.
const PAGE: usize = 1_000;
/// Pages that are read before they are asked for.
const PAGES_AHEAD: usize = 2;

/// One source.
#[derive(Clone, Debug)]
pub struct LinkedSource {
    /// Where its database is.
    pub place: ForeignPlace,
    /// What that is asked.
    pub query: String,
    /// The column with the names: its name, or its number from 1.
    pub column: String,
    /// What the names are.
    pub by: NamedBy,
    /// Which Apps may use it, by id; `None`: all.
    pub apps: Option<Vec<String>>,
    /// More rows are an error.
    pub max_rows: u64,
    /// Longest time of reading all of it, in milliseconds.
    pub read_timeout_ms: u32,
}

/// All of them, by name.
#[derive(Clone, Debug, Default)]
pub struct LinkedSources {
    audiences: BTreeMap<String, LinkedSource>,
    tables: BTreeMap<String, LinkedTable>,
}

impl LinkedSources {
    /// These audiences of campaigns, and these tables of Live Activities.
    #[must_use]
    pub fn new(
        audiences: BTreeMap<String, LinkedSource>,
        tables: BTreeMap<String, LinkedTable>,
    ) -> Self {
        Self { audiences, tables }
    }
}

impl LinkedSource {
    fn is_for(&self, app: &str) -> bool {
        let apps = self.apps.as_ref();
        apps.is_none_or(|apps| apps.iter().any(|known| known == app))
    }
}

#[async_trait]
impl Sources for LinkedSources {
    fn of_app(&self, app: &str) -> Vec<SourceInfo> {
        let mine = self
            .audiences
            .iter()
            .filter(|(_, source)| source.is_for(app));
        mine.map(|(name, source)| SourceInfo {
            name: name.clone(),
            by: source.by,
            max_rows: source.max_rows,
        })
        .collect()
    }

    async fn read(&self, app: &str, name: &str) -> Result<Box<dyn SourceRows>, SourceError> {
        let source = self.audiences.get(name);
        let source = source.filter(|source| source.is_for(app));
        let source = source.cloned().ok_or_else(|| SourceError {
            message: format!("there is no source {name:?} for this App"),
            is_temporary: false,
        })?;
        let (sender, pages) = mpsc::channel(PAGES_AHEAD);
        let name = name.to_owned();
        tokio::task::spawn_blocking(move || {
            let mut reader = Reader {
                sender,
                page: Vec::with_capacity(PAGE),
                is_listened_to: true,
            };
            let read = reader.read(&source);
            if !reader.is_listened_to {
                return;
            }
            let last = match read {
                Ok(()) => Ok(std::mem::take(&mut reader.page)),
                Err(mut error) => {
                    error.message = format!("the source {name:?}: {}", error.message);
                    Err(error)
                }
            };
            // Nobody listens only where nobody waits for it any more.
            let _ = reader.sender.blocking_send(last);
        });
        Ok(Box::new(Pages(pages)))
    }

    fn tables(&self) -> Vec<Arc<FollowedTable>> {
        let all = self.tables.values();
        all.map(|linked| linked.table.clone()).collect()
    }

    async fn read_table(&self, name: &str) -> Result<TableRows, SourceError> {
        match self.tables.get(name) {
            Some(table) => table.read().await,
            None => Err(refused(format!("there is no table {name:?}"))),
        }
    }
}

struct Pages(mpsc::Receiver<Result<Names, SourceError>>);

#[async_trait]
impl SourceRows for Pages {
    async fn next(&mut self) -> Result<Option<Names>, SourceError> {
        self.0.recv().await.transpose()
    }
}

struct Reader {
    sender: mpsc::Sender<Result<Names, SourceError>>,
    page: Names,
    is_listened_to: bool,
}

impl Reader {
    /// To the end; what is left of the last page stays here.
    fn read(&mut self, source: &LinkedSource) -> Result<(), SourceError> {
        let until = Instant::now() + Duration::from_millis(source.read_timeout_ms.into());
        let mut rows = 0_u64;
        // Both write down why they stop.
        let at = std::cell::Cell::new(None);
        let stopped = std::cell::RefCell::new(None);
        let columns = |names: Vec<String>| match place_of(&names, &source.column) {
            Ok(found) => {
                at.set(Some(found));
                ControlFlow::Continue(())
            }
            Err(error) => {
                *stopped.borrow_mut() = Some(error);
                ControlFlow::Break(())
            }
        };
        let each = |mut row: Vec<Option<String>>| {
            rows += 1;
            if rows > source.max_rows {
                let most = source.max_rows;
                let message = format!(
                    "it has more than {most} rows (its max_rows): the campaign would reach only some of them"
                );
                *stopped.borrow_mut() = Some(refused(message));
                return ControlFlow::Break(());
            }
            if Instant::now() >= until {
                *stopped.borrow_mut() = Some(SourceError {
                    message: format!(
                        "it was not read within {} ms (its read_timeout)",
                        source.read_timeout_ms
                    ),
                    is_temporary: true,
                });
                return ControlFlow::Break(());
            }
            let name = at.get().and_then(|at| row.get_mut(at)?.take());
            self.add(name.filter(|name| !name.trim().is_empty()))
        };
        let read = read_foreign(&source.place, &source.query, columns, each);
        match (read, stopped.into_inner()) {
            (_, Some(error)) => Err(error),
            (Ok(()), None) => Ok(()),
            (Err(error), None) => Err(failed(&source.place, &error)),
        }
    }

    fn add(&mut self, name: Option<String>) -> ControlFlow<()> {
        self.page.push(name);
        if self.page.len() < PAGE {
            return ControlFlow::Continue(());
        }
        let page = std::mem::replace(&mut self.page, Vec::with_capacity(PAGE));
        if self.sender.blocking_send(Ok(page)).is_ok() {
            return ControlFlow::Continue(());
        }
        self.is_listened_to = false;
        ControlFlow::Break(())
    }
}

/// The column with the names: by its name, else by its number from 1.
fn place_of(names: &[String], column: &str) -> Result<usize, SourceError> {
    let by_name = names.iter().position(|name| name == column);
    let by_number = || {
        let number: usize = column.parse().ok()?;
        (1..=names.len()).contains(&number).then(|| number - 1)
    };
    by_name.or_else(by_number).ok_or_else(|| {
        let hint = did_you_mean(column, names.iter().map(String::as_str));
        let names = names.join(", ");
        refused(format!(
            "its query gives no column {column:?}{hint}, only {names}"
        ))
    })
}

pub(crate) fn refused(message: String) -> SourceError {
    SourceError {
        message,
        is_temporary: false,
    }
}

pub(crate) fn failed(place: &ForeignPlace, error: &ForeignError) -> SourceError {
    SourceError {
        message: format!("{place}: {error}"),
        is_temporary: error.is_temporary(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    fn members(rows: u32) -> (tempfile::TempDir, LinkedSource) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("members.db");
        let mut conn = Connection::open(&path).unwrap();
        conn.execute_batch("CREATE TABLE members (id TEXT, name TEXT)")
            .unwrap();
        let tx = conn.transaction().unwrap();
        for n in 0..rows {
            tx.execute("INSERT INTO members VALUES (?1, 'x')", [format!("u{n}")])
                .unwrap();
        }
        tx.execute("INSERT INTO members VALUES (NULL, 'y'), (' ', 'z')", [])
            .unwrap();
        tx.commit().unwrap();
        let source = LinkedSource {
            place: ForeignPlace::Sqlite(path),
            query: "SELECT name, id FROM members".into(),
            column: "id".into(),
            by: NamedBy::User,
            apps: Some(vec!["shop".into()]),
            max_rows: 10_000,
            read_timeout_ms: 60_000,
        };
        (home, source)
    }

    async fn read(source: LinkedSource) -> Result<Names, SourceError> {
        let sources = LinkedSources::new(
            BTreeMap::from([("members".into(), source)]),
            BTreeMap::new(),
        );
        let mut rows = sources.read("shop", "members").await?;
        let mut all = Vec::new();
        while let Some(page) = rows.next().await? {
            all.extend(page);
        }
        Ok(all)
    }

    #[tokio::test]
    async fn a_source_gives_its_names_to_those_who_may_have_them() {
        let (_home, source) = members(2_500);
        let all = read(source.clone()).await.unwrap();
        assert_eq!(all.len(), 2_502);
        assert_eq!(all[2_499], Some("u2499".into()));
        assert_eq!(all[2_500..], [None, None]);
        let by_number = LinkedSource {
            column: "2".into(),
            ..source.clone()
        };
        assert_eq!(read(by_number).await.unwrap(), all);
        let sources = LinkedSources::new(
            BTreeMap::from([("members".into(), source)]),
            BTreeMap::new(),
        );
        assert_eq!(sources.of_app("shop")[0].name, "members");
        assert_eq!(sources.of_app("other"), []);
        assert!(sources.read("other", "members").await.is_err());
    }

    #[tokio::test]
    async fn what_keeps_a_source_from_being_read_is_said() {
        let (home, source) = members(20);
        let gone = ForeignPlace::Sqlite(home.path().join("none.db"));
        for (wrong, part) in [
            (
                LinkedSource {
                    column: "idd".into(),
                    ..source.clone()
                },
                "no column \"idd\"; did you mean `id`?, only name, id",
            ),
            (
                LinkedSource {
                    max_rows: 21,
                    ..source.clone()
                },
                "more than 21 rows",
            ),
            (
                LinkedSource {
                    query: "DELETE FROM members RETURNING id".into(),
                    ..source.clone()
                },
                "do more than read",
            ),
            (
                LinkedSource {
                    place: gone,
                    ..source.clone()
                },
                "cannot be opened",
            ),
            (
                LinkedSource {
                    read_timeout_ms: 0,
                    ..source.clone()
                },
                "not read within 0 ms",
            ),
        ] {
            let error = read(wrong).await.unwrap_err();
            assert!(error.message.contains(part), "{part}: {error}");
            assert!(error.message.contains("the source \"members\""), "{error}");
        }
        assert_eq!(read(source).await.unwrap().len(), 22);
    }
}
