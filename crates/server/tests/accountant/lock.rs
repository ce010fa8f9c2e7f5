//! A database locked by another program: a second connection that holds the write lock.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The longest wait for the lock while the program writes.
const WAIT: Duration = Duration::from_secs(120);

/// The lock. Given back when dropped, or by [`Lock::release`].
#[derive(Debug)]
pub(crate) struct Lock {
    release: oneshot::Sender<()>,
    thread: JoinHandle<Result<()>>,
}

impl Lock {
    /// Takes it; returns when nobody else can write any more.
    pub(crate) async fn take(database: PathBuf) -> Result<Self> {
        let (held, is_held) = oneshot::channel();
        let (release, is_released) = oneshot::channel();
        let thread = tokio::task::spawn_blocking(move || {
            let mut connection = Connection::open(&database).context("cannot open the database")?;
            connection.busy_timeout(WAIT)?;
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let _ = held.send(());
            // Released, or whoever would have released it is gone: either way it is given back.
            let _ = is_released.blocking_recv();
            transaction.rollback()?;
            Ok(())
        });
        match is_held.await {
            Ok(()) => Ok(Self { release, thread }),
            Err(_) => {
                thread.await.context("the thread of the lock")??;
                anyhow::bail!("the database could not be locked")
            }
        }
    }

    /// Gives it back; returns when others can write again.
    pub(crate) async fn release(self) -> Result<()> {
        let _ = self.release.send(());
        self.thread.await.context("the thread of the lock")?
    }
}
