//! Every way in which a database is not opened: one clear sentence, nothing changed.

use crate::support::{beside, open, place};
use carillon_store_sql::{OpenErrorKind, SqlStore, SqliteConfig};
use rusqlite::Connection;
use std::path::Path;

/// The error's kind; its sentence names the path and says what to do.
fn refused(path: &Path, hint: &str) -> OpenErrorKind {
    let error = SqlStore::open(SqliteConfig::new(path)).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with(&path.display().to_string()), "{text}");
    assert!(text.contains(hint), "{text}");
    error.kind().clone()
}

/// Closed in order, so that all of it is in one file.
async fn made(path: &Path) -> Vec<u8> {
    open(path).close().await;
    std::fs::read(path).unwrap()
}

#[tokio::test]
async fn a_second_process_is_refused() {
    let (_directory, path) = place();
    let store = open(&path);
    assert_eq!(
        refused(&path, "in use by another process"),
        OpenErrorKind::Locked
    );
    store.close().await;
    drop(store);
    open(&path).close().await;
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let (_directory, path) = place();
    made(&path).await;
    Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let before = std::fs::read(&path).unwrap();
    let OpenErrorKind::Newer { found, known } = refused(&path, "run the newer version") else {
        panic!("another kind");
    };
    assert_eq!(found, 99);
    assert!(known < 99);
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn what_is_not_ours_is_refused_and_left_alone() {
    let (directory, path) = place();
    std::fs::write(&path, "Dear diary, today I was mistaken for a database.").unwrap();
    let before = std::fs::read(&path).unwrap();
    assert_eq!(
        refused(&path, "not a Carillon database"),
        OpenErrorKind::NotADatabase
    );
    assert_eq!(std::fs::read(&path).unwrap(), before);

    let other = directory.path().join("other.db");
    let conn = Connection::open(&other).unwrap();
    conn.execute_batch("CREATE TABLE recipes (name TEXT)")
        .unwrap();
    drop(conn);
    let before = std::fs::read(&other).unwrap();
    assert_eq!(
        refused(&other, "not a Carillon database"),
        OpenErrorKind::NotADatabase
    );
    assert_eq!(std::fs::read(&other).unwrap(), before);
}

#[tokio::test]
async fn a_damaged_file_is_refused_and_left_alone() {
    let (_directory, path) = place();
    let whole = made(&path).await;
    // The first page's header says what it is; the rest of it, and what it points to, is garbage.
    let mut garbled = whole.clone();
    garbled[100..].fill(0xa5);
    let cut_short = whole[..whole.len() / 2].to_vec();
    for damaged in [garbled, cut_short] {
        std::fs::write(&path, &damaged).unwrap();
        let kind = refused(&path, "restore a backup");
        assert!(matches!(kind, OpenErrorKind::Corrupt(_)), "{kind:?}");
        assert_eq!(std::fs::read(&path).unwrap(), damaged);
    }
    std::fs::write(&path, &whole).unwrap();
    open(&path).close().await;
}

#[tokio::test]
async fn a_place_without_permission_is_named() {
    // Even root cannot make files there.
    let kind = refused(Path::new("/sys/carillon.db"), "permission");
    assert!(matches!(kind, OpenErrorKind::NoPermission(_)), "{kind:?}");
}

#[tokio::test]
async fn a_place_that_cannot_be_is_named() {
    let (directory, path) = place();
    let kind = refused(&directory.path().join("no/such/dir.db"), "cannot open");
    assert!(matches!(kind, OpenErrorKind::Io(_)), "{kind:?}");
    std::fs::create_dir(&path).unwrap();
    let kind = refused(&path, "directory");
    assert!(matches!(kind, OpenErrorKind::Io(_)), "{kind:?}");
}

#[tokio::test]
async fn a_full_disk_leaves_nothing_half_made() {
    let (_directory, path) = place();
    let config = SqliteConfig {
        max_pages: 8,
        ..SqliteConfig::new(&path)
    };
    let error = SqlStore::open(config).unwrap_err();
    assert_eq!(*error.kind(), OpenErrorKind::DiskFull);
    open(&path).close().await;
}

#[cfg(unix)]
#[tokio::test]
async fn files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let (_directory, path) = place();
    let store = open(&path);
    for suffix in ["", "-wal", "-shm", ".lock"] {
        let found = std::fs::metadata(beside(&path, suffix)).unwrap();
        assert_eq!(found.permissions().mode() & 0o077, 0, "{suffix}");
    }
    store.close().await;
}
