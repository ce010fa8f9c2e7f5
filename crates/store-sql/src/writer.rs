//! The writer thread: takes what waits, runs it in one transaction, commits, answers all, repeats.
//!
//! A group is first run without any net under the single commands. When one fails, the whole is
//! rolled back and run again with a savepoint around each, so that the failure stays its own. A full
//! disk fails the group's intake and lets the rest try once more (pruning may make room). Any other
//! I/O error poisons the store: nothing is written any more, and the server is told to stop.

use crate::db::{self, Connection, Statement as Prepared, Step};
use crate::error::{Done, Fault};
use crate::home::{Home, Stop};
use crate::instances;
use crate::marks::Marks;
use crate::numbers::Numbers;
use crate::queue::{Class, Job, Queue};
use crate::server::Gone;
use crate::statements::{Statement, Statements};
use carillon_ports::store::{Result, StoreError};
use carillon_ports::upkeep::Upkeep;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::sync::watch;

/// Why a process may not write any more whose row is gone.
pub(crate) const GIVEN_UP: &str = "this process was given up by the others, because they did not hear of it for too long; its work is theirs now";

/// How often a group is run again whose connection was lost each time.
const RERUNS: u32 = 3;

/// What a command sees of the transaction it runs in.
pub(crate) struct Tx<'c> {
    pub(crate) conn: &'c Connection,
    pub(crate) marks: &'c mut Marks,
    pub(crate) epoch: i64,
    pub(crate) numbers: &'c Numbers,
    /// To be set where this process takes its row away.
    pub(crate) has_left: &'c mut bool,
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
    pub(crate) home: Home,
    pub(crate) marks: Marks,
    pub(crate) epoch: i64,
    /// On a server: the number, among all processes', of the transaction that was committed last.
    pub(crate) seen: i64,
    /// On a server: how many of its own were tried.
    pub(crate) commits: i64,
    /// This process has taken its row away.
    pub(crate) has_left: bool,
    pub(crate) numbers: Arc<Numbers>,
    pub(crate) seqs: Arc<AtomicI64>,
    pub(crate) queue: Arc<Queue>,
    /// Set once, to the reason, when nothing may be written any more.
    pub(crate) fatal: Arc<watch::Sender<Option<String>>>,
    pub(crate) upkeep: Upkeep,
}

/// What becomes of a group that waits for its commit.
type Group = Vec<Box<dyn Job>>;

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
        let is_whole = self.fatal.borrow().is_none();
        if is_whole && self.conn.session().is_some() && !self.has_left {
            // The others need not find out by themselves. If that fails, they will.
            let left = self.transaction(|tx| instances::leave(tx).map_err(Stop::of_group));
            if left.is_err() {
                tracing::debug!("the others were not told that this process ends");
            }
        }
        self.home.close(self.conn, is_whole);
    }

    fn rest(&self) {
        self.home.rest(&self.conn);
        self.upkeep.once();
    }

    fn commit(&mut self, group: Group) {
        if let Some(reason) = self.fatal.borrow().clone() {
            return answer_all(group, &StoreError::Failed(reason));
        }
        let has_intake = group.iter().any(|job| job.class() == Class::Intake);
        match self.home.has_room(&self.conn, has_intake) {
            Ok(true) => self.commit_group(group, false),
            Ok(false) => self.without_intake(group),
            Err(error) => answer_all(group, &StoreError::from(Fault::from(error))),
        }
    }

    /// Runs the group until it is committed or refused; `each`: with a savepoint for each command, so that the failure of
    /// one stays its own.
    fn commit_group(&mut self, mut group: Group, mut each: bool) {
        let mut failed: Vec<Option<StoreError>> = vec![None; group.len()];
        let mut losses = 0;
        loop {
            failed.fill(None);
            let tried = if each {
                self.attempt_with_savepoints(&mut group, &mut failed)
            } else {
                self.attempt(&mut group)
            };
            let Err(stop) = tried else {
                return self.committed(group, failed);
            };
            match self.home.sort(stop) {
                Stop::Job(StoreError::DiskFull) | Stop::Group(StoreError::DiskFull) if !each => {
                    return self.without_room(group);
                }
                Stop::Job(..) if !each => each = true,
                Stop::Job(error) | Stop::Group(error) => return answer_all(group, &error),
                Stop::Io(text) => return self.poison(&text, group),
                Stop::Lost { text, is_in_doubt } => {
                    losses += 1;
                    match self.regain(&text, is_in_doubt) {
                        Ok(true) => return self.committed(group, failed),
                        Ok(false) if losses <= RERUNS => {}
                        Ok(false) => return answer_all(group, &StoreError::Away(text)),
                        Err(Gone::Away(text)) => return answer_all(group, &StoreError::Away(text)),
                        Err(Gone::ForGood(text)) => return self.poison(&text, group),
                    }
                }
            }
        }
    }

    fn committed(&self, group: Group, failed: Vec<Option<StoreError>>) {
        for (job, failure) in group.into_iter().zip(failed) {
            job.answer(failure.map_or(Ok(()), Err));
        }
        if let Err(text) = self.home.tend(&self.conn) {
            self.stop(&text);
        }
    }

    /// Renews the connection. Says whether the last transaction was committed after all. What is in doubt must be told
    /// from what is not: if it cannot be, nothing may go on, and a new start finds out.
    fn regain(&mut self, text: &str, is_in_doubt: bool) -> std::result::Result<bool, Gone> {
        let Home::Server(place) = &mut self.home else {
            return Err(Gone::ForGood(text.to_owned()));
        };
        tracing::warn!(
            error = text,
            is_in_doubt,
            "the connection to the database is lost"
        );
        match place.regain(&self.conn, self.epoch, &self.queue) {
            Ok(regained) => {
                let prune_phase = self.marks.prune_phase;
                self.marks = Marks {
                    prune_phase,
                    ..regained.marks
                };
                Ok(is_in_doubt && regained.commits == self.commits)
            }
            Err(Gone::Away(text)) if is_in_doubt => Err(Gone::ForGood(format!(
                "the connection was lost during a commit, and the database did not come back to tell whether it was made: {text}"
            ))),
            Err(gone) => Err(gone),
        }
    }

    /// No room on the disk. Some is made where that can be, and the group is tried once more; if that was not it,
    /// intake is refused and the rest goes on alone: pruning makes room.
    fn without_room(&mut self, mut group: Group) {
        self.home.make_room(&self.conn);
        if self.attempt(&mut group).is_ok() {
            let failed = vec![None; group.len()];
            return self.committed(group, failed);
        }
        self.without_intake(group);
    }

    fn without_intake(&mut self, group: Group) {
        let (intake, rest): (Vec<_>, Vec<_>) = group
            .into_iter()
            .partition(|job| job.class() == Class::Intake);
        answer_all(intake, &StoreError::DiskFull);
        if rest.is_empty() {
            return;
        }
        match self.home.has_room(&self.conn, false) {
            Ok(_) => self.commit_group(rest, true),
            Err(error) => answer_all(rest, &StoreError::from(Fault::from(error))),
        }
    }

    fn attempt(&mut self, group: &mut [Box<dyn Job>]) -> std::result::Result<(), Stop> {
        let before = self.marks;
        let result = self.transaction(|tx| {
            for job in group.iter_mut() {
                job.run(tx).map_err(Stop::of_job)?;
                tx.conn.end_ahead();
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
                // A server may tell only now of what it was sent before.
                tx.conn.end_ahead();
                let done = job.run(tx).and_then(|()| Ok(tx.conn.step(Step::Release)?));
                match done {
                    Ok(()) => {}
                    Err(Fault::Store(error)) => {
                        // A full disk may have ended the transaction; then there is nothing to go on with.
                        if tx.conn.is_autocommit() {
                            return Err(Stop::Group(error));
                        }
                        step(tx.conn, Step::Undo)?;
                        *tx.marks = marks;
                        *failure = Some(error);
                    }
                    Err(fault) => return Err(Stop::of_group(fault)),
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
        let result = self.inside(run);
        // SQLite has rolled back by itself after some errors, and not after others.
        if result.is_err()
            && !self.conn.is_autocommit()
            && let Err(error) = self.conn.step(Step::Rollback)
        {
            tracing::warn!(%error, "rollback failed");
        }
        result
    }

    fn inside(
        &mut self,
        run: impl FnOnce(&mut Tx<'_>) -> std::result::Result<(), Stop>,
    ) -> std::result::Result<(), Stop> {
        let is_shared = self.conn.session().is_some();
        let turn = if is_shared { Some(self.turn()?) } else { None };
        let before = self.marks;
        let block = if self.numbers.is_short() {
            let block = self.marks.notification.reserve(&self.conn);
            Some(block.map_err(Stop::of_group)?)
        } else {
            None
        };
        let mut tx = Tx {
            conn: &self.conn,
            marks: &mut self.marks,
            epoch: self.epoch,
            numbers: &self.numbers,
            has_left: &mut self.has_left,
            seqs: &self.seqs,
            statements: Statements::default(),
        };
        run(&mut tx)?;
        drop(tx);
        if is_shared {
            self.commits += 1;
            let told = self
                .marks
                .tell_last(&self.conn, &before)
                .and_then(|()| instances::commits(&self.conn, self.epoch, self.commits));
            told.map_err(Stop::of_group)?;
            // The commit goes alone: a connection that ends before it leaves no doubt.
            let sent = self.conn.flush();
            sent.map_err(|error| Stop::of_job(error.into()))?;
        }
        step(&self.conn, Step::Commit).map_err(|stop| match stop {
            Stop::Lost { text, .. } => Stop::Lost {
                text,
                is_in_doubt: true,
            },
            stop => stop,
        })?;
        self.seen = turn.unwrap_or(self.seen);
        if let Some(block) = block {
            self.numbers.add(block);
        }
        Ok(())
    }

    /// Takes a turn among all processes that write, and goes on behind those who came in between.
    fn turn(&mut self) -> std::result::Result<i64, Stop> {
        let turn = instances::turn(&self.conn, self.epoch).map_err(Stop::of_group)?;
        if !turn.lives {
            return Err(if self.has_left {
                Stop::Group(StoreError::Closed)
            } else {
                Stop::Io(GIVEN_UP.into())
            });
        }
        if turn.number != self.seen + 1 {
            let caught_up = self.marks.catch_up(&self.conn);
            caught_up.map_err(Stop::of_group)?;
        }
        Ok(turn.number)
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

    fn poison(&self, text: &str, group: Group) {
        let reason = self.stop(text);
        answer_all(group, &StoreError::Failed(reason));
    }
}

fn step(conn: &Connection, step: Step) -> std::result::Result<(), Stop> {
    conn.step(step)
        .map_err(|error| Stop::of_group(error.into()))
}

fn answer_all(group: Group, error: &StoreError) {
    for job in group {
        job.answer(Err(error.clone()));
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
