//! The store itself: opens the file, starts the threads, hands commands to them.

use crate::copying;
use crate::db::driver::Server;
use crate::db::{Connection, OptionalExtension, Step};
use crate::error::{Done, Fault};
use crate::home::Home;
use crate::instances;
use crate::marks::{Marks, read_meta, write_meta};
use crate::numbers::Numbers;
use crate::open_error::{OpenError, OpenErrorKind};
use crate::queue::{Call, Class, Queue};
use crate::reader::Reads;
use crate::server;
use crate::server_config::ServerConfig;
use crate::sqlite::File;
use crate::sqlite::checkpoint::Checkpoints;
use crate::sqlite::config::SqliteConfig;
use crate::sqlite::disk::Bounds;
use crate::sqlite::lock::LockFile;
use crate::sqlite::open;
use crate::writer::{Tx, Writer, closed};
use carillon_ports::store::{Result, StoreError};
use carillon_ports::upkeep::Upkeep;
use rusqlite::hooks::Wal;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

/// Bits of a `seq` below the epoch: a million works a second last for twelve days in one process' life,
/// and what is given out beyond them belongs to the next epoch, which no row can meet before then.
const SEQ_BITS: u32 = 40;

/// Every port on one database. Clones share it. Ends when the last one is dropped; see
/// [`Self::close`] for an end that one can wait for.
#[derive(Clone)]
pub struct SqlStore(Arc<Inner>);

struct Inner {
    /// For whoever asks where the rows are.
    place: String,
    /// The file's settings, where it is one.
    file: Option<SqliteConfig>,
    limits: Limits,
    queue: Arc<Queue>,
    reads: Arc<Reads>,
    intake_room: Arc<Semaphore>,
    other_room: Arc<Semaphore>,
    read_room: Arc<Semaphore>,
    epoch: i64,
    seed: u128,
    numbers: Arc<Numbers>,
    seqs: Arc<AtomicI64>,
    fatal: watch::Receiver<Option<String>>,
    /// Closes when the last thread has ended.
    threads: watch::Receiver<()>,
}

/// Settings that every store has.
#[derive(Clone, Copy)]
struct Limits {
    queue_items: u32,
    queue_wait_ms: u32,
    queue_reads: u32,
    upkeep: Upkeep,
}

/// What a store is made of once its connections are open.
struct Parts {
    place: String,
    file: Option<SqliteConfig>,
    conn: Connection,
    home: Home,
    begun: Begun,
    readers: Vec<Connection>,
    server: Option<Arc<dyn Server>>,
    /// Dropped by the last thread but the writer's.
    other: Option<SyncSender<()>>,
}

/// What closes when the last thread ends, and what says that nothing may be written any more.
type Signals = (Arc<watch::Sender<()>>, Arc<watch::Sender<Option<String>>>);

/// What a process begins with.
struct Begun {
    epoch: i64,
    seed: u128,
    seen: i64,
    marks: Marks,
    numbers: Numbers,
}

/// How to open a store.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StoreConfig {
    /// On a SQLite file.
    Sqlite(SqliteConfig),
    /// On a database of a server.
    Server(ServerConfig),
}

impl From<SqliteConfig> for StoreConfig {
    fn from(config: SqliteConfig) -> Self {
        Self::Sqlite(config)
    }
}

impl From<ServerConfig> for StoreConfig {
    fn from(config: ServerConfig) -> Self {
        Self::Server(config)
    }
}

impl SqlStore {
    /// Opens the database, makes or migrates it when needed, takes a new epoch and starts the threads.
    /// Blocks for some milliseconds.
    ///
    /// # Errors
    /// [`OpenError`], after which nothing is changed.
    pub fn open(config: impl Into<StoreConfig>) -> std::result::Result<Self, OpenError> {
        match config.into() {
            StoreConfig::Sqlite(config) => {
                let path = config.path.clone();
                Self::open_file(config).map_err(|kind| OpenError::new(&path, kind))
            }
            StoreConfig::Server(config) => {
                let place = config.url.to_string();
                // On a thread of its own: whoever opens may be inside a runtime, and connecting waits on another.
                let opened =
                    std::thread::scope(|scope| scope.spawn(|| Self::open_server(&config)).join());
                let opened = opened.unwrap_or_else(|_| {
                    Err(OpenErrorKind::Io(
                        "opening panicked; the log has the place".into(),
                    ))
                });
                opened.map_err(|kind| OpenError::at(place, kind))
            }
        }
    }

    fn open_file(config: SqliteConfig) -> std::result::Result<Self, OpenErrorKind> {
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
        let begun = start(&conn)?;
        let readers = (0..config.readers.max(2))
            .map(|_| Ok(Connection::Sqlite(open::reader(&config)?)))
            .collect::<std::result::Result<Vec<_>, OpenErrorKind>>()?;
        let checkpointer = open::checkpointer(&config)?;
        let (other, others) = std::sync::mpsc::sync_channel(0);
        let file = File {
            path: config.path.clone(),
            bounds: Bounds::new(&config),
            checkpoints: checkpoints.clone(),
            others,
            lock,
        };
        let limits = Limits {
            queue_items: config.queue_items,
            queue_wait_ms: config.queue_wait_ms,
            queue_reads: config.queue_reads,
            upkeep: config.upkeep,
        };
        let path = config.path.clone();
        let parts = Parts {
            place: path.display().to_string(),
            file: Some(config),
            conn,
            home: Home::File(file),
            begun,
            readers,
            server: None,
            other: Some(other.clone()),
        };
        let (store, (alive, fatal)) = Self::assemble(limits, parts)?;
        spawn("store-checkpoint", alive, move || {
            checkpoints.serve(&checkpointer, &path, &fatal);
            drop((checkpointer, other));
        })?;
        Ok(store)
    }

    fn open_server(config: &ServerConfig) -> std::result::Result<Self, OpenErrorKind> {
        let server = server::server(config.clone())?;
        let conn = server::writer(server.as_ref(), config, config.migrate)?;
        let begun = start(&conn)?;
        server::opened(&conn)?;
        let readers = (0..config.readers.max(2))
            .map(|_| server::reader(server.as_ref()))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        let limits = Limits {
            queue_items: config.queue_items,
            queue_wait_ms: config.queue_wait_ms,
            queue_reads: config.queue_reads,
            upkeep: config.upkeep,
        };
        let parts = Parts {
            place: config.url.to_string(),
            file: None,
            conn,
            home: Home::Server(server::Place::new(server.clone(), config)),
            begun,
            readers,
            server: Some(server),
            other: None,
        };
        Ok(Self::assemble(limits, parts)?.0)
    }

    fn assemble(limits: Limits, parts: Parts) -> std::io::Result<(Self, Signals)> {
        let Begun {
            epoch,
            seed,
            seen,
            marks,
            numbers,
        } = parts.begun;
        let (queue, reads) = (Arc::new(Queue::default()), Arc::new(Reads::default()));
        let (fatal_sender, fatal) = watch::channel(None);
        let fatal_sender = Arc::new(fatal_sender);
        let (alive, threads) = watch::channel(());
        let alive = Arc::new(alive);
        let seqs = Arc::new(AtomicI64::new(epoch << SEQ_BITS));
        let numbers = Arc::new(numbers);
        let writer = Writer {
            conn: parts.conn,
            home: parts.home,
            marks,
            epoch,
            seen,
            commits: 0,
            has_left: false,
            numbers: numbers.clone(),
            seqs: seqs.clone(),
            queue: queue.clone(),
            fatal: fatal_sender.clone(),
            upkeep: limits.upkeep,
        };
        spawn("store-writer", alive.clone(), move || writer.serve())?;
        for (n, conn) in parts.readers.into_iter().enumerate() {
            let (reads, ended, upkeep) = (reads.clone(), parts.other.clone(), limits.upkeep);
            let server = parts.server.clone();
            spawn("store-reader", alive.clone(), move || {
                reads.serve(&conn, server.as_deref(), n == 0, upkeep);
                drop((conn, ended));
            })?;
        }
        let store = Self(Arc::new(Inner {
            intake_room: room(limits.queue_items),
            other_room: room(limits.queue_items),
            read_room: room(limits.queue_reads),
            place: parts.place,
            file: parts.file,
            limits,
            queue,
            reads,
            epoch,
            seed,
            numbers,
            seqs,
            fatal,
            threads,
        }));
        Ok((store, (alive, fatal_sender)))
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

    /// The file's settings; `None`: it is on a server.
    pub(crate) fn file(&self) -> Option<&SqliteConfig> {
        self.0.file.as_ref()
    }

    pub(crate) fn epoch_no(&self) -> i64 {
        self.0.epoch
    }

    pub(crate) fn seed(&self) -> u128 {
        self.0.seed
    }

    pub(crate) fn next_notification_no(&self) -> i64 {
        self.0.numbers.next()
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
        let permits = weight.min(self.0.limits.queue_items);
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
        let permits = weight.min(self.0.limits.queue_items);
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
        run: impl FnMut(&Connection) -> Done<T> + Send + 'static,
    ) -> Result<T> {
        self.read_as(true, run).await
    }

    /// Any other read.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        run: impl FnMut(&Connection) -> Done<T> + Send + 'static,
    ) -> Result<T> {
        self.read_as(false, run).await
    }

    async fn read_as<T: Send + 'static>(
        &self,
        hot: bool,
        mut run: impl FnMut(&Connection) -> Done<T> + Send + 'static,
    ) -> Result<T> {
        let room = self.wait(&self.0.read_room, 1).await?;
        let (reply, answer) = oneshot::channel();
        let mut answering = Some((reply, room));
        let read = Box::new(move |conn: &Connection, may_repeat: bool| {
            let value = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(conn)));
            if may_repeat && matches!(value, Ok(Err(Fault::Lost(_)))) {
                return false;
            }
            if let Some((reply, room)) = answering.take() {
                drop(room);
                // Whoever asked may have gone away.
                let _ = reply.send(match value {
                    Ok(value) => value.map_err(StoreError::from),
                    Err(_) => Err(StoreError::Failed(
                        "a read panicked; the log has the place".into(),
                    )),
                });
            }
            true
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
        let deadline = Duration::from_millis(self.0.limits.queue_wait_ms.into());
        match tokio::time::timeout(deadline, room.clone().acquire_many_owned(permits)).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(StoreError::Closed),
            Err(_) => Err(StoreError::Busy),
        }
    }
}

impl std::fmt::Debug for SqlStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqlStore")
            .field("place", &self.0.place)
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
fn start(conn: &Connection) -> std::result::Result<Begun, OpenErrorKind> {
    let marked = |name| -> std::result::Result<bool, OpenErrorKind> {
        Ok(read_meta(conn, name).map_err(sorted)?.is_some())
    };
    if marked(copying::MOVED)? {
        return Err(OpenErrorKind::Moved);
    }
    if marked(copying::UNFINISHED)? {
        return Err(OpenErrorKind::Unfinished);
    }
    begin(conn).map_err(sorted)
}

fn sorted(fault: Fault) -> OpenErrorKind {
    match fault {
        Fault::Store(StoreError::DiskFull) => OpenErrorKind::DiskFull,
        Fault::Store(StoreError::Busy) => OpenErrorKind::Locked,
        Fault::Store(StoreError::Corrupt(text)) => OpenErrorKind::Corrupt(text),
        Fault::Store(error) => OpenErrorKind::Io(error.to_string()),
        Fault::Io(text) => OpenErrorKind::Io(text),
        Fault::Lost(text) => OpenErrorKind::Unreachable(text),
    }
}

fn begin(conn: &Connection) -> Done<Begun> {
    // The database draws the bytes: the one random number that this crate needs is made once for all time.
    let drawn: [u8; 16] = match conn.session() {
        Some(session) => session.with(|driver| driver.random())?,
        None => conn
            .prepare("SELECT randomblob(16)")?
            .query_row([], |row| row.get(0))?,
    };
    let is_shared = conn.session().is_some();
    conn.step(Step::BeginWriting)?;
    let seen = if is_shared {
        instances::first_turn(conn)?
    } else {
        0
    };
    let epoch = read_meta(conn, "epoch")?.unwrap_or(0) + 1;
    write_meta(conn, "epoch", epoch)?;
    instances::open(conn, epoch)?;
    conn.prepare(
        "INSERT INTO meta (name, bytes) VALUES ('seed', ?1) ON CONFLICT (name) DO NOTHING",
    )?
    .execute([drawn])?;
    let mut marks = Marks::read(conn)?;
    let numbers = if is_shared {
        Numbers::of(marks.notification.reserve(conn)?)
    } else {
        Numbers::from(marks.notification.start())
    };
    conn.step(Step::Commit)?;
    let seed: Option<[u8; 16]> = conn
        .prepare("SELECT bytes FROM meta WHERE name = 'seed'")?
        .query_row([], |row| row.get(0))
        .optional()?;
    let seed = seed.ok_or_else(|| crate::error::corrupt("meta", "bytes", "seed", "missing"))?;
    Ok(Begun {
        epoch,
        seed: u128::from_be_bytes(seed),
        seen,
        marks,
        numbers,
    })
}
