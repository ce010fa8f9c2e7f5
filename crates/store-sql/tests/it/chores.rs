//! What keeps the files short, in slices that delay nobody.

use crate::support::{accepted, beside, check_integrity, open, place, single, to};
use carillon_model::batch::BatchDevices;
use carillon_model::delivery::FinalState;
use carillon_model::id::{DeviceNo, NotificationNo};
use carillon_ports::conformance::{T0, first, settlement};
use carillon_ports::store::{HotStore, Retention};
use carillon_store_sql::{SqlStore, SqliteConfig};

/// The log is copied beside the writer and begins anew: it stays much shorter than what was written.
#[tokio::test]
async fn the_log_begins_anew() {
    let (_directory, path) = place();
    let config = SqliteConfig {
        checkpoint_pages: 50,
        ..SqliteConfig::new(&path)
    };
    let store = SqlStore::open(config).unwrap();
    let mut written = 0u64;
    for no in (1..=20_000).map(NotificationNo) {
        store
            .accept(vec![to(no, vec![DeviceNo(1)], 3_000)])
            .await
            .unwrap();
        written += 3_000;
        let log = std::fs::metadata(beside(&path, "-wal")).unwrap().len();
        if written > 3_000_000 && log * 4 < written {
            store.close().await;
            check_integrity(&path);
            return;
        }
    }
    panic!("the log never began anew");
}

/// A slice deletes about as much as it was told, whatever it finds.
#[tokio::test]
async fn slices_of_pruning_are_bounded() {
    let (_directory, path) = place();
    let store = open(&path);
    let no = NotificationNo(1);
    let mut large = single(no);
    let batch = large.batches.remove(0);
    for place in 0..40u32 {
        let mut one = batch.clone();
        one.no = no.batch(place);
        let devices = (1..=20).map(|n| DeviceNo(i64::from(place) * 100 + n));
        one.devices = BatchDevices::new(devices.collect());
        large.batches.push(one);
    }
    store.accept(vec![large]).await.unwrap();
    for place in 0..40 {
        let all = (0..20).map(|p| (p, FinalState::Accepted)).collect();
        let mut step = settlement(no.batch(place), all, T0);
        step.batches[0].done = vec![first(no.batch(place))];
        store.settle(step).await.unwrap();
    }
    for no in (2..=60).map(NotificationNo) {
        store.accept(vec![single(no)]).await.unwrap();
        store.settle(accepted(no.batch(0))).await.unwrap();
    }
    let retention = Retention {
        content_before: T0 + 100,
        records_before: T0 + 100,
        versions_before: T0 + 100,
        lists_before: T0 + 100,
        now: T0,
        slice: 8,
    };
    let (mut total, mut slices) = (0, 0);
    loop {
        let rows = store.prune(retention).await.unwrap();
        if rows == 0 {
            break;
        }
        assert!(rows <= 8 * 6, "{rows} rows in a slice of 8");
        (total, slices) = (total + rows, slices + 1);
        assert!(slices < 1_000, "it ends");
    }
    assert!(total >= 40 + 59 * 2 && slices >= 12, "{total} in {slices}");
    assert_eq!(
        crate::support::stored(&store, &[no, NotificationNo(60)]).await,
        [false, false]
    );
    store.close().await;
}

/// A deleted range of numbers leaves nothing behind in any table.
#[tokio::test]
async fn pruning_leaves_no_orphans() {
    let (_directory, path) = place();
    let store = open(&path);
    for no in (1..=30).map(NotificationNo) {
        let devices = (1..=no.0).map(DeviceNo).collect();
        store.accept(vec![to(no, devices, 10)]).await.unwrap();
        let all = (0..no.0 as u16)
            .map(|p| (p, FinalState::Rejected))
            .collect();
        let mut step = settlement(no.batch(0), all, T0);
        step.batches[0].done = vec![first(no.batch(0))];
        store.settle(step).await.unwrap();
    }
    while store.index_devices(7).await.unwrap() > 0 {}
    let retention = Retention {
        content_before: T0 + 1,
        records_before: T0 + 1,
        versions_before: T0 + 1,
        lists_before: T0 + 1,
        now: T0,
        slice: 10,
    };
    while store.prune(retention).await.unwrap() > 0 {}
    store.close().await;
    let conn = rusqlite::Connection::open(&path).unwrap();
    for table in [
        "notifications",
        "tallies",
        "fanouts",
        "batches",
        "batch_devices",
        "batch_verdicts",
        "crowds",
        "work",
        "attempts",
        "device_batches",
        "stragglers",
    ] {
        let count: i64 = conn
            .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(count, 0, "{table}");
    }
}
