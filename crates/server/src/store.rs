//! Opening the store, and its errors in words and exit codes.

use crate::config;
use crate::exit::{Exit, Failure};
use carillon_ports::store::StoreError;
use carillon_store_sql::{OpenError, OpenErrorKind, SqlStore, SqliteConfig};
use std::path::Path;

/// Bytes of a page of the database file.
const PAGE_BYTES: u64 = 4_096;

/// Makes the directory if it is missing, and opens the file. Blocks.
pub(crate) fn open(config: &config::Store) -> Result<SqlStore, Failure> {
    make_directory(&config.path)?;
    SqlStore::open(settings(config)).map_err(|error| refused(&error))
}

/// As the store takes them.
pub(crate) fn settings(config: &config::Store) -> SqliteConfig {
    SqliteConfig {
        busy_timeout_ms: config.busy_timeout.ms() as u32,
        queue_items: config.queue_items,
        queue_wait_ms: config.queue_wait.ms() as u32,
        queue_reads: config.queue_reads,
        cache_kib: config.cache_kib,
        readers: config.readers,
        checkpoint_pages: config.checkpoint_pages,
        max_pages: u32::try_from(config.max_bytes / PAGE_BYTES).unwrap_or(u32::MAX),
        upkeep: crate::memory::UPKEEP,
        ..SqliteConfig::new(&config.path)
    }
}

/// Makes the directory of a file that is to be written, readable by nobody else.
pub(crate) fn make_directory(file: &Path) -> Result<(), Failure> {
    let Some(directory) = file.parent().filter(|d| !d.as_os_str().is_empty()) else {
        return Ok(());
    };
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory).map_err(|error| {
        let failure = Failure::io("make the directory", directory, &error);
        match failure.exit {
            Exit::Io | Exit::NoInput => Failure {
                exit: Exit::CantCreate,
                ..failure
            },
            _ => failure,
        }
    })
}

/// Why the database was not opened. The store's sentence already says what to do.
pub(crate) fn refused(error: &OpenError) -> Failure {
    let exit = match error.kind() {
        OpenErrorKind::Locked | OpenErrorKind::LockedBy(_) | OpenErrorKind::Unreachable(_) => {
            Exit::TempFail
        }
        OpenErrorKind::Corrupt(_) | OpenErrorKind::Newer { .. } | OpenErrorKind::NotADatabase => {
            Exit::Data
        }
        OpenErrorKind::NoPermission(_) => Exit::NoPermission,
        OpenErrorKind::Exists => Exit::CantCreate,
        _ => Exit::Io,
    };
    Failure::new(exit, error.to_string())
}

/// An error of an open store.
pub(crate) fn failed(doing: &str, error: &StoreError) -> Failure {
    let exit = match error {
        StoreError::DiskFull | StoreError::Failed(_) => Exit::Io,
        StoreError::Busy | StoreError::Overloaded | StoreError::Away(_) | StoreError::Closed => {
            Exit::TempFail
        }
        StoreError::Corrupt(_) => Exit::Data,
    };
    Failure::new(exit, format!("cannot {doing}: {error}"))
}
