//! The writer thread: takes what waits, runs it in one transaction, commits, answers all, repeats.
//!
//! A group is first run without any net under the single commands. When one fails, the whole is
//! rolled back and run again with a savepoint around each, so that the failure stays its own. A full
//! disk fails the group's intake and lets the rest try once more (pruning may make room). Any other
//! I/O error poisons the store: nothing is written any more, and the server is told to stop.

use crate::checkpoint::Checkpoints;
use crate::db::{self, Connection, Statement as Prepared, Step};
use crate::disk::{Bounds, is_full};
use crate::error::{Done, Fault};
use crate::lock::LockFile;
use crate::marks::Marks;
use crate::queue::{Class, Job, Queue};
use crate::statements::{Statement, Statements};
use carillon_ports::store::{Result, StoreError};
use carillon_ports::upkeep::Upkeep;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::Receiver;
use tokio::sync::watch;

/// What a command sees of the transaction it runs in.
pub(crate) struct Tx<'c> {
    pub(crate) conn: &'c Connection,
    pub(crate) marks: &'c mut Marks,
    pub(crate) epoch: i64,
    seqs: &'c AtomicI64,
    statements: Statements<'c>,
}

impl<'c> Tx<'c> {
    /// A statement of the hot path.
    pub(crate) fn statement(&mut self, which: Statement) -> db::Result<&mut Prepared<'c>> {
        self.statements.get(self.conn, which)
    }

    /// A number that is unique over all epochs.
    pub(crate) fn next_seq(&self) -> i64 {
        self.seqs.fetch_add(1, Ordering::Relaxed)
    }
}

/// The writer.
pub(crate) struct Writer {
    pub(crate) conn: Connection,
    pub(crate) marks: Marks,
    pub(crate) epoch: i64,
    pub(crate) seqs: Arc<AtomicI64>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) path: PathBuf,
    pub(crate) bounds: Bounds,
    /// Set once, to the reason, when nothing may be written any more.
    pub(crate) fatal: Arc<watch::Sender<Option<String>>>,
    pub(crate) checkpoints: Arc<Checkpoints>,
    /// Says that the other threads, and with them their connections, are gone: the last one to close
    /// must be one that can write, so that it leaves no log behind.
    pub(crate) others: Receiver<()>,
    pub(crate) lock: LockFile,
    pub(crate) upkeep: Upkeep,
}

/// Why a group did not commit.
enum Stop {
    /// One job failed; the others may go on without it.
    Job(StoreError),
    /// All of it.
    Group(StoreError),
    /// All of it, and everything after it.
    Io(String),
}

impl Writer {
    /// Serves until the queue is closed and empty.
    pub(crate) fn serve(mut self) {
        let queue = self.queue.clone();
        while let Some(group) = queue.next_group(|| self.rest()) {
            // A panic here is a bug of ours: whoever waits is told that the store is gone.
            if catch_unwind(AssertUnwindSafe(|| self.commit(group))).is_err() {
                self.stop("the writer panicked; the log has the place");
            }
        }
        self.checkpoints.close();
        // Nothing is ever sent: an error is what this waits for.
        let _ = self.others.recv();
        if self.fatal.borrow().is_none()
            && let Err(error) = self
                .conn
                .sqlite()
                .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        {
            tracing::warn!(%error, "the last checkpoint failed; the next start repeats it");
        }
        drop(self.conn);
        drop(self.lock);
    }

    /// Nothing to do: what the page cache and the heap hold from the last load goes back.
    fn rest(&self) {
        if let Err(error) = self.conn.sqlite().execute_batch("PRAGMA shrink_memory") {
            tracing::debug!(%error, "could not give the page cache back");
        }
        self.upkeep.once();
    }

    fn commit(&mut self, mut group: Vec<Box<dyn Job>>) {
        if let Some(reason) = self.fatal.borrow().clone() {
            return answer_all(group, &StoreError::Failed(reason));
        }
        let room = if group.iter().any(|job| job.class() == Class::Intake) {
            self.bounds.for_intake(self.conn.sqlite())
        } else {
            self.bounds.for_others(self.conn.sqlite()).map(|()| true)
        };
        match room {
            Ok(true) => {}
            Ok(false) => return self.without_intake(group),
            Err(error) => return answer_all(group, &StoreError::from(Fault::from(error))),
        }
        let stop = match self.attempt(&mut group) {
            Ok(()) => {
                answer_all_ok(group);
                return self.tend_log();
            }
            Err(stop) => stop,
        };
        match self.sort(stop) {
            Stop::Job(StoreError::DiskFull) | Stop::Group(StoreError::DiskFull) => {
                self.without_room(group);
            }
            Stop::Job(..) => self.commit_one_by_one(group),
            Stop::Group(error) => answer_all(group, &error),
            Stop::Io(text) => self.poison(&text, group),
        }
    }

    /// What SQLite calls an I/O error may be a full disk.
    fn sort(&self, stop: Stop) -> Stop {
        match stop {
            Stop::Io(text) if is_full(&self.path) => {
                tracing::warn!(error = text, "the disk is full");
                Stop::Group(StoreError::DiskFull)
            }
            other => other,
        }
    }

    /// Runs the group, each command in a savepoint of its own.
    fn commit_one_by_one(&mut self, mut group: Vec<Box<dyn Job>>) {
        let mut failed: Vec<Option<StoreError>> = vec![None; group.len()];
        let stop = match self.attempt_with_savepoints(&mut group, &mut failed) {
            Ok(()) => {
                for (job, failure) in group.into_iter().zip(failed) {
                    job.answer(failure.map_or(Ok(()), Err));
                }
                return;
            }
            Err(stop) => stop,
        };
        match self.sort(stop) {
            Stop::Job(error) | Stop::Group(error) => answer_all(group, &error),
            Stop::Io(text) => self.poison(&text, group),
        }
    }

    /// No room on the disk. The log is copied into the database, so that it can be written from its
    /// beginning again, and the group is tried once more; if that was not it, intake is refused and the
    /// rest goes on alone: pruning makes room.
    fn without_room(&mut self, mut group: Vec<Box<dyn Job>>) {
        if let Err(error) = self
            .conn
            .sqlite()
            .execute_batch("PRAGMA wal_checkpoint(PASSIVE)")
        {
            tracing::debug!(%error, "no room for a checkpoint either");
        }
        if self.attempt(&mut group).is_ok() {
            return answer_all_ok(group);
        }
        self.without_intake(group);
    }

    fn without_intake(&mut self, group: Vec<Box<dyn Job>>) {
        let (intake, rest): (Vec<_>, Vec<_>) = group
            .into_iter()
            .partition(|job| job.class() == Class::Intake);
        answer_all(intake, &StoreError::DiskFull);
        if rest.is_empty() {
            return;
        }
        match self.bounds.for_others(self.conn.sqlite()) {
            Ok(()) => self.commit_one_by_one(rest),
            Err(error) => answer_all(rest, &StoreError::from(Fault::from(error))),
        }
    }

    fn attempt(&mut self, group: &mut [Box<dyn Job>]) -> std::result::Result<(), Stop> {
        let before = self.marks;
        let result = self.transaction(|tx| {
            for job in group.iter_mut() {
                job.run(tx).map_err(|fault| match fault {
                    Fault::Store(error) => Stop::Job(error),
                    Fault::Io(text) => Stop::Io(text),
                })?;
            }
            Ok(())
        });
        if result.is_err() {
            self.marks = before;
        }
        result
    }

    fn attempt_with_savepoints(
        &mut self,
        group: &mut [Box<dyn Job>],
        failed: &mut [Option<StoreError>],
    ) -> std::result::Result<(), Stop> {
        let before = self.marks;
        let result = self.transaction(|tx| {
            for (job, failure) in group.iter_mut().zip(failed) {
                let marks = *tx.marks;
                step(tx.conn, Step::Savepoint)?;
                match job.run(tx) {
                    Ok(()) => step(tx.conn, Step::Release)?,
                    Err(Fault::Io(text)) => return Err(Stop::Io(text)),
                    // A full disk may have ended the transaction; then there is nothing to go on with.
                    Err(Fault::Store(error)) if tx.conn.is_autocommit() => {
                        return Err(Stop::Group(error));
                    }
                    Err(Fault::Store(error)) => {
                        step(tx.conn, Step::Undo)?;
                        *tx.marks = marks;
                        *failure = Some(error);
                    }
                }
            }
            Ok(())
        });
        if result.is_err() {
            self.marks = before;
        }
        result
    }

    fn transaction(
        &mut self,
        run: impl FnOnce(&mut Tx<'_>) -> std::result::Result<(), Stop>,
    ) -> std::result::Result<(), Stop> {
        step(&self.conn, Step::BeginWriting)?;
        let mut tx = Tx {
            conn: &self.conn,
            marks: &mut self.marks,
            epoch: self.epoch,
            seqs: &self.seqs,
            statements: Statements::default(),
        };
        let result = run(&mut tx).and_then(|()| step(&self.conn, Step::Commit));
        // SQLite has rolled back by itself after some errors, and not after others.
        if result.is_err()
            && !self.conn.is_autocommit()
            && let Err(error) = self.conn.step(Step::Rollback)
        {
            tracing::warn!(%error, "rollback failed");
        }
        result
    }

    fn tend_log(&self) {
        match self.checkpoints.tend(self.conn.sqlite()) {
            Ok(()) => {}
            Err(Fault::Store(error)) => tracing::warn!(%error, "checkpoint put off"),
            Err(Fault::Io(text)) if is_full(&self.path) => {
                tracing::warn!(error = text, "no room for a checkpoint");
            }
            Err(Fault::Io(text)) => drop(self.stop(&text)),
        }
    }

    /// Nothing is written any more. Returns the sentence that says so.
    fn stop(&self, text: &str) -> String {
        tracing::error!(
            error = text,
            "writing the database failed: nothing is written any more"
        );
        let reason = format!("writing the database failed ({text}): nothing is written any more");
        self.fatal.send_replace(Some(reason.clone()));
        reason
    }

    fn poison(&self, text: &str, group: Vec<Box<dyn Job>>) {
        let reason = self.stop(text);
        answer_all(group, &StoreError::Failed(reason));
    }
}

fn step(conn: &Connection, step: Step) -> std::result::Result<(), Stop> {
    conn.step(step).map_err(|error| match Fault::from(error) {
        Fault::Store(error) => Stop::Group(error),
        Fault::Io(text) => Stop::Io(text),
    })
}

fn answer_all(group: Vec<Box<dyn Job>>, error: &StoreError) {
    for job in group {
        job.answer(Err(error.clone()));
    }
}

fn answer_all_ok(group: Vec<Box<dyn Job>>) {
    for job in group {
        job.answer(Ok(()));
    }
}

/// A write that changes nothing of anybody's.
pub(crate) fn ping(tx: &mut Tx<'_>) -> Done<()> {
    let epoch = tx.epoch;
    crate::marks::write_meta(tx.conn, "pinged_by", epoch)
}

/// Turns what a thread's end means into an answer.
pub(crate) fn closed<T>(
    received: std::result::Result<Result<T>, tokio::sync::oneshot::error::RecvError>,
) -> Result<T> {
    received.unwrap_or(Err(StoreError::Closed))
}
