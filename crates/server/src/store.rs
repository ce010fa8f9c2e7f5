//! Opening the store, and its errors in words and exit codes.

use crate::config::{self, Span};
use crate::exit::{Exit, Failure};
use carillon_ports::store::StoreError;
use carillon_store_sql::{
    OpenError, OpenErrorKind, ServerConfig, ServerUrl, SqlStore, SqliteConfig, StoreConfig,
    TlsConfig, TlsMode,
};
use std::path::Path;

/// Bytes of a page of the database file.
const PAGE_BYTES: u64 = 4_096;

/// Opens the store; the directory of a file is made if it is missing. Blocks.
pub(crate) fn open(config: &config::Store) -> Result<SqlStore, Failure> {
    if let Some(file) = config.file() {
        make_directory(file)?;
    }
    SqlStore::open(settings(config)).map_err(|error| refused(&error))
}

/// As the store takes them.
pub(crate) fn settings(config: &config::Store) -> StoreConfig {
    match config.server() {
        Some(url) => StoreConfig::Server(server_settings(config, url.clone())),
        None => StoreConfig::Sqlite(file_settings(config)),
    }
}

fn file_settings(config: &config::Store) -> SqliteConfig {
    SqliteConfig {
        busy_timeout_ms: millis(config.busy_timeout),
        queue_items: config.queue_items,
        queue_wait_ms: millis(config.queue_wait),
        queue_reads: config.queue_reads,
        cache_kib: config.cache_kib,
        readers: config.readers,
        checkpoint_pages: config.checkpoint_pages,
        max_pages: u32::try_from(config.max_bytes / PAGE_BYTES).unwrap_or(u32::MAX),
        upkeep: crate::memory::UPKEEP,
        ..SqliteConfig::new(config.file().unwrap_or(&config.path))
    }
}

fn server_settings(config: &config::Store, url: ServerUrl) -> ServerConfig {
    ServerConfig {
        password: config.password.clone(),
        tls: TlsConfig {
            mode: config.tls.unwrap_or(TlsMode::usual(&url)),
            ca_file: config.ca_file.clone(),
            certificate_file: config.certificate_file.clone(),
            key_file: config.key_file.clone(),
        },
        schema: config.schema.clone(),
        migrate: config.migrate,
        connect_timeout_ms: millis(config.connect_timeout),
        statement_timeout_ms: millis(config.statement_timeout),
        lock_timeout_ms: millis(config.lock_timeout),
        reconnect_min_ms: millis(config.reconnect_min),
        reconnect_max_ms: millis(config.reconnect_max),
        reconnect_patience_ms: millis(config.reconnect_patience),
        queue_items: config.queue_items,
        queue_wait_ms: millis(config.queue_wait),
        queue_reads: config.queue_reads,
        readers: config.readers,
        upkeep: crate::memory::UPKEEP,
        ..ServerConfig::new(url)
    }
}

/// Longer than 50 days is as good as that.
fn millis(span: Span) -> u32 {
    u32::try_from(span.ms()).unwrap_or(u32::MAX)
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
        OpenErrorKind::Locked | OpenErrorKind::LockedBy(_) => Exit::TempFail,
        OpenErrorKind::Unreachable(_) => Exit::Unavailable,
        OpenErrorKind::Older { .. } | OpenErrorKind::Moved | OpenErrorKind::Unfinished => {
            Exit::Config
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
