//! Backups of a running store, and the way back.

use crate::support::{APP, accepted, beside, check_integrity, open, place, single, stored};
use carillon_model::id::NotificationNo;
use carillon_ports::store::{HotStore, StoreError};
use carillon_store_sql::{OpenErrorKind, restore};
use std::sync::Arc;

#[tokio::test]
async fn a_backup_is_one_moment_of_a_running_store() {
    let (directory, path) = place();
    let store = Arc::new(open(&path));
    let before: Vec<_> = (1..=50).map(NotificationNo).collect();
    store
        .accept(before.iter().map(|no| single(*no)).collect())
        .await
        .unwrap();
    store.settle(accepted(before[0].batch(0))).await.unwrap();
    let to = directory.path().join("backup.db");
    let backup = tokio::spawn({
        let (store, to) = (store.clone(), to.clone());
        async move { store.backup(to).await }
    });
    let mut meanwhile = Vec::new();
    while !backup.is_finished() {
        let no = NotificationNo(100 + meanwhile.len() as i64);
        store.accept(vec![single(no)]).await.unwrap();
        meanwhile.push(no);
    }
    backup.await.unwrap().unwrap();
    check_integrity(&to);
    assert!(!beside(&to, "-wal").exists() && !beside(&to, ".part").exists());
    let again = store.backup(to.clone()).await;
    assert!(
        matches!(&again, Err(StoreError::Failed(text)) if text.contains("exists already")),
        "{again:?}"
    );
    store.close().await;

    let copy = open(&to);
    assert!(stored(&copy, &before).await.into_iter().all(|there| there));
    let there = stored(&copy, &meanwhile).await;
    let count = there.iter().filter(|there| **there).count();
    assert!(
        there[..count].iter().all(|there| *there),
        "a prefix: {there:?}"
    );
    copy.close().await;
}

#[tokio::test]
async fn a_restore_puts_the_old_one_aside() {
    let (directory, path) = place();
    let store = open(&path);
    let old = store.next_notification();
    store.accept(vec![single(old)]).await.unwrap();
    let backup = directory.path().join("backup.db");
    store.backup(backup.clone()).await.unwrap();
    let lost = store.next_notification();
    store.accept(vec![single(lost)]).await.unwrap();
    let epoch = store.epoch();

    let refused = restore(&backup, &path).unwrap_err();
    assert_eq!(*refused.kind(), OpenErrorKind::Locked);
    store.close().await;
    restore(&backup, &path).unwrap();

    let store = open(&path);
    assert_eq!(stored(&store, &[old, lost]).await, [true, false]);
    assert!(
        store.next_notification() > lost,
        "its number is not given out again"
    );
    assert!(store.epoch() > epoch);
    store.close().await;
    let aside = open(&beside(&path, ".before-restore"));
    assert_eq!(stored(&aside, &[old, lost]).await, [true, true]);
    aside.close().await;

    let again = restore(&backup, &path).unwrap_err();
    assert_eq!(
        *again.kind(),
        OpenErrorKind::Exists,
        "the one put aside is not overwritten"
    );
    let fresh = directory.path().join("fresh.db");
    restore(&backup, &fresh).unwrap();
    let store = open(&fresh);
    assert!(store.notification(APP, old).await.unwrap().is_some());
    store.close().await;
}

#[tokio::test]
async fn a_bad_backup_replaces_nothing() {
    let (directory, path) = place();
    open(&path).close().await;
    let before = std::fs::read(&path).unwrap();
    let bad = directory.path().join("bad.db");

    let missing = restore(&bad, &path).unwrap_err();
    assert!(matches!(missing.kind(), OpenErrorKind::Io(_)), "{missing}");
    std::fs::write(&bad, "no").unwrap();
    assert_eq!(
        *restore(&bad, &path).unwrap_err().kind(),
        OpenErrorKind::NotADatabase
    );
    std::fs::write(&bad, "").unwrap();
    assert_eq!(
        *restore(&bad, &path).unwrap_err().kind(),
        OpenErrorKind::NotADatabase
    );
    let mut damaged = before.clone();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 4_096].fill(0xff);
    std::fs::write(&bad, damaged).unwrap();
    let error = restore(&bad, &path).unwrap_err();
    assert!(matches!(error.kind(), OpenErrorKind::Corrupt(_)), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert!(!beside(&path, ".before-restore").exists());
}
