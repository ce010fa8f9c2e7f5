//! Copying the write-ahead log into the database, beside the writer.
//!
//! SQLite would do it inside the commit that makes the log too long, and everybody would wait for
//! tens of megabytes. Here a thread of its own copies the bulk while the writer goes on, then once
//! more the little that came meanwhile; the writer itself copies only the last few pages between two
//! commits, after which the log begins anew.

use crate::error::Fault;
use crate::sqlite::disk::is_full;
use carillon_ports::store::StoreError;
use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use tokio::sync::watch;

/// Rounds of the thread: the second one has little left, and leaves next to nothing.
const ROUNDS: usize = 2;

/// What the writer and the thread tell each other.
#[derive(Debug, Default)]
pub(crate) struct Checkpoints {
    /// Pages in the log after the last commit.
    pages: AtomicU32,
    /// From how many on the thread is asked.
    threshold: u32,
    /// The thread is done: the writer's turn.
    rest: AtomicBool,
    wanted: Mutex<Wanted>,
    came: Condvar,
}

#[derive(Debug, Default)]
struct Wanted {
    now: bool,
    /// Not asked again before so many pages: a reader may keep the log from beginning anew.
    next: u32,
    closed: bool,
}

impl Checkpoints {
    pub(crate) fn new(threshold: u32) -> Self {
        Self {
            threshold: threshold.max(1),
            ..Self::default()
        }
    }

    /// A commit left so many pages in the log.
    pub(crate) fn note(&self, pages: u32) {
        self.pages.store(pages, Ordering::Relaxed);
    }

    /// The writer's part, between two groups.
    pub(crate) fn tend(&self, writer: &Connection) -> Result<(), Fault> {
        if self.rest.swap(false, Ordering::AcqRel) {
            return copy(writer);
        }
        let pages = self.pages.load(Ordering::Relaxed);
        if pages < self.threshold {
            return Ok(());
        }
        let mut wanted = self.wanted.lock();
        if wanted.next > pages + self.threshold {
            // The log began anew since the last time.
            wanted.next = 0;
        }
        if !wanted.now && pages >= wanted.next {
            wanted.now = true;
            wanted.next = pages.saturating_add(self.threshold / 4);
            drop(wanted);
            self.came.notify_one();
        }
        Ok(())
    }

    /// The thread's part; ends when closed.
    pub(crate) fn serve(
        &self,
        conn: &Connection,
        path: &Path,
        fatal: &watch::Sender<Option<String>>,
    ) {
        while self.wait() {
            for _ in 0..ROUNDS {
                match copy(conn) {
                    Ok(()) => {}
                    Err(Fault::Io(text)) if is_full(path) => {
                        tracing::warn!(error = text, "no room for a checkpoint");
                    }
                    Err(Fault::Io(text)) => {
                        tracing::error!(error = text, "a checkpoint failed");
                        fatal.send_replace(Some(format!(
                            "writing the database failed ({text}): nothing is written any more"
                        )));
                    }
                    // The pages stay in the log, where they are safe.
                    Err(fault) => {
                        tracing::warn!(error = %StoreError::from(fault), "checkpoint put off")
                    }
                }
            }
            self.rest.store(true, Ordering::Release);
            self.wanted.lock().now = false;
        }
    }

    fn wait(&self) -> bool {
        let mut wanted = self.wanted.lock();
        while !wanted.now && !wanted.closed {
            self.came.wait(&mut wanted);
        }
        !wanted.closed
    }

    /// No more after the one that runs.
    pub(crate) fn close(&self) {
        self.wanted.lock().closed = true;
        self.came.notify_one();
    }
}

/// Copies what can be copied without waiting for anybody.
fn copy(conn: &Connection) -> Result<(), Fault> {
    conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
    Ok(())
}
