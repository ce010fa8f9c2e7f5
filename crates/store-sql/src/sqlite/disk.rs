//! How much room there is.

use crate::error::Done;
use crate::sqlite::config::SqliteConfig;
use crate::sqlite::lock::{beside, private};
use carillon_ports::store::StoreError;
use rusqlite::Connection;
use rustix::process::{Resource, getrlimit};
use std::fs::OpenOptions;
use std::io::{ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Bytes of a database page.
const PAGE: u64 = 4_096;

/// Bytes of the database's files, and bytes free on their disk.
pub(crate) fn usage(path: &Path) -> Done<(u64, u64)> {
    let used = ["", "-wal", "-shm"]
        .iter()
        .filter_map(|suffix| std::fs::metadata(beside(path, suffix)).ok())
        .map(|file| file.len())
        .sum();
    let disk = rustix::fs::statvfs(path)
        .map_err(|error| StoreError::Failed(format!("cannot ask for the free space: {error}")))?;
    Ok((used, disk.f_bavail.saturating_mul(disk.f_frsize)))
}

/// Pages that notifications may not use of a bounded file: for settling and pruning.
const HEADROOM: u32 = 64;

/// How far the database may grow. Told to SQLite before each group, so that it runs out of pages while
/// a transaction is made and never of bytes while a committed one is copied into the file.
#[derive(Debug)]
pub(crate) struct Bounds {
    path: PathBuf,
    reserve_bytes: u64,
    max_pages: u32,
    /// What SQLite was told last.
    told: u32,
}

impl Bounds {
    pub(crate) fn new(config: &SqliteConfig) -> Self {
        Self {
            path: config.path.clone(),
            reserve_bytes: config.reserve_bytes,
            max_pages: config.max_pages,
            told: u32::MAX,
        }
    }

    /// Before notifications: whether there is room for any.
    pub(crate) fn for_intake(&mut self, conn: &Connection) -> rusqlite::Result<bool> {
        let limit = self.limit();
        self.tell(conn, limit.saturating_sub(HEADROOM).max(1))?;
        Ok(free(&self.path).is_none_or(|free| free >= self.reserve_bytes))
    }

    /// Before anything else.
    pub(crate) fn for_others(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        let limit = self.limit();
        self.tell(conn, limit)
    }

    /// The setting, or the operating system's limit on the size of a file, which may change at any time.
    fn limit(&self) -> u32 {
        let of_files = getrlimit(Resource::Fsize)
            .current
            .map_or(u32::MAX, |bytes| {
                u32::try_from(bytes / PAGE).unwrap_or(u32::MAX)
            });
        match self.max_pages {
            0 => of_files,
            pages => pages.min(of_files),
        }
    }

    fn tell(&mut self, conn: &Connection, pages: u32) -> rusqlite::Result<()> {
        // The largest that SQLite takes.
        let pages = pages.min(u32::MAX - 1);
        if pages != self.told {
            conn.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
            self.told = pages;
        }
        Ok(())
    }
}

fn free(path: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(path).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Whether there is no room for the files to grow. SQLite calls a file-size limit and a quota plain I/O
/// errors, so this tries to write as far out as the longer of the two reaches.
pub(crate) fn is_full(path: &Path) -> bool {
    probe(path).is_err_and(|error| {
        matches!(
            error.kind(),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
        )
    })
}

fn probe(path: &Path) -> std::io::Result<()> {
    let probe = beside(path, ".probe");
    let end = ["", "-wal"]
        .iter()
        .filter_map(|suffix| std::fs::metadata(beside(path, suffix)).ok())
        .map(|found| found.len())
        .max()
        .unwrap_or(0);
    let mut options = OpenOptions::new();
    let mut file = private(options.create(true).truncate(true).write(true)).open(&probe)?;
    let written = file
        .seek(SeekFrom::Start(end))
        .and_then(|_| file.write_all(&[0; 1 << 16]))
        .and_then(|()| file.sync_data());
    drop(file);
    std::fs::remove_file(&probe)?;
    written
}
