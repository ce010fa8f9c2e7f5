//! MySQL and MariaDB, through `mysql_async`.
//!
//! Statements whose result nobody waits for are kept until the next one that somebody does. Runs of one statement go
//! together where their order cannot matter, and MariaDB takes them in one turn of the network (its bulk execution);
//! MySQL has no such thing, and takes them one after the other.

mod connect;
mod many;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod texts;
mod tokens;
mod translate;
mod trouble;
mod values;

pub(crate) use connect::Mysql;

use super::driver::{Dialect, Driver, ENDING, Record, ServerError, Trouble};
use super::kept::{Kept, Run, key};
use super::words::{Simple, simple, squeezed};
use super::{Error, Result, Step};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Params, Row, Statement};
use rusqlite::types::Value;
use std::collections::HashMap;
use std::time::Duration;
use tokio::runtime::Runtime;
use translate::{Counts, Translated, translate};
use trouble::{DEADLOCK, DONE_BEFORE, DUPLICATE, code, failed, of};
use values::{record, sent};

/// How long saying goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// A connection, with the runtime that moves it.
struct Link {
    // Before the runtime: it says goodbye while there is one.
    conn: Option<Conn>,
    runtime: Runtime,
    /// How long the server may be silent: it stops a statement by itself before that.
    patience: Duration,
    texts: Vec<Option<Text>>,
    by_sql: HashMap<Box<str>, usize>,
    kept: Kept,
    /// Answers to what will be asked: by statement and values.
    ahead: HashMap<(usize, Vec<u8>), Vec<Record>>,
    has_begun: bool,
    is_lost: bool,
}

/// A text and what became of it.
struct Text {
    source: Box<str>,
    translated: Translated,
    simple: Option<Simple>,
    counted: Option<Statement>,
    uncounted: Option<Statement>,
    /// The same about many rows; once it is known whether that can be.
    listed: Option<Option<[usize; many::LENGTHS.len()]>>,
    uses: usize,
}

// === impl Link ===

impl Link {
    fn new(runtime: Runtime, conn: Conn, patience: Duration) -> Self {
        Self {
            conn: Some(conn),
            runtime,
            patience,
            texts: Vec::new(),
            by_sql: HashMap::new(),
            kept: Kept::default(),
            ahead: HashMap::new(),
            has_begun: false,
            is_lost: false,
        }
    }

    /// Waits for the server, not longer than it may be silent.
    fn wait<T>(
        &mut self,
        what: impl AsyncFnOnce(&mut Conn) -> mysql_async::Result<T>,
    ) -> std::result::Result<T, (Option<u16>, Error)> {
        let Some(conn) = self.conn.as_mut().filter(|_| !self.is_lost) else {
            return Err((None, failed(Trouble::Lost, "the connection is gone")));
        };
        let answer = self
            .runtime
            .block_on(async { tokio::time::timeout(self.patience, what(conn)).await });
        let (code, error) = match answer {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => (code(&error), of(&error)),
            Err(_) => {
                let limit = self.patience.as_millis();
                (
                    None,
                    failed(Trouble::Lost, format!("no answer within {limit} ms")),
                )
            }
        };
        if matches!(
            &error,
            Error::Server(ServerError {
                kind: Trouble::Lost,
                ..
            })
        ) {
            self.is_lost = true;
            self.has_begun = false;
        }
        if code == Some(DEADLOCK) {
            self.has_begun = false;
        }
        Err((code, error))
    }

    fn text(&self, handle: usize) -> Result<&Text> {
        let text = self.texts.get(handle).and_then(Option::as_ref);
        text.ok_or_else(|| failed(Trouble::Failed, format!("there is no statement {handle}")))
    }

    /// The server's statement for a text.
    fn statement(
        &mut self,
        handle: usize,
        is_counted: bool,
    ) -> std::result::Result<Statement, (Option<u16>, Error)> {
        let text = self.text(handle).map_err(|error| (None, error))?;
        let known = if is_counted {
            &text.counted
        } else {
            &text.uncounted
        };
        if let Some(known) = known {
            return Ok(known.clone());
        }
        let sql = match &text.translated.uncounted {
            Some(uncounted) if !is_counted => uncounted.clone(),
            _ => text.translated.sql.clone(),
        };
        let statement = self.wait(async |conn| conn.prep(sql).await)?;
        if let Some(Some(text)) = self.texts.get_mut(handle) {
            let known = if is_counted {
                &mut text.counted
            } else {
                &mut text.uncounted
            };
            *known = Some(statement.clone());
        }
        Ok(statement)
    }

    /// Values in the order in which the translated text wants them.
    fn values(&self, handle: usize, values: Vec<Value>) -> Result<Params> {
        let order = &self.text(handle)?.translated.values;
        if order.is_empty() {
            return Ok(Params::Empty);
        }
        let is_as_given =
            order.len() == values.len() && order.iter().enumerate().all(|(at, place)| at == *place);
        if is_as_given {
            return Ok(Params::Positional(values.into_iter().map(sent).collect()));
        }
        let placed = order
            .iter()
            .map(|place| values.get(*place).cloned().map(sent));
        match placed.collect() {
            Some(placed) => Ok(Params::Positional(placed)),
            None => Err(failed(
                Trouble::Failed,
                "a statement has more parameters than values",
            )),
        }
    }

    fn plain(&mut self, sql: &str) -> Result<()> {
        self.wait(async |conn| conn.query_drop(sql).await)
            .map_err(|(_, error)| error)
    }

    /// One statement with many rows of values.
    fn rows(&mut self, handle: usize, rows: Vec<Vec<Value>>) -> Result<()> {
        let Some(rows) = self.run_listed(handle, rows)? else {
            return Ok(());
        };
        let statement = self.statement(handle, false).map_err(|(_, error)| error)?;
        let rows = rows
            .into_iter()
            .map(|row| self.values(handle, row))
            .collect::<Result<Vec<_>>>()?;
        let done = self.wait(async |conn| match <[Params; 1]>::try_from(rows) {
            Ok([row]) => conn.exec_drop(&statement, row).await,
            Err(rows) => conn.exec_batch(&statement, rows).await,
        });
        done.map_err(|(_, error)| error)
    }

    /// What a query finds.
    fn asked(&mut self, handle: usize, values: Vec<Value>) -> Result<Vec<Record>> {
        let statement = self.statement(handle, true).map_err(|(_, error)| error)?;
        let values = self.values(handle, values)?;
        let rows: Vec<Row> = self
            .wait(async |conn| conn.exec(&statement, values).await)
            .map_err(|(_, error)| error)?;
        rows.into_iter().map(record).collect()
    }

    fn counted(
        &mut self,
        handle: usize,
        values: Vec<Value>,
    ) -> std::result::Result<u64, (Option<u16>, Error)> {
        let statement = self.statement(handle, true)?;
        let values = self.values(handle, values).map_err(|error| (None, error))?;
        self.wait(async |conn| {
            let result = conn.exec_iter(&statement, values).await?;
            let count = result.affected_rows();
            result.drop_result().await?;
            Ok(count)
        })
    }
}

impl Driver for Link {
    fn dialect(&self) -> Dialect {
        Dialect::Mysql
    }

    fn prepare(&mut self, sql: &str) -> Result<usize> {
        if let Some(handle) = self.by_sql.get(sql) {
            if let Some(Some(text)) = self.texts.get_mut(*handle) {
                text.uses += 1;
            }
            return Ok(*handle);
        }
        let translated = translate(sql);
        let text = Text {
            source: sql.into(),
            simple: simple(&squeezed(sql)),
            translated,
            counted: None,
            uncounted: None,
            listed: None,
            uses: 1,
        };
        let free = self.texts.iter().position(Option::is_none);
        let handle = free.unwrap_or(self.texts.len());
        match self.texts.get_mut(handle) {
            Some(place) => *place = Some(text),
            None => self.texts.push(Some(text)),
        }
        self.by_sql.insert(sql.into(), handle);
        Ok(handle)
    }

    fn forget(&mut self, handle: usize) {
        let Some(Some(text)) = self.texts.get_mut(handle) else {
            return;
        };
        text.uses -= 1;
        if text.uses > 0 {
            return;
        }
        let Some(text) = self.texts.get_mut(handle).and_then(Option::take) else {
            return;
        };
        self.by_sql.remove(&text.source);
        for handle in text.listed.flatten().into_iter().flatten() {
            self.forget(handle);
        }
        for statement in [text.counted, text.uncounted].into_iter().flatten() {
            // If it fails the connection is gone, and the statement with it.
            let _ = self.wait(async |conn| conn.close(statement).await);
        }
    }

    fn query(&mut self, handle: usize, values: Vec<Value>) -> Result<Vec<Record>> {
        if !self.ahead.is_empty()
            && let Some(answer) = self.ahead.remove(&(handle, key(&values)))
        {
            return Ok(answer);
        }
        self.flush()?;
        self.asked(handle, values)
    }

    fn ahead(&mut self, handle: usize, all: Vec<Vec<Value>>) -> Result<()> {
        self.ask_ahead(handle, &all)
    }

    fn end_ahead(&mut self) {
        self.ahead.clear();
    }

    fn execute(&mut self, handle: usize, values: Vec<Value>) -> Result<usize> {
        self.flush()?;
        let counts = self.text(handle)?.translated.counts;
        let count = match self.counted(handle, values) {
            Err((Some(DUPLICATE), _)) if counts == Counts::Inserted => 0,
            Err((_, error)) => return Err(error),
            Ok(count) if counts == Counts::Upserted => count.min(1),
            Ok(count) => count,
        };
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    fn queue(&mut self, handle: usize, values: Vec<Value>) -> Result<()> {
        let simple = self
            .texts
            .get(handle)
            .and_then(Option::as_ref)
            .and_then(|text| text.simple.as_ref());
        if self.kept.push(handle, simple, values) {
            return Ok(());
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<()> {
        for run in self.kept.take() {
            match run {
                Run::Plain(sql) => self.plain(sql)?,
                Run::Rows { handle, rows, .. } => self.rows(handle, rows)?,
            }
        }
        Ok(())
    }

    fn step(&mut self, step: Step) -> Result<()> {
        self.ahead.clear();
        match step {
            Step::BeginWriting => {
                self.plain("START TRANSACTION")?;
                self.has_begun = true;
                Ok(())
            }
            Step::BeginReading => {
                self.plain("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")?;
                self.has_begun = true;
                Ok(())
            }
            Step::Commit => {
                self.flush()?;
                self.plain("COMMIT")?;
                self.has_begun = false;
                Ok(())
            }
            Step::Rollback => {
                self.kept.take();
                self.plain("ROLLBACK")?;
                self.has_begun = false;
                Ok(())
            }
            Step::Savepoint => {
                self.flush()?;
                self.plain("SAVEPOINT job")
            }
            Step::Release => {
                self.flush()?;
                self.plain("RELEASE SAVEPOINT job")
            }
            Step::Undo => {
                self.kept.take();
                self.plain("ROLLBACK TO SAVEPOINT job")?;
                self.plain("RELEASE SAVEPOINT job")
            }
        }
    }

    fn is_autocommit(&self) -> bool {
        !self.has_begun
    }

    fn is_alive(&self) -> bool {
        !self.is_lost
    }

    /// Each change of the schema is a transaction of its own there. A script that was broken off is run again, and passes
    /// over what was done.
    fn script(&mut self, sql: &str) -> Result<()> {
        let lines = sql.lines().filter(|line| !line.starts_with("--"));
        let text = lines.collect::<Vec<_>>().join("\n");
        for statement in text
            .split(';')
            .map(str::trim)
            .filter(|statement| !statement.is_empty())
        {
            match self.wait(async |conn| conn.query_drop(statement).await) {
                Err((Some(code), _)) if DONE_BEFORE.contains(&code) => {}
                Err((_, error)) => return Err(error),
                Ok(()) => {}
            }
        }
        Ok(())
    }

    fn tables(&mut self) -> Result<Vec<String>> {
        let asked = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY 1";
        self.wait(async |conn| conn.query(asked).await)
            .map_err(|(_, error)| error)
    }

    /// Of the server, so its name has the database's; those have at most 64 characters.
    fn lock(&mut self) -> Result<Option<String>> {
        const NAME: &str = "concat('carillon.', left(sha1(DATABASE()), 40))";
        let got: Option<Option<i64>> = self
            .wait(async |conn| {
                let seconds = ENDING.as_secs();
                conn.query_first(format!("SELECT GET_LOCK({NAME}, {seconds})"))
                    .await
            })
            .map_err(|(_, error)| error)?;
        if got.flatten() == Some(1) {
            return Ok(None);
        }
        let who = format!(
            "SELECT concat('connection ', p.id, ' of ', p.user, ' from ', p.host) FROM information_schema.processlist p
             WHERE p.id = IS_USED_LOCK({NAME})"
        );
        let who: Option<String> = self
            .wait(async |conn| conn.query_first(who).await)
            .map_err(|(_, error)| error)?;
        Ok(Some(who.unwrap_or_else(|| "another connection".into())))
    }

    fn unlock(&mut self) -> Result<()> {
        let give_back = "SELECT RELEASE_LOCK(concat('carillon.', left(sha1(DATABASE()), 40)))";
        let _: Option<Option<i64>> = self
            .wait(async |conn| conn.query_first(give_back).await)
            .map_err(|(_, error)| error)?;
        Ok(())
    }

    fn random(&mut self) -> Result<[u8; 16]> {
        let bytes: Option<Vec<u8>> = self
            .wait(async |conn| conn.query_first("SELECT RANDOM_BYTES(16)").await)
            .map_err(|(_, error)| error)?;
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.ok_or_else(|| failed(Trouble::Failed, "the server drew no random bytes"))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // It says goodbye, if it can be said soon.
        if let Some(conn) = self.conn.take().filter(|_| !self.is_lost) {
            let _ = self
                .runtime
                .block_on(async { tokio::time::timeout(GOODBYE, conn.disconnect()).await });
        }
    }
}
