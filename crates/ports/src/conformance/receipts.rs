//! Receipts.

use super::{Fixture, Subject, T0};
use crate::receipt::{NewReceipt, ReceiptAnswer};
use crate::store::Retention;
use carillon_model::UnixMs;
use carillon_model::delivery::FinalState;
use carillon_model::event::Receipts;
use carillon_model::id::{DeliveryId, NotificationNo};
use carillon_model::receipts::{DeliveryReceipts, ReceiptKind};

const DAY_MS: i64 = 86_400_000;

fn receipt(no: NotificationNo, position: u16, kind: ReceiptKind, at: UnixMs) -> NewReceipt {
    NewReceipt {
        delivery: DeliveryId {
            batch: no.batch(0),
            position,
        },
        kind,
        at,
    }
}

/// The first of each kind counts, over a restart too; told once, together.
pub async fn receipts_are_kept_once(subject: &mut dyn Subject) {
    use ReceiptAnswer::{Gone, Recorded, Repeated};
    use ReceiptKind::{Delivered, Opened};
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 40).await;
    let no = f.accept(f.notification(&devices, 1_000, true)).await;
    let other = f.single(1, true).await;
    let store = subject.receipts();
    let all = vec![
        receipt(no, 0, Delivered, T0 + 5),
        receipt(no, 39, Delivered, T0 + 6),
        receipt(no, 0, Delivered, T0 + 7),
        receipt(no, 0, Opened, T0 + 8),
        receipt(no, 40, Delivered, T0 + 5),
        receipt(NotificationNo(9_999), 0, Delivered, T0 + 5),
        receipt(other, 0, Opened, T0 - 50),
    ];
    let answers = store.record_receipts(all, T0 + 10).await.unwrap();
    assert_eq!(
        answers,
        [Recorded, Recorded, Repeated, Recorded, Gone, Gone, Recorded]
    );
    subject.restart().await;
    let store = subject.receipts();
    let f = f.again(subject);
    let late = vec![
        receipt(no, 39, Delivered, T0 + 20),
        // A clock that is ahead, and one that is behind.
        receipt(no, 1, Opened, T0 + 999_999),
    ];
    let answers = store.record_receipts(late, T0 + 30).await.unwrap();
    assert_eq!(answers, [Repeated, Recorded]);
    let of = |position| DeliveryId {
        batch: no.batch(0),
        position,
    };
    let read = async |id| store.receipts(id).await.unwrap();
    let both = DeliveryReceipts {
        delivered_at: Some(T0 + 5),
        opened_at: Some(T0 + 8),
    };
    assert_eq!(read(of(0)).await, both);
    assert_eq!(read(of(39)).await.delivered_at, Some(T0 + 6));
    assert_eq!(
        read(of(1)).await.opened_at,
        Some(T0 + 30),
        "not later than now"
    );
    let single = DeliveryId {
        batch: other.batch(0),
        position: 0,
    };
    assert_eq!(
        read(single).await.opened_at,
        Some(T0),
        "nor before there was anything"
    );
    assert_eq!(read(of(2)).await, DeliveryReceipts::default());
    assert_eq!(store.receipt_counts(no).await.unwrap(), (2, 2));
    assert_eq!(store.receipt_counts(other).await.unwrap(), (0, 1));
    assert_eq!(
        store.receipt_counts(NotificationNo(9_999)).await.unwrap(),
        (0, 0)
    );

    let events = f.hot.events(f.app, 0, 100).await.unwrap();
    let told: Vec<(String, usize)> = events
        .iter()
        .map(|event| {
            let data: Receipts = serde_json::from_str(&event.data).unwrap();
            assert_eq!(data.notification, event.subject);
            (event.kind.clone(), data.deliveries.len())
        })
        .collect();
    let told: Vec<(&str, usize)> = told.iter().map(|(kind, n)| (&**kind, *n)).collect();
    assert_eq!(
        told,
        [
            ("receipt.delivered", 2),
            ("receipt.opened", 1),
            ("receipt.opened", 1),
            ("receipt.opened", 1)
        ]
    );
}

/// They go with their batch.
pub async fn receipts_go_with_their_batch(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let store = subject.receipts();
    let no = f.single(1, true).await;
    let one = receipt(no, 0, ReceiptKind::Delivered, T0);
    store.record_receipts(vec![one], T0).await.unwrap();
    f.settle(no.batch(0), vec![(0, FinalState::Accepted)], T0 + 1)
        .await;
    let retention = Retention {
        content_before: T0 + DAY_MS,
        records_before: T0 + DAY_MS,
        versions_before: T0 + DAY_MS,
        lists_before: T0 + DAY_MS,
        now: T0 + 2 * DAY_MS,
        slice: 100,
    };
    let mut slices = 0;
    while f.hot.prune(retention).await.unwrap() > 0 {
        slices += 1;
        assert!(slices < 100, "it ends");
    }
    assert_eq!(
        store.receipts(one.delivery).await.unwrap(),
        DeliveryReceipts::default()
    );
    assert_eq!(store.receipt_counts(no).await.unwrap(), (0, 0));
    let answer = store.record_receipts(vec![one], T0 + 2 * DAY_MS).await;
    assert_eq!(answer.unwrap(), [ReceiptAnswer::Gone]);
}
