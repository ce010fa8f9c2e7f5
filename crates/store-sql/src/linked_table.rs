//! Tables that Live Activities follow, read whole: all rows of one moment, or nothing. It knows nothing of what they mean.

use crate::foreign::{ForeignPlace, read_foreign};
use crate::linked::{failed, refused};
use carillon_ports::source::{FollowedTable, SourceError, TableRows};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, oneshot};
use tokio::time::Instant;

/// Most bytes of all rows of a table.
const MAX_BYTES: usize = 64 << 20;

/// Beyond `read_timeout`, which is looked at between rows, a database is given so long for its next row.
const GRACE: Duration = Duration::from_secs(10);

/// One table.
#[derive(Clone, Debug)]
pub struct LinkedTable {
    /// Where its database is.
    pub place: ForeignPlace,
    /// What that is asked.
    pub query: String,
    /// More rows are an error.
    pub max_rows: u64,
    /// Longest time of reading all of it, in milliseconds.
    pub read_timeout_ms: u32,
    /// What is followed.
    pub table: Arc<FollowedTable>,
    /// Held while it is read: one that is not done in time is not begun again beside itself.
    pub reading: Arc<Mutex<()>>,
}

impl LinkedTable {
    /// All its rows. Reading ends soon after nobody waits for it any more, at the latest with the database's next row.
    pub(crate) async fn read(&self) -> Result<TableRows, SourceError> {
        let Ok(reading) = self.reading.clone().try_lock_owned() else {
            return Err(temporary("it is still being read since before".into()));
        };
        let (sender, rows) = oneshot::channel();
        let table = self.clone();
        tokio::task::spawn_blocking(move || {
            let read = table.read_now(|| sender.is_closed());
            // Before anybody knows of it, who may read it again at once.
            drop(reading);
            // Nobody listens only where nobody waits for it any more.
            let _ = sender.send(read);
        });
        let limit = Duration::from_millis(self.read_timeout_ms.into()) + GRACE;
        match tokio::time::timeout(limit, rows).await {
            Ok(Ok(read)) => read,
            Ok(Err(_)) => Err(temporary("reading it broke off".into())),
            Err(_) => Err(self.late()),
        }
    }

    fn late(&self) -> SourceError {
        temporary(format!(
            "it was not read within {} ms (its read_timeout)",
            self.read_timeout_ms
        ))
    }

    fn read_now(&self, is_given_up: impl Fn() -> bool) -> Result<TableRows, SourceError> {
        let until = Instant::now() + Duration::from_millis(self.read_timeout_ms.into());
        let mut names = Vec::new();
        let mut rows = Vec::new();
        let mut bytes = 0;
        let mut stopped = None;
        let columns = |found| {
            names = found;
            ControlFlow::Continue(())
        };
        let each = |row: Vec<Option<String>>| {
            bytes += row.iter().flatten().map(String::len).sum::<usize>();
            let most = self.max_rows;
            stopped = if rows.len() as u64 >= most {
                Some(refused(format!(
                    "it has more than {most} rows (its max_rows): have its query leave out what is long over"
                )))
            } else if bytes > MAX_BYTES {
                let most = MAX_BYTES >> 20;
                Some(refused(format!(
                    "its rows have more than {most} MiB: have its query give fewer or shorter columns"
                )))
            } else if Instant::now() >= until {
                Some(self.late())
            } else if is_given_up() {
                Some(temporary("nobody waits for it".into()))
            } else {
                None
            };
            if stopped.is_some() {
                return ControlFlow::Break(());
            }
            rows.push(row);
            ControlFlow::Continue(())
        };
        let read = read_foreign(&self.place, &self.query, columns, each);
        match (read, stopped) {
            (_, Some(error)) => Err(error),
            (Ok(()), None) => Ok(TableRows {
                columns: names,
                rows,
            }),
            (Err(error), None) => Err(failed(&self.place, &error)),
        }
    }
}

fn temporary(message: String) -> SourceError {
    SourceError {
        message,
        is_temporary: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use carillon_model::live_activity::TableDefinition;
    use rusqlite::Connection;

    fn lessons() -> (tempfile::TempDir, LinkedTable) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("lessons.db");
        let conn = Connection::open(&path).unwrap();
        conn.execute_batch(
            "CREATE TABLE lessons (id INTEGER, title TEXT);
             INSERT INTO lessons VALUES (1, 'Piano'), (2, NULL), (3, 'Violin')",
        )
        .unwrap();
        let table = LinkedTable {
            place: ForeignPlace::Sqlite(path),
            query: "SELECT id, title FROM lessons ORDER BY id".into(),
            max_rows: 3,
            read_timeout_ms: 60_000,
            reading: Arc::default(),
            table: Arc::new(FollowedTable {
                name: "lessons".into(),
                app: "shop".into(),
                every_ms: 15_000,
                definition: TableDefinition {
                    columns: Default::default(),
                    zone: None,
                    ended: Vec::new(),
                    plan: Default::default(),
                },
            }),
        };
        (home, table)
    }

    #[tokio::test]
    async fn a_table_is_read_whole() {
        let (_home, table) = lessons();
        let read = table.read().await.unwrap();
        assert_eq!(read.columns, ["id", "title"]);
        assert_eq!(read.rows.len(), 3);
        assert_eq!(read.rows[1], [Some("2".to_owned()), None]);
        let other = table.reading.clone().lock_owned().await;
        let error = table.read().await.unwrap_err();
        assert!(error.message.contains("still being read") && error.is_temporary);
        drop(other);
        table.read().await.unwrap();
    }

    #[tokio::test]
    async fn a_table_is_read_whole_or_not_at_all() {
        let (_home, table) = lessons();
        for (wrong, part) in [
            (
                LinkedTable {
                    max_rows: 2,
                    ..table.clone()
                },
                "more than 2 rows",
            ),
            (
                LinkedTable {
                    read_timeout_ms: 0,
                    ..table.clone()
                },
                "not read within 0 ms",
            ),
            (
                LinkedTable {
                    query: "SELECT id, abs(-9223372036854775807 - (id / 3)) FROM lessons".into(),
                    ..table.clone()
                },
                "reading stopped after row 2",
            ),
            (
                LinkedTable {
                    query: "SELECT id FROM lesons".into(),
                    ..table.clone()
                },
                "lesons",
            ),
            (
                LinkedTable {
                    query:
                        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 80) \
                            SELECT hex(zeroblob(500000)) FROM n"
                            .into(),
                    max_rows: 1_000,
                    ..table.clone()
                },
                "more than 64 MiB",
            ),
        ] {
            let error = wrong.read().await.unwrap_err();
            assert!(error.message.contains(part), "{part}: {error}");
        }
    }
}
