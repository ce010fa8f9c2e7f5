//! The Follower: keeps Live Activities in step with tables of other programs.
//!
//! The leading worker reads each table whole, again and again. A row that is new, or has something else in it than when it
//! was last followed, becomes a declaration, which goes through the same door as everybody's; a row that is gone from a
//! complete reading ends its activity. Reading is I/O of unknown length, so it is a loop beside the Scheduler and no timer's
//! effect; what it leads to is timers like those of any other activity, and they fire whether or not the table can be read.
//!
//! A crash anywhere is mended by the next reading: a row is noted before its activity is declared, so that none is
//! forgotten that could be gone later, and noted as followed only after it; declaring it again changes nothing.

use super::ActivityRefusal;
use super::trial::TWICE;
use crate::dispatch::pause_ms;
use crate::moment::ms;
use crate::service::Shared;
use carillon_model::UnixMs;
use carillon_model::event::{EventKind, LiveActivitySourceFailed};
use carillon_model::id::AppNo;
use carillon_model::live_activity::{EndRequest, SourceReport, TableReader, Wish, in_words};
use carillon_ports::activity_source::{SeenRow, SourceNote};
use carillon_ports::news;
use carillon_ports::source::{FollowedTable, TableRows};
use carillon_ports::store::{NewEvent, StoreError};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Longest time without a look at the clock, which may be moved, or run faster than ours.
const LONGEST_SLEEP: Duration = Duration::from_millis(250);
/// Rows that are followed at once.
const AT_ONCE: usize = 32;
/// Rows that are noted in one transaction.
const NOTED_AT_ONCE: usize = 500;
/// So many failures in a row are told.
const FAILURES_TOLD: u32 = 3;

/// Runs until the engine is dropped.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut followed = JoinSet::new();
    for table in shared.hub.parts.sources.tables() {
        followed.spawn(follow(shared.clone(), table));
    }
    while let Some(ended) = followed.join_next().await {
        if let Err(error) = ended
            && error.is_panic()
        {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}

/// Follows one table.
async fn follow(shared: Arc<Shared>, table: Arc<FollowedTable>) {
    let hub = shared.hub.clone();
    let mut follower = Follower {
        shared,
        table,
        reader: None,
        known: None,
    };
    let mut due_at = UnixMs::MIN;
    let mut refusals = 0;
    while !hub.is_stopping() {
        let now = hub.parts.clock.now();
        let every = i64::from(follower.table.every_ms);
        // Whatever became of the clock, it is not waited for longer than that.
        due_at = due_at.min(now.saturating_add(every));
        if now < due_at {
            let wait = Duration::from_millis(due_at.saturating_sub(now).unsigned_abs());
            tokio::time::sleep(wait.min(LONGEST_SLEEP)).await;
            continue;
        }
        match follower.round(now).await {
            Ok(()) => {
                refusals = 0;
                due_at = now.saturating_add(every);
            }
            Err(error) => {
                // What was written of it, nobody knows: it is read again.
                follower.known = None;
                if !hub.store_refused("following a table", &error) {
                    return;
                }
                refusals += 1;
                let pause = pause_ms(hub.parts.config.store_retry_max_ms, refusals);
                tokio::time::sleep(ms(pause)).await;
            }
        }
    }
}

/// Reads a table once, now, and does what follows from it, whoever leads: that two processes do so at once changes nothing. `None`:
/// after a restore nothing is read before somebody has looked, or the App is not there.
pub(crate) async fn once(
    shared: Arc<Shared>,
    table: Arc<FollowedTable>,
) -> Result<Option<SourceReport>, StoreError> {
    let now = shared.hub.parts.clock.now();
    let mut follower = Follower {
        shared,
        table,
        reader: None,
        known: None,
    };
    follower.round(now).await?;
    Ok(follower.known.map(|known| known.report))
}

struct Follower {
    shared: Arc<Shared>,
    table: Arc<FollowedTable>,
    /// For the columns that the last reading had.
    reader: Option<Arc<TableReader>>,
    known: Option<Known>,
}

/// What is known of the table by now, as the store has it.
struct Known {
    app: AppNo,
    /// Hashes of rows by id.
    rows: HashMap<String, i64>,
    report: SourceReport,
}

/// What came of following a row.
enum Heeded {
    Changed,
    Ended,
    Over,
    Waits,
    Bad(String),
    /// Nothing: others were faster, or the store is busy. The next reading tries again.
    Later,
}

/// A row that is followed now.
struct Task {
    id: String,
    hash: i64,
    cells: Vec<Option<String>>,
}

impl Follower {
    /// Reads the table once, and does what follows from it.
    async fn round(&mut self, now: UnixMs) -> Result<(), StoreError> {
        let shared = self.shared.clone();
        let hub = &shared.hub;
        if hub.parts.store.is_scheduler_paused().await? {
            // After a restore: what is sent waits until somebody has looked.
            return Ok(());
        }
        shared.be_current().await?;
        let directory = hub.directory.load();
        let Some(app) = directory.app(&self.table.app) else {
            tracing::debug!(
                source = self.table.name,
                app = self.table.app,
                "there is no such App (yet): its table is not read"
            );
            self.known = None;
            return Ok(());
        };
        let (app, app_name) = (app.no, app.name.clone());
        let mut known = match self.known.take() {
            Some(known) if known.app == app => known,
            _ => self.known_of(app).await?,
        };
        let read = match hub.parts.sources.read_table(&self.table.name).await {
            Ok(rows) => self
                .reader(&rows.columns, &app_name)
                .map(|reader| (reader, rows)),
            Err(error) => Err(error.message),
        };
        if hub.is_stopping() {
            return Ok(());
        }
        match read {
            Ok((reader, rows)) => self.heed(&mut known, &reader, rows, now).await?,
            Err(message) => self.failed(&mut known, &message, now).await?,
        }
        self.known = Some(known);
        Ok(())
    }

    async fn known_of(&self, app: AppNo) -> Result<Known, StoreError> {
        let store = &self.shared.hub.parts.store;
        let name = &self.table.name;
        let rows = store.seen_rows(app, name.clone()).await?;
        let reports = store.source_reports(app).await?;
        let report = reports.iter().find(|(of, _)| of == name);
        Ok(Known {
            app,
            rows: rows.into_iter().map(|row| (row.id, row.hash)).collect(),
            // One that a newer server wrote is begun anew.
            report: report
                .and_then(|(_, text)| serde_json::from_str(text).ok())
                .unwrap_or_default(),
        })
    }

    fn reader(&mut self, columns: &[String], app: &str) -> Result<Arc<TableReader>, String> {
        match &self.reader {
            Some(reader) if reader.is_for(app, columns) => Ok(reader.clone()),
            _ => {
                let reader = Arc::new(TableReader::new(&self.table.definition, app, columns)?);
                self.reader = Some(reader.clone());
                Ok(reader)
            }
        }
    }

    /// The table was not read to its end, or cannot be understood at all.
    async fn failed(
        &self,
        known: &mut Known,
        message: &str,
        now: UnixMs,
    ) -> Result<(), StoreError> {
        let source = &self.table.name;
        self.shared.hub.meters.source_read(&self.table, "failed");
        known.report = SourceReport::failed(&known.report, now, message);
        let failures = known.report.failures;
        let events = if failures == FAILURES_TOLD {
            tracing::error!(
                source,
                failures,
                "a table that Live Activities follow cannot be read, and they go on by what is known: {message}"
            );
            let failed = LiveActivitySourceFailed {
                source: source.clone(),
                failures,
                message: known.report.error.clone().unwrap_or_default(),
            };
            vec![news::event(
                known.app,
                EventKind::LiveActivitySourceFailed,
                source,
                &failed,
            )]
        } else {
            if failures == 1 {
                tracing::warn!(
                    source,
                    "a table that Live Activities follow was not read: {message}"
                );
            }
            Vec::new()
        };
        self.report(known, Vec::new(), events, now).await
    }

    /// All rows of a reading.
    async fn heed(
        &self,
        known: &mut Known,
        reader: &Arc<TableReader>,
        rows: TableRows,
        now: UnixMs,
    ) -> Result<(), StoreError> {
        let mut report = known.report.next(now);
        report.rows = rows.rows.len() as u64;
        let mut present = HashSet::with_capacity(rows.rows.len());
        let mut tasks = Vec::new();
        for (number, cells) in rows.rows.into_iter().enumerate() {
            let id = match reader.id(&cells) {
                Ok(id) => id.to_owned(),
                Err(why) => {
                    report.bad_row(format!("row {}", number + 1), &why);
                    continue;
                }
            };
            if !present.insert(id.clone()) {
                report.bad_row(id, TWICE);
                continue;
            }
            let hash = reader.hash(&cells);
            if known.rows.get(&id) != Some(&hash) {
                tasks.push(Task { id, hash, cells });
            }
        }
        let gone: Vec<String> = known
            .rows
            .keys()
            .filter(|id| !present.contains(*id))
            .cloned()
            .collect();
        let is_new = |task: &&Task| !known.rows.contains_key(&task.id);
        let new = tasks.iter().filter(is_new).map(|task| SeenRow {
            id: task.id.clone(),
            hash: 0,
        });
        let new: Vec<SeenRow> = new.collect();
        self.note(known, new, now).await?;
        let followed = self.all(known.app, reader, tasks, &mut report, now).await?;
        self.note(known, followed, now).await?;
        if self.shared.hub.is_stopping() {
            // Not all were followed: whoever leads next does it.
            return Ok(());
        }
        let forgotten = self.end_all(known.app, gone, &mut report).await?;
        report.complete();
        if known.report.failures >= FAILURES_TOLD {
            tracing::info!(source = self.table.name, "the table is read again");
        }
        if report.problems != known.report.problems
            && let Some(first) = report.problems.first()
        {
            tracing::warn!(
                source = self.table.name,
                row = first.row,
                bad = report.bad,
                "rows of a table cannot be followed, the first one: {}",
                first.message
            );
        }
        known.report = report;
        self.shared.hub.meters.source_read(&self.table, "complete");
        self.shared
            .hub
            .meters
            .source_bad_rows(&self.table, known.report.bad);
        self.report(known, forgotten, Vec::new(), now).await
    }

    /// Follows rows, some at once. Returns those that are done with.
    async fn all(
        &self,
        app: AppNo,
        reader: &Arc<TableReader>,
        tasks: Vec<Task>,
        report: &mut SourceReport,
        now: UnixMs,
    ) -> Result<Vec<SeenRow>, StoreError> {
        let mut done = Vec::with_capacity(tasks.len());
        let mut running = JoinSet::new();
        let mut tasks = tasks.into_iter();
        loop {
            while running.len() < AT_ONCE
                && !self.shared.hub.is_stopping()
                && let Some(task) = tasks.next()
            {
                let (shared, reader) = (self.shared.clone(), reader.clone());
                running.spawn(async move {
                    let heeded = heed(&shared, app, &reader, &task, now).await;
                    heeded.map(|heeded| (task, heeded))
                });
            }
            let (task, heeded) = match running.join_next().await {
                None => return Ok(done),
                Some(Ok(ended)) => ended?,
                Some(Err(error)) if error.is_panic() => {
                    std::panic::resume_unwind(error.into_panic())
                }
                // The runtime ends.
                Some(Err(_)) => continue,
            };
            match heeded {
                Heeded::Changed => report.changed += 1,
                Heeded::Ended => report.ended += 1,
                Heeded::Over => report.over += 1,
                Heeded::Waits => report.waiting += 1,
                Heeded::Bad(why) => {
                    report.bad_row(task.id, &why);
                    continue;
                }
                Heeded::Later => continue,
            }
            done.push(SeenRow {
                id: task.id,
                hash: task.hash,
            });
        }
    }

    /// Ends the activities of rows that are gone. Returns those that are done with.
    async fn end_all(
        &self,
        app: AppNo,
        gone: Vec<String>,
        report: &mut SourceReport,
    ) -> Result<Vec<String>, StoreError> {
        let mut forgotten = Vec::with_capacity(gone.len());
        for id in gone {
            match end(&self.shared, app, &id).await? {
                Heeded::Ended => report.ended += 1,
                Heeded::Bad(why) => {
                    report.bad_row(id, &why);
                    continue;
                }
                Heeded::Later => continue,
                Heeded::Changed | Heeded::Over | Heeded::Waits => {}
            }
            forgotten.push(id);
        }
        Ok(forgotten)
    }

    async fn note(
        &self,
        known: &mut Known,
        rows: Vec<SeenRow>,
        now: UnixMs,
    ) -> Result<(), StoreError> {
        for some in rows.chunks(NOTED_AT_ONCE) {
            let note = SourceNote {
                seen: some.to_vec(),
                ..self.empty(known.app, now)
            };
            self.shared.hub.parts.store.note_source(note).await?;
        }
        known
            .rows
            .extend(rows.into_iter().map(|row| (row.id, row.hash)));
        Ok(())
    }

    /// Writes the report, what is told, and which rows are gone.
    async fn report(
        &self,
        known: &mut Known,
        gone: Vec<String>,
        events: Vec<NewEvent>,
        now: UnixMs,
    ) -> Result<(), StoreError> {
        let hub = &self.shared.hub;
        for some in gone.chunks(NOTED_AT_ONCE) {
            let note = SourceNote {
                gone: some.to_vec(),
                ..self.empty(known.app, now)
            };
            hub.parts.store.note_source(note).await?;
            for id in some {
                known.rows.remove(id);
            }
        }
        let is_news = !events.is_empty();
        let report = serde_json::to_string(&known.report);
        let note = SourceNote {
            report: Some(report.map_err(|error| StoreError::Failed(error.to_string()))?),
            events,
            ..self.empty(known.app, now)
        };
        hub.parts.store.note_source(note).await?;
        if is_news {
            hub.tell();
        }
        Ok(())
    }

    fn empty(&self, app: AppNo, now: UnixMs) -> SourceNote {
        SourceNote {
            app,
            source: self.table.name.clone(),
            seen: Vec::new(),
            gone: Vec::new(),
            report: None,
            events: Vec::new(),
            now,
        }
    }
}

/// Does what a row wants.
async fn heed(
    shared: &Arc<Shared>,
    app: AppNo,
    reader: &TableReader,
    task: &Task,
    now: UnixMs,
) -> Result<Heeded, StoreError> {
    let store = &shared.hub.parts.store;
    let stored = store.live_activity(app, task.id.clone()).await?;
    if stored.as_ref().is_some_and(|stored| stored.state.is_over()) {
        return Ok(Heeded::Over);
    }
    let seen_at = stored.as_ref().map_or(now, |stored| stored.created_at);
    let wish = match reader.wish(&task.cells, seen_at) {
        Ok(wish) => wish,
        Err(why) => return Ok(Heeded::Bad(why)),
    };
    let request = match wish {
        Wish::Wait => return Ok(Heeded::Waits),
        Wish::Run { request, ends_at } if ends_at.is_none_or(|at| at > now) => request,
        Wish::Run { .. } | Wish::End => {
            return match stored {
                Some(_) => end(shared, app, &task.id).await,
                None => Ok(Heeded::Over),
            };
        }
    };
    let put = shared.put_activity(app, &task.id, *request).await?;
    Ok(put.map_or_else(refused, |_| Heeded::Changed))
}

/// Ends an activity as its plan has it.
async fn end(shared: &Arc<Shared>, app: AppNo, id: &str) -> Result<Heeded, StoreError> {
    let ended = shared.end_activity(app, id, &EndRequest::default()).await?;
    Ok(ended.map_or_else(refused, |_| Heeded::Ended))
}

fn refused(refusal: ActivityRefusal) -> Heeded {
    match refusal {
        ActivityRefusal::Invalid(problems) => Heeded::Bad(in_words(&problems)),
        ActivityRefusal::Unknown | ActivityRefusal::Over(_) => Heeded::Over,
        ActivityRefusal::NotRecipient => Heeded::Bad("its device is not its recipient's".into()),
        ActivityRefusal::Contended | ActivityRefusal::Overloaded { .. } => Heeded::Later,
    }
}
