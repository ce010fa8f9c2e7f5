//! Copies of a running database, and the way back.

use crate::db;
use crate::error::Done;
use crate::marks::{RANGES, read_meta, write_meta};
use crate::open_error::{OpenError, OpenErrorKind};
use crate::sqlite::config::SqliteConfig;
use crate::sqlite::lock::{LockFile, beside, private};
use crate::sqlite::open;
use carillon_ports::store::{Result, StoreError};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use tokio::sync::oneshot;

/// Pages copied at a time.
const STEP: std::ffi::c_int = 256;

/// Numbers that a restored database jumps over: more than can have been given out after its backup
/// without a newer one.
const JUMP: i64 = 1 << 30;

/// Writes a checked copy of the database to `to`, on a thread of its own.
pub(crate) async fn backup(config: SqliteConfig, to: PathBuf) -> Result<()> {
    let (reply, answer) = oneshot::channel();
    std::thread::Builder::new()
        .name("store-backup".into())
        .spawn(move || {
            let copied = open::reader(&config).and_then(|from| copy(&from, &to));
            // Whoever asked may have gone away; the file stands.
            let _ = reply.send(copied.map_err(|kind| match kind {
                OpenErrorKind::DiskFull => StoreError::DiskFull,
                kind => StoreError::Failed(OpenError::new(&to, kind).to_string()),
            }));
        })
        .map_err(|error| StoreError::Failed(format!("cannot start a thread: {error}")))?;
    crate::writer::closed(answer.await)
}

/// Puts a backup in the place of a database that no process has open. What stood there stays beside
/// it, as `<to>.before-restore`.
///
/// Work that was waiting in the backup is done again; numbers given out since are jumped over.
pub fn restore(from: &Path, to: &Path) -> std::result::Result<(), OpenError> {
    let source = open_backup(from).map_err(|kind| OpenError::new(from, kind))?;
    replace(&source, to).map_err(|kind| OpenError::new(to, kind))
}

fn open_backup(from: &Path) -> std::result::Result<Connection, OpenErrorKind> {
    std::fs::metadata(from)?;
    if open::check(from, 0)? == 0 {
        return Err(OpenErrorKind::NotADatabase);
    }
    let source = Connection::open_with_flags(
        from,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    check_integrity(&source)?;
    Ok(source)
}

fn replace(source: &Connection, to: &Path) -> std::result::Result<(), OpenErrorKind> {
    let _lock = LockFile::take(to)?;
    let part = beside(to, ".restoring");
    remove(&part)?;
    copy(source, &part)?;
    jump(&part)?;
    let aside = beside(to, ".before-restore");
    if to.exists() {
        if aside.exists() {
            return Err(OpenErrorKind::Exists);
        }
        for suffix in ["-wal", ""] {
            let file = beside(to, suffix);
            if file.exists() {
                std::fs::rename(&file, beside(&aside, suffix))?;
            }
        }
    }
    // Both are made anew from the log, and must not meet another database.
    for suffix in ["-wal", "-shm"] {
        remove(&beside(to, suffix))?;
    }
    std::fs::rename(&part, to)?;
    sync_directory(to)
}

/// Copies into a new file: under a name of its own until it is whole, checked and on disk.
fn copy(from: &Connection, to: &Path) -> std::result::Result<(), OpenErrorKind> {
    if to.exists() {
        return Err(OpenErrorKind::Exists);
    }
    let part = beside(to, ".part");
    remove(&part)?;
    let copied = copy_to_part(from, &part).and_then(|()| {
        // A hard link fails where something stands, a rename would replace it.
        std::fs::hard_link(&part, to)?;
        sync_directory(to)
    });
    remove(&part)?;
    copied
}

fn copy_to_part(from: &Connection, part: &Path) -> std::result::Result<(), OpenErrorKind> {
    private(OpenOptions::new().create_new(true).write(true)).open(part)?;
    let mut to = Connection::open_with_flags(
        part,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    // One snapshot from first to last page, whatever is written meanwhile.
    from.execute_batch("BEGIN")?;
    from.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    let backup = Backup::new(from, &mut to)?;
    loop {
        match backup.step(STEP)? {
            StepResult::Done => break,
            StepResult::More => {}
            other => return Err(OpenErrorKind::Io(format!("the copy stopped: {other:?}"))),
        }
    }
    drop(backup);
    from.execute_batch("COMMIT")?;
    to.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))?;
    check_integrity(&to)?;
    drop(to);
    File::open(part)?.sync_all()?;
    Ok(())
}

fn check_integrity(conn: &Connection) -> std::result::Result<(), OpenErrorKind> {
    let found: String = conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if found == "ok" {
        Ok(())
    } else {
        Err(OpenErrorKind::Corrupt(found))
    }
}

/// Moves every number range of a restored database beyond what was given out since its backup.
fn jump(path: &Path) -> std::result::Result<(), OpenErrorKind> {
    let conn = Connection::open(path)?;
    crate::migrate::migrate(
        &conn,
        conn.pragma_query_value(None, "user_version", |row| row.get(0))?,
    )?;
    conn.execute_batch("BEGIN IMMEDIATE")?;
    let conn = db::Connection::Sqlite(conn);
    let jumped = || -> Done<()> {
        for name in RANGES {
            let end = read_meta(&conn, name)?.unwrap_or(1);
            write_meta(&conn, name, end + JUMP)?;
        }
        let epoch = read_meta(&conn, "epoch")?.unwrap_or(0);
        write_meta(&conn, "epoch", epoch + (1 << 10))?;
        // What was due since the backup may have been sent by the database that it replaces.
        write_meta(&conn, crate::hot::SCHEDULER_PAUSED, 1)
    };
    jumped().map_err(|fault| OpenErrorKind::Io(StoreError::from(fault).to_string()))?;
    conn.step(db::Step::Commit)?;
    Ok(())
}

fn remove(path: &Path) -> std::result::Result<(), OpenErrorKind> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn sync_directory(of: &Path) -> std::result::Result<(), OpenErrorKind> {
    let parent = of.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(())
}
