//! The store itself: opens the file, starts the threads, hands commands to them.

use crate::checkpoint::Checkpoints;
use crate::config::SqliteConfig;
use crate::db::{Connection, OptionalExtension, Step};
use crate::disk::Bounds;
use crate::error::{Done, Fault};
use crate::lock::LockFile;
use crate::marks::{Marks, read_meta, write_meta};
use crate::open;
use crate::open_error::{OpenError, OpenErrorKind};
use crate::queue::{Call, Class, Queue};
use crate::reader::Reads;
use crate::writer::{Tx, Writer, closed};
use carillon_ports::store::{Result, StoreError};
use rusqlite::hooks::Wal;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

/// Bits of a `seq` below the epoch: a million works a second last for twelve days in one process' life,
/// and what is given out beyond them belongs to the next epoch, which no row can meet before then.
const SEQ_BITS: u32 = 40;

/// Both ports on one SQLite file. Clones share it. Ends when the last one is dropped; see
/// [`Self::close`] for an end that one can wait for.
#[derive(Clone)]
pub struct SqliteStore(Arc<Inner>);

struct Inner {
    config: SqliteConfig,
    queue: Arc<Queue>,
    reads: Arc<Reads>,
    intake_room: Arc<Semaphore>,
    other_room: Arc<Semaphore>,
    read_room: Arc<Semaphore>,
    epoch: i64,
    seed: u128,
    notifications: AtomicI64,
    seqs: Arc<AtomicI64>,
    fatal: watch::Receiver<Option<String>>,
    /// Closes when the last thread has ended.
    threads: watch::Receiver<()>,
}

impl SqliteStore {
    /// Opens the database, makes or migrates it when needed, takes a new epoch and starts the threads.
    /// Blocks for some milliseconds.
    pub fn open(config: SqliteConfig) -> std::result::Result<Self, OpenError> {
        let path = config.path.clone();
        Self::open_at(config).map_err(|kind| OpenError::new(&path, kind))
    }

    fn open_at(config: SqliteConfig) -> std::result::Result<Self, OpenErrorKind> {
        let lock = LockFile::take(&config.path)?;
        let found = open::check(&config.path, config.busy_timeout_ms)?;
        let checkpoints = Arc::new(Checkpoints::new(config.checkpoint_pages));
        let mut conn = open::writer(&config, found)?;
        let noted = checkpoints.clone();
        conn.wal_hook(Some(move |_: &mut Wal, pages| {
            noted.note(u32::try_from(pages).unwrap_or(0));
            Ok(())
        }))?;
        let conn = Connection::Sqlite(conn);
        let (epoch, seed, marks) = start(&conn).map_err(|fault| match fault {
            Fault::Store(StoreError::DiskFull) => OpenErrorKind::DiskFull,
            Fault::Store(StoreError::Busy) => OpenErrorKind::Locked,
            Fault::Store(StoreError::Corrupt(text)) => OpenErrorKind::Corrupt(text),
            Fault::Store(error) => OpenErrorKind::Io(error.to_string()),
            Fault::Io(text) => OpenErrorKind::Io(text),
        })?;
        let readers = (0..config.readers.max(2))
            .map(|_| Ok(Connection::Sqlite(open::reader(&config)?)))
            .collect::<std::result::Result<Vec<_>, OpenErrorKind>>()?;

        let (queue, reads) = (Arc::new(Queue::default()), Arc::new(Reads::default()));
        let (fatal_sender, fatal) = watch::channel(None);
        let fatal_sender = Arc::new(fatal_sender);
        let checkpointer = open::checkpointer(&config)?;
        let (alive, threads) = watch::channel(());
        let (other, others) = std::sync::mpsc::sync_channel(0);
        let alive = Arc::new(alive);
        let seqs = Arc::new(AtomicI64::new(epoch << SEQ_BITS));
        let notifications = AtomicI64::new(marks.notification.start());
        let writer = Writer {
            conn,
            marks,
            epoch,
            seqs: seqs.clone(),
            queue: queue.clone(),
            path: config.path.clone(),
            bounds: Bounds::new(&config),
            fatal: fatal_sender.clone(),
            checkpoints: checkpoints.clone(),
            others,
            lock,
            upkeep: config.upkeep,
        };
        let path = config.path.clone();
        let ended = other.clone();
        spawn("store-checkpoint", alive.clone(), move || {
            checkpoints.serve(&checkpointer, &path, &fatal_sender);
            drop((checkpointer, ended));
        })?;
        spawn("store-writer", alive.clone(), move || writer.serve())?;
        for (n, conn) in readers.into_iter().enumerate() {
            let (reads, ended, upkeep) = (reads.clone(), other.clone(), config.upkeep);
            spawn("store-reader", alive.clone(), move || {
                reads.serve(&conn, n == 0, upkeep);
                drop((conn, ended));
            })?;
        }
        Ok(Self(Arc::new(Inner {
            intake_room: room(config.queue_items),
            other_room: room(config.queue_items),
            read_room: room(config.queue_reads),
            config,
            queue,
            reads,
            epoch,
            seed,
            notifications,
            seqs,
            fatal,
            threads,
        })))
    }

    /// Resolves when writing failed in a way after which nothing may go on, with the reason. The server
    /// stops at once: what it would answer from here on would not be true.
    pub async fn fatal(&self) -> String {
        let mut fatal = self.0.fatal.clone();
        let reason = match fatal.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone(),
            Err(_) => None,
        };
        match reason {
            Some(reason) => reason,
            // The writer ended in peace: there will never be a reason.
            None => std::future::pending().await,
        }
    }

    /// Takes nothing more in, does what waits, copies the log into the database, and releases the lock.
    /// Calls after it are answered with [`StoreError::Closed`].
    pub async fn close(&self) {
        self.0.reads.close();
        self.0.queue.close();
        // Closed by the last thread: an error is what we wait for.
        let mut threads = self.0.threads.clone();
        while threads.changed().await.is_ok() {}
    }

    pub(crate) fn config(&self) -> &SqliteConfig {
        &self.0.config
    }

    pub(crate) fn epoch_no(&self) -> i64 {
        self.0.epoch
    }

    pub(crate) fn seed(&self) -> u128 {
        self.0.seed
    }

    pub(crate) fn next_notification_no(&self) -> i64 {
        self.0.notifications.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn next_seq_no(&self) -> i64 {
        self.0.seqs.fetch_add(1, Ordering::Relaxed)
    }

    /// Accepting: refused when the queue is full.
    pub(crate) async fn intake<T: Send + 'static>(
        &self,
        weight: usize,
        run: impl FnMut(&mut Tx<'_>) -> Done<T> + Send + 'static,
    ) -> Result<T> {
        let weight = weight_of(weight);
        let permits = weight.min(self.0.config.queue_items);
        let room = self.0.intake_room.clone();
        let room = room
            .try_acquire_many_owned(permits)
            .map_err(|_| StoreError::Overloaded)?;
        self.push(Class::Intake, weight, room, run).await
    }

    /// Any other command: waits for room.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        class: Class,
        weight: usize,
        run: impl FnMut(&mut Tx<'_>) -> Done<T> + Send + 'static,
    ) -> Result<T> {
        let weight = weight_of(weight);
        let permits = weight.min(self.0.config.queue_items);
        let room = self.wait(&self.0.other_room, permits).await?;
        self.push(class, weight, room, run).await
    }

    async fn push<T: Send + 'static>(
        &self,
        class: Class,
        weight: u32,
        room: OwnedSemaphorePermit,
        run: impl FnMut(&mut Tx<'_>) -> Done<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let call = Call {
            class,
            weight,
            run,
            value: None,
            reply,
            room: Some(room),
        };
        if self.0.queue.push(Box::new(call)).is_err() {
            return Err(StoreError::Closed);
        }
        closed(answer.await)
    }

    /// A read of the hot path.
    pub(crate) async fn read_hot<T: Send + 'static>(
        &self,
        run: impl FnOnce(&Connection) -> Done<T> + Send + 'static,
    ) -> Result<T> {
        self.read_as(true, run).await
    }

    /// Any other read.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        run: impl FnOnce(&Connection) -> Done<T> + Send + 'static,
    ) -> Result<T> {
        self.read_as(false, run).await
    }

    async fn read_as<T: Send + 'static>(
        &self,
        hot: bool,
        run: impl FnOnce(&Connection) -> Done<T> + Send + 'static,
    ) -> Result<T> {
        let room = self.wait(&self.0.read_room, 1).await?;
        let (reply, answer) = oneshot::channel();
        let read = Box::new(move |conn: &Connection| {
            let value = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(conn)));
            drop(room);
            let _ = reply.send(match value {
                Ok(value) => value.map_err(StoreError::from),
                Err(_) => Err(StoreError::Failed(
                    "a read panicked; the log has the place".into(),
                )),
            });
        });
        if !self.0.reads.push(hot, read) {
            return Err(StoreError::Closed);
        }
        closed(answer.await)
    }

    async fn wait(&self, room: &Arc<Semaphore>, permits: u32) -> Result<OwnedSemaphorePermit> {
        if let Ok(permit) = room.clone().try_acquire_many_owned(permits) {
            return Ok(permit);
        }
        let deadline = Duration::from_millis(self.0.config.queue_wait_ms.into());
        match tokio::time::timeout(deadline, room.clone().acquire_many_owned(permits)).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(StoreError::Closed),
            Err(_) => Err(StoreError::Busy),
        }
    }
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore")
            .field("path", &self.0.config.path)
            .field("epoch", &self.0.epoch)
            .finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.reads.close();
        self.queue.close();
    }
}

fn room(items: u32) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(items.max(1) as usize))
}

fn weight_of(items: usize) -> u32 {
    u32::try_from(items).unwrap_or(u32::MAX).max(1)
}

fn spawn(
    name: &str,
    alive: Arc<watch::Sender<()>>,
    run: impl FnOnce() + Send + 'static,
) -> std::io::Result<()> {
    std::thread::Builder::new()
        .name(name.into())
        .spawn(move || {
            run();
            drop(alive);
        })?;
    Ok(())
}

/// A new epoch, the installation's seed, and the marks.
fn start(conn: &Connection) -> Done<(i64, u128, Marks)> {
    let epoch = read_meta(conn, "epoch")?.unwrap_or(0) + 1;
    conn.step(Step::BeginWriting)?;
    write_meta(conn, "epoch", epoch)?;
    // SQLite draws the bytes: the one random number that this crate needs is made once for all time.
    conn.prepare(
        "INSERT INTO meta (name, bytes) VALUES ('seed', randomblob(16)) ON CONFLICT (name) DO NOTHING",
    )?
    .execute([])?;
    conn.step(Step::Commit)?;
    let seed: Option<[u8; 16]> = conn
        .prepare("SELECT bytes FROM meta WHERE name = 'seed'")?
        .query_row([], |row| row.get(0))
        .optional()?;
    let seed = seed.ok_or_else(|| crate::error::corrupt("meta", "bytes", "seed", "missing"))?;
    Ok((epoch, u128::from_be_bytes(seed), Marks::read(conn)?))
}
