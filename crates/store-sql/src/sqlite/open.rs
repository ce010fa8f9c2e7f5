//! Opens the connections: checks whose file it is before touching it, then sets the pragmas.

use crate::migrate::{APPLICATION_ID, KNOWN, migrate};
use crate::open_error::OpenErrorKind;
use crate::sqlite::config::SqliteConfig;
use crate::sqlite::lock::private;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::fs::OpenOptions;
use std::path::Path;
use std::time::Duration;

/// Prepared statements that a connection keeps.
const STATEMENTS: usize = 160;

/// Schema of the file: 0 for an empty or missing one. Refuses what is not ours, newer, or damaged,
/// without writing a byte.
pub(crate) fn check(path: &Path, busy_timeout_ms: u32) -> Result<i64, OpenErrorKind> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error.into()),
        Ok(found) if found.is_dir() => {
            return Err(OpenErrorKind::Io(
                "it is a directory: name a file in it".into(),
            ));
        }
        Ok(found) if found.len() == 0 => return Ok(0),
        Ok(_) => {}
    }
    // As a file first: the operating system's own words for what it forbids are better than SQLite's.
    drop(OpenOptions::new().read(true).write(true).open(path)?);
    let conn = Connection::open_with_flags(path, plain(OpenFlags::SQLITE_OPEN_READ_WRITE))?;
    conn.busy_timeout(Duration::from_millis(busy_timeout_ms.into()))?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    let pragma = |name: &str| conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (application, found) = (pragma("application_id")?, pragma("user_version")?);
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match (application, found) {
        (0, 0) if tables == 0 => Ok(0),
        (APPLICATION_ID, found) if found > KNOWN => Err(OpenErrorKind::Newer {
            found,
            known: KNOWN,
        }),
        (APPLICATION_ID, found) if found > 0 => Ok(found),
        _ => Err(OpenErrorKind::NotADatabase),
    }
}

/// The writer's connection, on the newest schema.
pub(crate) fn writer(config: &SqliteConfig, found: i64) -> Result<Connection, OpenErrorKind> {
    if found == 0 {
        let made = private(OpenOptions::new().create(true).truncate(false).write(true))
            .open(&config.path)?;
        made.sync_all()?;
    }
    let conn = Connection::open_with_flags(&config.path, plain(OpenFlags::SQLITE_OPEN_READ_WRITE))?;
    conn.busy_timeout(Duration::from_millis(config.busy_timeout_ms.into()))?;
    let mode: String =
        conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        return Err(OpenErrorKind::Io(format!(
            "its journal mode stays {mode}: it must be on a local disk"
        )));
    }
    conn.pragma_update(None, "synchronous", "FULL")?;
    // Done by a thread of its own.
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    conn.pragma_update(None, "cache_size", -i64::from(config.cache_kib))?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    if config.max_pages > 0 {
        conn.pragma_update_and_check(None, "max_page_count", config.max_pages, |_| Ok(()))?;
    }
    prepared(&conn)?;
    migrate(&conn, found)?;
    Ok(conn)
}

/// The connection that copies the log into the database.
pub(crate) fn checkpointer(config: &SqliteConfig) -> Result<Connection, OpenErrorKind> {
    let conn = Connection::open_with_flags(&config.path, plain(OpenFlags::SQLITE_OPEN_READ_WRITE))?;
    conn.busy_timeout(Duration::from_millis(config.busy_timeout_ms.into()))?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "cache_size", -64)?;
    Ok(conn)
}

/// A connection that cannot write.
pub(crate) fn reader(config: &SqliteConfig) -> Result<Connection, OpenErrorKind> {
    let conn = Connection::open_with_flags(&config.path, plain(OpenFlags::SQLITE_OPEN_READ_ONLY))?;
    conn.busy_timeout(Duration::from_millis(config.busy_timeout_ms.into()))?;
    conn.pragma_update(None, "cache_size", -i64::from(config.cache_kib / 8))?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    conn.pragma_update(None, "query_only", true)?;
    prepared(&conn)?;
    Ok(conn)
}

/// Statements are prepared once: without the second line SQLite looks at the values of some of them and
/// prepares those again at each use, which costs more than running them.
fn prepared(conn: &Connection) -> rusqlite::Result<()> {
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

/// Each connection stays on one thread; a path is a path, never a URI.
fn plain(flags: OpenFlags) -> OpenFlags {
    flags | OpenFlags::SQLITE_OPEN_NO_MUTEX
}
