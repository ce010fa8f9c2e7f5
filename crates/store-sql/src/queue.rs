//! What waits for the writer, in four classes. Intake goes first in a group and pruning last, but
//! each class has its share of every group, so none starves.

use crate::error::{Done, Fault};
use crate::writer::Tx;
use carillon_ports::store::{Result, StoreError};
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

/// Who goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Intake = 0,
    Settle = 1,
    Fanout = 2,
    Prune = 3,
}

/// Most rows of each class in one group: about 5,000 in all, some 20 ms of work.
const SHARES: [u32; 4] = [2_500, 2_500, 500, 1];

/// How long the writer has nothing to do before it gives its memory back.
const IDLE: Duration = Duration::from_millis(500);

/// A command that waits: may be run more than once until its transaction commits.
pub(crate) trait Job: Send {
    /// About how many rows it writes.
    fn weight(&self) -> u32;
    /// Which class.
    fn class(&self) -> Class;
    /// Runs it inside the group's transaction.
    fn run(&mut self, tx: &mut Tx<'_>) -> Done<()>;
    /// Answers: what it returned, when its transaction is on disk, else why not.
    fn answer(self: Box<Self>, end: Result<()>);
}

/// A command made of a function.
pub(crate) struct Call<T, F> {
    pub(crate) class: Class,
    pub(crate) weight: u32,
    pub(crate) run: F,
    pub(crate) value: Option<T>,
    pub(crate) reply: oneshot::Sender<Result<T>>,
    pub(crate) room: Option<OwnedSemaphorePermit>,
}

impl<T: Send, F: FnMut(&mut Tx<'_>) -> Done<T> + Send> Job for Call<T, F> {
    fn weight(&self) -> u32 {
        self.weight
    }

    fn class(&self) -> Class {
        self.class
    }

    fn run(&mut self, tx: &mut Tx<'_>) -> Done<()> {
        self.value = None;
        let value = catch_unwind(AssertUnwindSafe(|| (self.run)(tx))).unwrap_or_else(|_| {
            Err(Fault::Store(StoreError::Failed(
                "a store command panicked; the log has the place".into(),
            )))
        })?;
        self.value = Some(value);
        Ok(())
    }

    fn answer(self: Box<Self>, end: Result<()>) {
        let Self {
            value, reply, room, ..
        } = *self;
        drop(room);
        let answer = end.and_then(|()| value.ok_or(StoreError::Closed));
        // Whoever asked may have gone away; what was committed stays.
        let _ = reply.send(answer);
    }
}

/// The queue between callers and the writer. Callers bound it by permits before they push.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    came: Condvar,
}

#[derive(Default)]
struct Waiting {
    classes: [VecDeque<Box<dyn Job>>; 4],
    closed: bool,
}

impl Queue {
    /// Appends; gives the job back when the queue is closed.
    pub(crate) fn push(&self, job: Box<dyn Job>) -> std::result::Result<(), Box<dyn Job>> {
        let mut waiting = self.waiting.lock();
        if waiting.closed {
            return Err(job);
        }
        waiting.classes[job.class() as usize].push_back(job);
        drop(waiting);
        self.came.notify_one();
        Ok(())
    }

    /// The next group, in order; waits for one, and calls `idle` once when that takes longer than
    /// [`IDLE`]. `None`: closed and empty.
    pub(crate) fn next_group(&self, idle: impl FnOnce()) -> Option<Vec<Box<dyn Job>>> {
        let mut waiting = self.waiting.lock();
        let mut idle = Some(idle);
        while waiting.classes.iter().all(VecDeque::is_empty) {
            if waiting.closed {
                return None;
            }
            if idle.is_none() {
                self.came.wait(&mut waiting);
            } else if self.came.wait_for(&mut waiting, IDLE).timed_out()
                && let Some(idle) = idle.take()
            {
                MutexGuard::unlocked(&mut waiting, idle);
            }
        }
        let mut group = Vec::new();
        for (class, share) in waiting.classes.iter_mut().zip(SHARES) {
            let mut weight = 0;
            while weight < share
                && let Some(job) = class.pop_front()
            {
                weight += job.weight().max(1);
                group.push(job);
            }
        }
        Some(group)
    }

    /// Waits so long, or until it is closed. Says whether it is.
    pub(crate) fn is_closed_after(&self, pause: Duration) -> bool {
        let until = (Instant::now() + pause).into_std();
        let mut waiting = self.waiting.lock();
        // What comes in meanwhile ends the waiting as well, but not the pause.
        while !waiting.closed && !self.came.wait_until(&mut waiting, until).timed_out() {}
        waiting.closed
    }

    /// Nothing comes in any more; what waits is still done.
    pub(crate) fn close(&self) {
        self.waiting.lock().closed = true;
        self.came.notify_all();
    }
}
