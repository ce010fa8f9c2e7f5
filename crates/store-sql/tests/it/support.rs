//! What the tests share.

use bytes::Bytes;
use carillon_model::batch::BatchDevices;
use carillon_model::delivery::FinalState;
use carillon_model::id::{AppNo, BatchNo, DeviceNo, NotificationNo};
use carillon_model::lane::Class;
use carillon_model::push_type::OnUnknown;
use carillon_ports::conformance::{T0, first, lane, options, settlement};
use carillon_ports::store::{HotStore, NewBatch, NewNotification, Settlement};
use carillon_store_sql::{SqlStore, SqliteConfig};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// An App's number; the hot store does not ask whether there is one.
pub(crate) const APP: AppNo = AppNo(1);

/// A directory of the test's own and the database's path in it.
pub(crate) fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("carillon.db");
    (directory, path)
}

pub(crate) fn open(path: &Path) -> SqlStore {
    SqlStore::open(SqliteConfig::new(path)).unwrap()
}

/// `path` with something appended.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// A notification to one device, held.
pub(crate) fn single(no: NotificationNo) -> NewNotification {
    to(no, vec![DeviceNo(no.0)], 100)
}

/// A notification to some devices in one batch, with a payload of a size.
pub(crate) fn to(no: NotificationNo, devices: Vec<DeviceNo>, bytes: usize) -> NewNotification {
    NewNotification {
        no,
        app: APP,
        accepted_at: T0,
        when: carillon_ports::timer::When::AtOnce,
        expires_at: None,
        options: options(OnUnknown::Resend),
        payload: Bytes::from(vec![b'x'; bytes]),
        batches: vec![NewBatch {
            no: no.batch(0),
            devices: BatchDevices::new(devices),
            lane: lane(APP),
            class: Class::Normal,
            hot: true,
        }],
        badge: None,
        fanout: None,
        idempotency: None,
        throttle: None,
        consumes: None,
        turn: None,
        campaign: None,
        activity: None,
    }
}

/// The first delivery of a batch is accepted and its first work done.
pub(crate) fn accepted(batch: BatchNo) -> Settlement {
    let mut settlement = settlement(batch, vec![(0, FinalState::Accepted)], T0 + 1);
    settlement.batches[0].done = vec![first(batch)];
    settlement
}

/// Which of these notifications are there.
pub(crate) async fn stored(store: &SqlStore, numbers: &[NotificationNo]) -> Vec<bool> {
    let mut found = Vec::new();
    for no in numbers {
        found.push(store.notification(APP, *no).await.unwrap().is_some());
    }
    found
}

/// SQLite's own check of the whole file.
pub(crate) fn check_integrity(path: &Path) {
    let conn = rusqlite::Connection::open(path).unwrap();
    let found: String = conn
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(found, "ok");
}
