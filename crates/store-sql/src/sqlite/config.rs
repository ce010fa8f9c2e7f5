//! Settings of the SQLite store. Each has a default that suits a server with a few cores.

use carillon_ports::upkeep::Upkeep;
use std::path::PathBuf;

/// How to open a SQLite store.
#[derive(Clone, Debug)]
pub struct SqliteConfig {
    /// The database file. Beside it stand `<path>-wal`, `<path>-shm` and `<path>.lock`.
    pub path: PathBuf,
    /// How long a statement waits for another program that locks the file, in milliseconds.
    pub busy_timeout_ms: u32,
    /// Most notifications, batches and other rows that wait for the writer, for intake and for all
    /// other work apart. Intake beyond it is refused with
    /// [`Overloaded`](carillon_ports::store::StoreError::Overloaded); other work waits for room.
    pub queue_items: u32,
    /// How long other work waits for room in a queue, in milliseconds; then it is
    /// [`Busy`](carillon_ports::store::StoreError::Busy).
    pub queue_wait_ms: u32,
    /// Most reads that wait for a reader.
    pub queue_reads: u32,
    /// Page cache of the writer, in KiB. Each reader has an eighth of it.
    pub cache_kib: u32,
    /// Reader threads: one is kept for the hot path, so at least 2.
    pub readers: u32,
    /// Pages of write-ahead log after which they are copied into the database.
    pub checkpoint_pages: u32,
    /// Bytes of free disk below which notifications are refused as if it were full: what is left is for
    /// settling and pruning.
    pub reserve_bytes: u64,
    /// Upper bound of the database file, in pages of 4 KiB; beyond it the disk counts as full. 0: none.
    pub max_pages: u32,
    /// What each of the store's threads does when it has nothing else to do.
    pub upkeep: Upkeep,
}

impl SqliteConfig {
    /// The defaults.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            busy_timeout_ms: 5_000,
            queue_items: 20_000,
            queue_wait_ms: 30_000,
            queue_reads: 4_096,
            cache_kib: 16_384,
            readers: 2,
            checkpoint_pages: 20_000,
            reserve_bytes: 64 << 20,
            max_pages: 0,
            upkeep: Upkeep::NONE,
        }
    }
}
