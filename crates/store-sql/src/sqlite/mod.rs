//! What only SQLite has: a file, with a lock beside it, a log that is copied into it, and a disk that may be full.

pub(crate) mod backup;
pub(crate) mod checkpoint;
pub(crate) mod config;
pub(crate) mod disk;
pub(crate) mod lock;
pub(crate) mod open;

use crate::db::{self, Connection};
use crate::error::Fault;
use crate::home::Stop;
use carillon_ports::store::StoreError;
use checkpoint::Checkpoints;
use disk::{Bounds, is_full};
use lock::LockFile;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

/// What the writer does about the file, beside writing.
pub(crate) struct File {
    pub(crate) path: PathBuf,
    pub(crate) bounds: Bounds,
    pub(crate) checkpoints: Arc<Checkpoints>,
    /// Says that the other threads, and with them their connections, are gone: the last one to close
    /// must be one that can write, so that it leaves no log behind.
    pub(crate) others: Receiver<()>,
    pub(crate) lock: LockFile,
}

impl File {
    /// Before a group: whether there is room for it.
    pub(crate) fn has_room(&mut self, conn: &Connection, has_intake: bool) -> db::Result<bool> {
        let Some(conn) = conn.sqlite() else {
            return Ok(true);
        };
        if has_intake {
            return Ok(self.bounds.for_intake(conn)?);
        }
        self.bounds.for_others(conn)?;
        Ok(true)
    }

    /// What SQLite calls an I/O error may be a full disk.
    pub(crate) fn sort(&self, stop: Stop) -> Stop {
        match stop {
            Stop::Io(text) if is_full(&self.path) => {
                tracing::warn!(error = text, "the disk is full");
                Stop::Group(StoreError::DiskFull)
            }
            other => other,
        }
    }

    /// No room on the disk: copies the log into the database, so that it can be written from its beginning again.
    pub(crate) fn make_room(&self, conn: &Connection) {
        if let Some(conn) = conn.sqlite()
            && let Err(error) = conn.execute_batch("PRAGMA wal_checkpoint(PASSIVE)")
        {
            tracing::debug!(%error, "no room for a checkpoint either");
        }
    }

    /// After a group. An error is one after which nothing may be written.
    pub(crate) fn tend(&self, conn: &Connection) -> Result<(), String> {
        let Some(conn) = conn.sqlite() else {
            return Ok(());
        };
        match self.checkpoints.tend(conn) {
            Ok(()) => {}
            Err(Fault::Io(text)) if is_full(&self.path) => {
                tracing::warn!(error = text, "no room for a checkpoint");
            }
            Err(Fault::Io(text)) => return Err(text),
            Err(fault) => tracing::warn!(error = %StoreError::from(fault), "checkpoint put off"),
        }
        Ok(())
    }

    /// Nothing to do: what the page cache and the heap hold from the last load goes back.
    pub(crate) fn rest(&self, conn: &Connection) {
        if let Some(conn) = conn.sqlite()
            && let Err(error) = conn.execute_batch("PRAGMA shrink_memory")
        {
            tracing::debug!(%error, "could not give the page cache back");
        }
    }

    /// The end: leaves no log behind, unless writing failed, and then releases the lock.
    pub(crate) fn close(self, conn: Connection, is_whole: bool) {
        self.checkpoints.close();
        // Nothing is ever sent: an error is what this waits for.
        let _ = self.others.recv();
        if is_whole
            && let Some(conn) = conn.sqlite()
            && let Err(error) = conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        {
            tracing::warn!(%error, "the last checkpoint failed; the next start repeats it");
        }
        drop(conn);
        drop(self.lock);
    }
}
