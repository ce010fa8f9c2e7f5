//! The writer thread: takes what waits, runs it in one transaction, commits, answers all, repeats.
//!
//! A group is first run without any net under the single commands. When one fails, the whole is
//! rolled back and run again with a savepoint around each, so that the failure stays its own. A full
//! disk fails the group's intake and lets the rest try once more (pruning may make room). Any other
//! I/O error poisons the store: nothing is written any more, and the server is told to stop.

use crate::error::{Done, Fault};
use crate::lock::{LockFile, beside};
use crate::marks::Marks;
use crate::queue::{Class, Job, Queue};
use carillon_ports::store::{Result, StoreError};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::sync::watch;

/// What a command sees of the transaction it runs in.
pub(crate) struct Tx<'c> {
    pub(crate) conn: &'c Connection,
    pub(crate) marks: &'c mut Marks,
    pub(crate) epoch: i64,
    seqs: &'c AtomicI64,
}

impl Tx<'_> {
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
    /// Set once, to the reason, when nothing may be written any more.
    pub(crate) fatal: watch::Sender<Option<String>>,
    pub(crate) lock: LockFile,
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
        while let Some(group) = self.queue.next_group() {
            self.commit(group);
        }
        if self.fatal.borrow().is_none()
            && let Err(error) = self.conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        {
            tracing::warn!(%error, "the last checkpoint failed; the next start repeats it");
        }
        drop(self.conn);
        drop(self.lock);
    }

    fn commit(&mut self, mut group: Vec<Box<dyn Job>>) {
        if let Some(reason) = self.fatal.borrow().clone() {
            return answer_all(group, &StoreError::Failed(reason));
        }
        let stop = match self.attempt(&mut group) {
            Ok(()) => return answer_all_ok(group),
            Err(stop) => stop,
        };
        match stop {
            Stop::Job(StoreError::DiskFull) | Stop::Group(StoreError::DiskFull) => {
                self.without_room(group);
            }
            Stop::Job(..) => self.commit_one_by_one(group),
            Stop::Group(error) => answer_all(group, &error),
            Stop::Io(text) if self.is_full() => {
                tracing::warn!(error = text, "the disk is full");
                self.without_room(group);
            }
            Stop::Io(text) => self.poison(text, group),
        }
    }

    /// Runs the group, each command in a savepoint of its own.
    fn commit_one_by_one(&mut self, mut group: Vec<Box<dyn Job>>) {
        let mut failed: Vec<Option<StoreError>> = vec![None; group.len()];
        match self.attempt_with_savepoints(&mut group, &mut failed) {
            Ok(()) => {
                for (job, failure) in group.into_iter().zip(failed) {
                    job.answer(failure.map_or(Ok(()), Err));
                }
            }
            Err(Stop::Io(text)) if !self.is_full() => self.poison(text, group),
            Err(Stop::Io(_)) => answer_all(group, &StoreError::DiskFull),
            Err(Stop::Job(error) | Stop::Group(error)) => answer_all(group, &error),
        }
    }

    /// No room on the disk: intake is refused, and the rest tries once more after the log was copied
    /// into the database, which lets the log be written from its beginning again.
    fn without_room(&mut self, group: Vec<Box<dyn Job>>) {
        let (intake, rest): (Vec<_>, Vec<_>) = group
            .into_iter()
            .partition(|job| job.class() == Class::Intake);
        answer_all(intake, &StoreError::DiskFull);
        if let Err(error) = self.conn.execute_batch("PRAGMA wal_checkpoint(PASSIVE)") {
            tracing::debug!(%error, "no room for a checkpoint either");
        }
        if !rest.is_empty() {
            self.commit_one_by_one(rest);
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
                exec(tx.conn, "SAVEPOINT job")?;
                match job.run(tx) {
                    Ok(()) => exec(tx.conn, "RELEASE job")?,
                    Err(Fault::Io(text)) => return Err(Stop::Io(text)),
                    Err(Fault::Store(StoreError::DiskFull)) => {
                        return Err(Stop::Group(StoreError::DiskFull));
                    }
                    Err(Fault::Store(error)) => {
                        exec(tx.conn, "ROLLBACK TO job; RELEASE job")?;
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
        exec(&self.conn, "BEGIN IMMEDIATE")?;
        let mut tx = Tx {
            conn: &self.conn,
            marks: &mut self.marks,
            epoch: self.epoch,
            seqs: &self.seqs,
        };
        let result = run(&mut tx).and_then(|()| exec(&self.conn, "COMMIT"));
        // SQLite has rolled back by itself after some errors, and not after others.
        if result.is_err()
            && !self.conn.is_autocommit()
            && let Err(error) = self.conn.execute_batch("ROLLBACK")
        {
            tracing::warn!(%error, "rollback failed");
        }
        result
    }

    /// Whether there is no room for the files to grow: SQLite calls a file-size limit and a quota
    /// plain I/O errors, so this tries to write as far out as the larger of them reaches.
    fn is_full(&self) -> bool {
        probe_room(&self.path).is_err_and(|error| {
            use std::io::ErrorKind as K;
            matches!(
                error.kind(),
                K::StorageFull | K::QuotaExceeded | K::FileTooLarge
            )
        })
    }

    fn poison(&self, text: String, group: Vec<Box<dyn Job>>) {
        tracing::error!(
            error = text,
            "writing the database failed: nothing is written any more"
        );
        let reason = format!("writing the database failed ({text}): nothing is written any more");
        self.fatal.send_replace(Some(reason.clone()));
        answer_all(group, &StoreError::Failed(reason));
    }
}

fn exec(conn: &Connection, sql: &str) -> std::result::Result<(), Stop> {
    conn.execute_batch(sql)
        .map_err(|error| match Fault::from(error) {
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

/// Tries to write where the database and its log end.
fn probe_room(path: &Path) -> std::io::Result<()> {
    use std::io::{Seek, SeekFrom, Write};
    let probe = beside(path, ".probe");
    let end = [path.to_owned(), beside(path, "-wal")]
        .iter()
        .filter_map(|file| std::fs::metadata(file).ok())
        .map(|found| found.len())
        .max()
        .unwrap_or(0);
    let mut file = crate::lock::private(
        std::fs::OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true),
    )
    .open(&probe)?;
    let result = file
        .seek(SeekFrom::Start(end))
        .and_then(|_| file.write_all(&[0; 1 << 16]))
        .and_then(|()| file.sync_data());
    drop(file);
    std::fs::remove_file(&probe)?;
    result
}

/// What `?` in commands needs to see.
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
