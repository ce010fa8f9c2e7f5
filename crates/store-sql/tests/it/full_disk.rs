//! No room: accepting is refused, all else goes on, nothing is half written.

use crate::child::command;
use crate::support::{accepted, beside, check_integrity, open, place, stored, to};
use carillon_model::id::{DeviceNo, NotificationNo};
use carillon_ports::conformance::T0;
use carillon_ports::store::{HotStore, Retention, StoreError};
use carillon_store_sql::{SqlStore, SqliteConfig};

fn large(no: NotificationNo) -> carillon_ports::store::NewNotification {
    to(no, vec![DeviceNo(1)], 3_000)
}

/// On a store that just refused for want of room, with what it accepted before.
pub(crate) async fn goes_on_without_room(store: &SqlStore, numbers: &[NotificationNo]) {
    let more = store.next_notification();
    let refused = store.accept(vec![large(more)]).await;
    assert!(matches!(refused, Err(StoreError::DiskFull)), "{refused:?}");
    assert_eq!(stored(store, &[more]).await, [false]);
    assert!(stored(store, numbers).await.into_iter().all(|there| there));
    for no in numbers {
        let done = store.settle(accepted(no.batch(0))).await.unwrap();
        assert_eq!(done, [*no]);
    }
    let retention = Retention {
        content_before: T0 + 100,
        records_before: T0 + 100,
        versions_before: T0 + 100,
        lists_before: T0 + 100,
        now: T0 + 100,
        slice: 50,
    };
    let mut slices = 0;
    while store.prune(retention).await.unwrap() > 0 {
        slices += 1;
        assert!(slices < 10_000, "it ends");
    }
    assert!(slices > 0);
    let room = store.next_notification();
    store.accept(vec![large(room)]).await.unwrap();
    assert_eq!(stored(store, &[room]).await, [true]);
}

#[tokio::test]
async fn a_full_database_refuses_and_prunes() {
    let (_directory, path) = place();
    let config = SqliteConfig {
        max_pages: 400,
        ..SqliteConfig::new(&path)
    };
    let store = SqlStore::open(config).unwrap();
    let mut numbers = Vec::new();
    loop {
        let no = store.next_notification();
        match store.accept(vec![large(no)]).await {
            Ok(_) => numbers.push(no),
            Err(StoreError::DiskFull) => break,
            Err(error) => panic!("{error}"),
        }
        assert!(numbers.len() < 1_000, "the limit is not felt");
    }
    assert!(numbers.len() > 50);
    goes_on_without_room(&store, &numbers).await;
    store.close().await;
    check_integrity(&path);
}

/// The operating system's limit on the size of a file, which SQLite reports as a plain I/O error.
#[test]
fn a_file_size_limit_is_a_full_disk() {
    let (_directory, path) = place();
    let output = command("fill", &path, Some(2_000)).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    let filled = text.lines().find_map(|line| line.strip_prefix("filled "));
    let count: usize = filled.unwrap_or_else(|| panic!("{text}")).parse().unwrap();
    assert!(count > 50, "{count}");
    check_integrity(&path);
}

#[test]
fn a_limit_that_comes_and_goes_is_survived() {
    let (_directory, path) = place();
    let output = command("squeeze", &path, Some(100_000)).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.lines().any(|line| line == "squeezed"), "{text}");
    check_integrity(&path);
}

#[tokio::test]
async fn the_reserve_is_not_for_notifications() {
    let (_directory, path) = place();
    let no = NotificationNo(1);
    let store = open(&path);
    store.accept(vec![large(no)]).await.unwrap();
    store.close().await;
    let config = SqliteConfig {
        reserve_bytes: u64::MAX,
        ..SqliteConfig::new(&path)
    };
    let store = SqlStore::open(config).unwrap();
    let refused = store.accept(vec![large(NotificationNo(2))]).await;
    assert!(matches!(refused, Err(StoreError::DiskFull)), "{refused:?}");
    assert_eq!(store.settle(accepted(no.batch(0))).await.unwrap(), [no]);
    store.close().await;
}

#[test]
fn any_other_io_error_stops_the_store() {
    let (_directory, path) = place();
    let output = command("fail", &path, Some(2_000)).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.lines().any(|line| line == "failed"), "{text}");
    std::fs::remove_dir(beside(&path, ".probe")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = open(&path);
        store
            .accept(vec![large(store.next_notification())])
            .await
            .unwrap();
        store.close().await;
    });
    check_integrity(&path);
}
