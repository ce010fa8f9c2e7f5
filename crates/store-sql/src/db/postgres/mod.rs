//! PostgreSQL, through `tokio-postgres`.
//!
//! Statements whose result nobody waits for are kept until the next one that somebody does, and go out together with it,
//! in one turn of the network. Runs of one simple statement among them become one statement on lists, where their order
//! cannot matter: none of another text on the same table was kept between them.

mod connect;
mod texts;
mod trouble;
mod turn;
mod values;

pub(crate) use connect::Postgres;

use crate::db::driver::{Dialect, Driver, ENDING, Record, ServerError, Trouble};
use crate::db::kept::{Kept, Run, key};
use crate::db::{Error, Result, Step};
use futures_util::future::{FutureExt as _, LocalBoxFuture, maybe_done};
use rusqlite::types::Value;
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use texts::{Text, many};
use tokio::runtime::Runtime;
use tokio::time::Instant;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Statement};
use trouble::failed;
use turn::{Answer, Sent, answered, look, run_many, run_one, within};
use values::{Bound, kind, record};

/// A connection, with the runtime that moves it.
struct Link {
    client: Client,
    runtime: Runtime,
    /// How long the server may be silent: it stops a statement by itself before that.
    patience: Duration,
    texts: Vec<Option<Known>>,
    by_sql: HashMap<Box<str>, usize>,
    kept: Kept,
    /// Answers to what will be asked: by statement and values.
    ahead: HashMap<(usize, Vec<u8>), Vec<Record>>,
    has_begun: bool,
    is_lost: bool,
}

/// A text and what became of it.
struct Known {
    source: Box<str>,
    text: Text,
    one: Option<Statement>,
    /// Many runs as one; once it is known whether they can be.
    many: Option<Option<Statement>>,
    /// A query for many values at once; once it is known whether it can be.
    ahead: Option<Option<Statement>>,
    uses: usize,
}

impl Link {
    fn known(&self, handle: usize) -> Result<&Known> {
        let known = self.texts.get(handle).and_then(Option::as_ref);
        known.ok_or_else(|| failed(Trouble::Failed, format!("there is no statement {handle}")))
    }

    /// Waits for the server, not longer than it may be silent.
    fn wait<T>(
        &mut self,
        what: impl FnOnce(&Client) -> LocalBoxFuture<'_, Answer<T>>,
    ) -> Result<T> {
        let answer = self
            .runtime
            .block_on(within(self.patience, what(&self.client)));
        self.sort(answer)
    }

    fn sort<T>(&mut self, answer: Result<T>) -> Result<T> {
        let is_lost = |error: &Error| {
            matches!(
                error,
                Error::Server(ServerError {
                    kind: Trouble::Lost,
                    ..
                })
            )
        };
        if self.client.is_closed() || answer.as_ref().is_err_and(is_lost) {
            self.is_lost = true;
        }
        match answer {
            // Whatever it says: this connection says nothing else any more.
            Err(Error::Server(error)) if self.is_lost => Err(failed(Trouble::Lost, error.text)),
            answer => answer,
        }
    }

    /// The statement as prepared, for values of these types.
    fn one(&mut self, handle: usize, values: &[Value]) -> Result<Statement> {
        let known = self.known(handle)?;
        if let Some(statement) = &known.one {
            return Ok(statement.clone());
        }
        let sql = known.text.sql.clone();
        let types: Vec<Type> = values.iter().map(kind).collect();
        let statement = self
            .wait(|client| async move { client.prepare_typed(&sql, &types).await }.boxed_local())?;
        if let Some(known) = self.texts.get_mut(handle).and_then(Option::as_mut) {
            known.one = Some(statement.clone());
        }
        Ok(statement)
    }

    /// The statement for many runs at once; `None`: it has to run one by one.
    fn many(&mut self, handle: usize, values: &[Value]) -> Result<Option<Statement>> {
        if let Some(many) = &self.known(handle)?.many {
            return Ok(many.clone());
        }
        let one = self.one(handle, values)?;
        let types: Option<Vec<_>> = one.params().iter().map(name).collect();
        let sql = match (&self.known(handle)?.text.simple, types) {
            (Some(simple), Some(types)) => Some(many(simple, &types)),
            _ => None,
        };
        let prepared = match sql {
            None => None,
            Some(sql) => {
                Some(self.wait(|client| async move { client.prepare(&sql).await }.boxed_local())?)
            }
        };
        if let Some(known) = self.texts.get_mut(handle).and_then(Option::as_mut) {
            known.many = Some(prepared.clone());
        }
        Ok(prepared)
    }

    /// The query for many values at once; `None`: it has to be asked one by one.
    fn for_many(&mut self, handle: usize, values: &[Value]) -> Result<Option<Statement>> {
        if let Some(ahead) = &self.known(handle)?.ahead {
            return Ok(ahead.clone());
        }
        let one = self.one(handle, values)?;
        let types: Option<Vec<_>> = one.params().iter().map(name).collect();
        let source = self.known(handle)?.source.clone();
        let prepared = match types {
            None => None,
            Some(types) => {
                let sql = texts::ahead(&source, &types);
                Some(self.wait(|client| async move { client.prepare(&sql).await }.boxed_local())?)
            }
        };
        if let Some(known) = self.texts.get_mut(handle).and_then(Option::as_mut) {
            known.ahead = Some(prepared.clone());
        }
        Ok(prepared)
    }

    /// Sends what is kept and then `last`, waits for all, and returns the first error.
    fn send<T>(
        &mut self,
        last: impl for<'c> FnOnce(&'c Client) -> LocalBoxFuture<'c, Answer<T>>,
    ) -> Result<T> {
        if self.is_lost {
            return Err(failed(Trouble::Lost, "the connection is gone".into()));
        }
        let runs = self.kept.take();
        let mut prepared = Vec::with_capacity(runs.len());
        for run in &runs {
            prepared.push(match run {
                Run::Plain(_) => None,
                Run::Rows { handle, rows, .. } => Some(match &rows[..] {
                    [row] => (self.one(*handle, row)?, false),
                    rows => match self.many(*handle, &rows[0])? {
                        Some(many) => (many, true),
                        None => (self.one(*handle, &rows[0])?, false),
                    },
                }),
            });
        }
        let (client, patience) = (&self.client, self.patience);
        let answer = self.runtime.block_on(async move {
            let mut ahead: Vec<Sent<'_>> = Vec::new();
            for (run, statement) in runs.iter().zip(&prepared) {
                match (run, statement) {
                    (Run::Plain(sql), _) => {
                        ahead.push(Box::pin(maybe_done(
                            client.batch_execute(sql).boxed_local(),
                        )));
                    }
                    (Run::Rows { rows, .. }, Some((statement, true))) => {
                        ahead.push(Box::pin(maybe_done(run_many(client, statement, rows))));
                    }
                    (Run::Rows { rows, .. }, Some((statement, false))) => {
                        for row in rows {
                            ahead.push(Box::pin(maybe_done(run_one(client, statement, row))));
                        }
                    }
                    (Run::Rows { .. }, None) => {}
                }
            }
            // A statement is sent when it is looked at for the first time: in order, and before any is waited for.
            for one in &mut ahead {
                look(one.as_mut()).await;
            }
            let mut last = Box::pin(maybe_done(last(client)));
            look(last.as_mut()).await;
            let mut stopped = None;
            for mut one in ahead {
                if let Err(error) = answered(patience, one.as_mut()).await {
                    stopped.get_or_insert(error);
                }
            }
            let last = answered(patience, last.as_mut()).await;
            stopped.map_or(last, Err)
        });
        self.sort(answer)
    }

    fn plain(&mut self, sql: &'static str) -> Result<()> {
        self.send(move |client| client.batch_execute(sql).boxed_local())
    }
}

impl Driver for Link {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn prepare(&mut self, sql: &str) -> Result<usize> {
        if let Some(handle) = self.by_sql.get(sql) {
            if let Some(Some(known)) = self.texts.get_mut(*handle) {
                known.uses += 1;
            }
            return Ok(*handle);
        }
        let known = Some(Known {
            source: sql.into(),
            text: Text::new(sql),
            one: None,
            many: None,
            ahead: None,
            uses: 1,
        });
        let handle = match self.texts.iter().position(Option::is_none) {
            Some(free) => {
                self.texts[free] = known;
                free
            }
            None => {
                self.texts.push(known);
                self.texts.len() - 1
            }
        };
        self.by_sql.insert(sql.into(), handle);
        Ok(handle)
    }

    fn forget(&mut self, handle: usize) {
        if let Some(place) = self.texts.get_mut(handle)
            && let Some(known) = place
        {
            known.uses -= 1;
            if known.uses == 0 {
                self.by_sql.remove(&known.source);
                *place = None;
            }
        }
    }

    fn ahead(&mut self, handle: usize, all: Vec<Vec<Value>>) -> Result<()> {
        let mut asked = Vec::with_capacity(all.len());
        let mut seen = HashSet::new();
        let all: Vec<_> = all
            .into_iter()
            .filter(|values| {
                let key = (handle, key(values));
                let is_new = seen.insert(key.clone());
                asked.extend(is_new.then_some(key));
                is_new
            })
            .collect();
        let [first, _, ..] = &all[..] else {
            return Ok(());
        };
        let Some(statement) = self.for_many(handle, first)? else {
            return Ok(());
        };
        let rows = self.send(move |client| {
            async move {
                let width = statement.params().len();
                let column = |at: usize| all.iter().map(|row| Bound(&row[at])).collect::<Vec<_>>();
                let columns: Vec<_> = (0..width).map(column).collect();
                let rows = client.query_raw(&statement, &columns).await?;
                let rows: Vec<_> = futures_util::TryStreamExt::try_collect(rows).await?;
                rows.iter().map(record).collect::<Answer<Vec<Record>>>()
            }
            .boxed_local()
        })?;
        self.ahead
            .extend(asked.iter().cloned().map(|key| (key, Vec::new())));
        for row in rows {
            let mut row = row.into_vec().into_iter();
            let Some(Value::Integer(place)) = row.next() else {
                continue;
            };
            let asked = usize::try_from(place - 1).ok().and_then(|at| asked.get(at));
            if let Some(answer) = asked.and_then(|asked| self.ahead.get_mut(asked)) {
                answer.push(row.collect());
            }
        }
        Ok(())
    }

    fn query(&mut self, handle: usize, values: Vec<Value>) -> Result<Vec<Record>> {
        if !self.ahead.is_empty()
            && let Some(answer) = self.ahead.remove(&(handle, key(&values)))
        {
            return Ok(answer);
        }
        let statement = self.one(handle, &values)?;
        self.send(move |client| {
            async move {
                let rows = client
                    .query_raw(&statement, values.iter().map(Bound))
                    .await?;
                let rows: Vec<_> = futures_util::TryStreamExt::try_collect(rows).await?;
                rows.iter().map(record).collect()
            }
            .boxed_local()
        })
    }

    fn execute(&mut self, handle: usize, values: Vec<Value>) -> Result<usize> {
        let statement = self.one(handle, &values)?;
        let changed = self.send(move |client| {
            async move {
                client
                    .execute_raw(&statement, values.iter().map(Bound))
                    .await
            }
            .boxed_local()
        })?;
        Ok(usize::try_from(changed).unwrap_or(usize::MAX))
    }

    fn queue(&mut self, handle: usize, values: Vec<Value>) -> Result<()> {
        let Some(Some(known)) = self.texts.get(handle) else {
            return self.known(handle).map(drop);
        };
        if self.kept.push(handle, known.text.simple.as_ref(), values) {
            return Ok(());
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<()> {
        if self.kept.is_empty() {
            return Ok(());
        }
        self.send(|_| async { Ok(()) }.boxed_local())
    }

    fn end_ahead(&mut self) {
        self.ahead.clear();
    }

    fn step(&mut self, step: Step) -> Result<()> {
        self.ahead.clear();
        match step {
            Step::BeginWriting | Step::BeginReading => {
                let is_reading = step == Step::BeginReading;
                self.kept.plain(if is_reading {
                    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
                } else {
                    "BEGIN"
                });
                self.has_begun = true;
                Ok(())
            }
            Step::Commit => {
                let sent = self.plain("COMMIT");
                // What failed before it has made it a rollback.
                self.has_begun = false;
                sent
            }
            Step::Rollback => {
                self.has_begun = false;
                self.kept.take();
                // A server that has heard of no transaction says so, and that is all.
                self.plain("ROLLBACK")
            }
            Step::Savepoint => {
                self.kept.plain(SAVEPOINT);
                Ok(())
            }
            Step::Release => self.plain("RELEASE SAVEPOINT job"),
            Step::Undo => {
                if self.kept.cut_at(SAVEPOINT) {
                    return Ok(());
                }
                self.plain("ROLLBACK TO SAVEPOINT job; RELEASE SAVEPOINT job")
            }
        }
    }

    fn is_autocommit(&self) -> bool {
        !self.has_begun || self.is_lost
    }

    fn is_alive(&self) -> bool {
        !self.is_lost && !self.client.is_closed()
    }

    fn script(&mut self, sql: &str) -> Result<()> {
        let sql = format!("SET LOCAL statement_timeout = {MIGRATION_MS}; {sql}");
        let patience =
            std::mem::replace(&mut self.patience, Duration::from_millis(MIGRATION_MS * 2));
        let done =
            self.send(move |client| async move { client.batch_execute(&sql).await }.boxed_local());
        self.patience = patience;
        done
    }

    fn tables(&mut self) -> Result<Vec<String>> {
        let handle = self.prepare(
            "SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = current_schema() ORDER BY 1",
        )?;
        let rows = self.query(handle, Vec::new())?;
        Ok(rows.iter().filter_map(|row| text(row.first())).collect())
    }

    fn lock(&mut self) -> Result<Option<String>> {
        let take = self.prepare(&format!("SELECT pg_try_advisory_lock({LOCK})"))?;
        let until = Instant::now() + ENDING;
        loop {
            let taken = self.query(take, Vec::new())?;
            if taken.first().and_then(|row| row.first()) == Some(&Value::Integer(1)) {
                return Ok(None);
            }
            if Instant::now() >= until {
                break;
            }
            self.runtime
                .block_on(async { tokio::time::sleep(ENDING / 20).await });
        }
        let ask = self.prepare(HOLDER)?;
        let who = self.query(ask, Vec::new())?;
        let who = who.first().and_then(|row| text(row.first()));
        Ok(Some(
            who.unwrap_or_else(|| "a connection that is ending".into()),
        ))
    }

    fn unlock(&mut self) -> Result<()> {
        let give_back = self.prepare(&format!("SELECT pg_advisory_unlock({LOCK})"))?;
        self.query(give_back, Vec::new()).map(drop)
    }

    fn random(&mut self) -> Result<[u8; 16]> {
        let ask = self.prepare("SELECT uuid_send(gen_random_uuid())")?;
        let rows = self.query(ask, Vec::new())?;
        match rows.first().and_then(|row| row.first()) {
            Some(Value::Blob(bytes)) => bytes.as_slice().try_into().ok(),
            _ => None,
        }
        .ok_or_else(|| failed(Trouble::Failed, "no random bytes came".into()))
    }
}

/// The place to come back to, as the server hears of it.
const SAVEPOINT: &str = "SAVEPOINT job";

/// How long a step of a migration may take.
const MIGRATION_MS: u64 = 600_000;

/// The number of the installation's lock: one for each schema.
const LOCK: &str = "hashtextextended('carillon ' || current_schema(), 0)";

/// Who has it: a lock on a number stands in two halves.
const HOLDER: &str = "SELECT 'process ' || a.pid || ' of user ' || a.usename || ' at '
        || coalesce(host(a.client_addr), 'a socket') || ', connected since ' || date_trunc('second', a.backend_start)
     FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
     WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
        AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
        AND (CAST(l.classid AS BIGINT) << 32 | CAST(l.objid AS BIGINT)) = hashtextextended('carillon ' || current_schema(), 0)";

fn text(value: Option<&Value>) -> Option<String> {
    match value {
        Some(Value::Text(text)) => Some(text.clone()),
        _ => None,
    }
}

/// What a list of a type is written as; `None`: lists of it are not sent.
fn name(of: &Type) -> Option<&'static str> {
    match *of {
        Type::INT8 => Some("int8"),
        Type::TEXT => Some("text"),
        Type::BYTEA => Some("bytea"),
        _ => None,
    }
}
