//! Retention.

use super::{Fixture, Subject, T0, address, nobody, settlement};
use crate::store::{Idempotency, NewEvent, Retention, Settlement};
use carillon_model::UnixMs;
use carillon_model::delivery::FinalState;
use carillon_model::environment::TokenEnvironment;
use carillon_model::id::DeviceNo;
use carillon_model::push_type::{Reach, TokenKind};

const DAY: i64 = 86_400_000;

async fn prune(f: &Fixture, content_before: UnixMs, records_before: UnixMs, now: UnixMs) -> u32 {
    let mut slices = 0;
    loop {
        let rows = f
            .hot
            .prune(Retention {
                content_before,
                records_before,
                versions_before: records_before,
                lists_before: records_before,
                now,
                slice: 5,
            })
            .await
            .unwrap();
        if rows == 0 {
            return slices;
        }
        slices += 1;
        assert!(slices < 1_000, "it ends");
    }
}

/// Payloads first, records later, each by when it was completed; the rest of its time by its own.
pub async fn prunes_content_and_records(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 30).await;
    let mut old = Vec::new();
    for (n, size) in [(1usize, 1usize), (3, 3), (30, 7), (30, 30)] {
        let mut item = f.notification(&devices[..n], size, true);
        item.idempotency = Some(Idempotency {
            scoped_key: format!("key{n}{size}"),
            body_hash: [0; 32],
            keep_until: T0 + DAY,
        });
        let no = f.accept(item).await;
        for place in 0..n.div_ceil(size) as u32 {
            let all = (0..30).map(|p| (p, FinalState::Accepted)).collect();
            f.settle(no.batch(place), all, T0 + 10).await;
        }
        old.push(no);
    }
    let open = f.single(99, true).await;
    f.hot
        .settle(Settlement {
            events: vec![NewEvent {
                app: f.app,
                kind: "environment.flood",
                subject: "shop".into(),
                data: "{}".into(),
            }],
            now: T0,
            ..Settlement::default()
        })
        .await
        .unwrap();

    prune(&f, T0 + 10, T0 - 30 * DAY, T0).await;
    for no in &old {
        let view = f.view(*no).await;
        assert!(!view.head.payload.is_empty(), "{no} before its time");
    }
    assert!(prune(&f, T0 + 11, T0 - 30 * DAY, T0 + 11).await > 0);
    for no in &old {
        let view = f.view(*no).await;
        assert!(view.head.payload.is_empty(), "{no}");
        assert_eq!(view.open, 0);
    }
    assert!(!f.view(open).await.head.payload.is_empty());
    let told = f.hot.events(f.app, 0, 9).await.unwrap();
    assert_eq!(told.len(), old.len() + 1, "and that each was completed");

    while f.hot.index_devices(100).await.unwrap() > 0 {}
    assert!(prune(&f, T0 + 11, T0 + 11, T0 + 2 * DAY).await > 0);
    for no in &old {
        assert!(f.hot.notification(f.app, *no).await.unwrap().is_none());
        assert!(f.deliveries(*no).await.is_empty());
    }
    assert!(f.view(open).await.open == 1);
    assert!(f.hot.events(f.app, 0, 9).await.unwrap().is_empty());
    let history = f
        .hot
        .device_deliveries(f.app, devices[0], None, 99)
        .await
        .unwrap();
    assert_eq!(history, []);
    let late = settlement(old[0].batch(0), vec![(0, FinalState::Rejected)], T0 + DAY);
    assert_eq!(
        f.hot.settle(late).await.unwrap(),
        [],
        "a late answer about nothing"
    );
    // The key's time is over too: it may name something else.
    let mut item = f.notification(&devices[..1], 1, true);
    item.accepted_at = T0 + DAY - 1;
    item.idempotency = Some(Idempotency {
        scoped_key: "key11".into(),
        body_hash: [9; 32],
        keep_until: T0 + 9 * DAY,
    });
    f.accept(item).await;
}

/// A notification of many batches goes whole, in however many slices.
pub async fn prunes_large_notifications_in_slices(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 60).await;
    let no = f.accept(f.notification(&devices, 2, true)).await;
    for place in 0..30 {
        let all = vec![(0, FinalState::Accepted), (1, FinalState::Rejected)];
        f.settle(no.batch(place), all, T0).await;
    }
    assert!(prune(&f, 0, T0 + 1, T0).await > 0);
    assert!(f.hot.notification(f.app, no).await.unwrap().is_none());
}

/// What was not done when the pruner came by goes later, whatever else came after it.
pub async fn stragglers_are_not_forgotten(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let mut numbers = Vec::new();
    for n in 0..20 {
        numbers.push(f.single(n, true).await);
    }
    for no in &numbers[10..] {
        f.settle(no.batch(0), vec![(0, FinalState::Accepted)], T0 + 1)
            .await;
    }
    prune(&f, T0 + DAY, T0 + DAY, T0).await;
    for no in &numbers[10..] {
        assert!(f.hot.notification(f.app, *no).await.unwrap().is_none());
    }
    subject.restart().await;
    let f = f.again(subject);
    for no in &numbers[..10] {
        f.settle(no.batch(0), vec![(0, FinalState::Accepted)], T0 + 2 * DAY)
            .await;
    }
    prune(&f, T0 + 2 * DAY, T0 + 2 * DAY, T0).await;
    assert_eq!(f.view(numbers[0]).await.completed_at, Some(T0 + 2 * DAY));
    // A round over stragglers may need more than one visit.
    for _ in 0..4 {
        prune(&f, T0 + 3 * DAY, T0 + 3 * DAY, T0).await;
    }
    for no in &numbers {
        assert!(f.hot.notification(f.app, *no).await.unwrap().is_none());
    }
}

/// Devices and records of a deleted App go, whatever their age; another App's stay.
pub async fn prunes_what_a_deleted_app_left(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 12).await;
    let done = f.accept(f.notification(&devices, 3, true)).await;
    for place in 0..4 {
        let all = (0..3).map(|p| (p, FinalState::Accepted)).collect();
        f.settle(done.batch(place), all, T0).await;
    }
    let (other, _) = f
        .registry
        .put_app(
            "other".into(),
            "Other".into(),
            Default::default(),
            T0,
            nobody(),
        )
        .await
        .unwrap();
    let kept = f
        .hot
        .resolve_push_tokens(
            other.no,
            vec![address(1)],
            TokenKind::Alert,
            TokenEnvironment::Auto,
            T0,
        )
        .await
        .unwrap();
    assert!(f.registry.delete_app(f.app, T0, nobody()).await.unwrap());
    assert!(!f.registry.delete_app(f.app, T0, nobody()).await.unwrap());
    assert!(prune(&f, 0, 0, 0).await >= 3);
    assert_eq!(f.registry.device_count(f.app).await.unwrap(), 0);
    let (found, without) = f
        .hot
        .read_push_tokens(TokenKind::Alert, devices)
        .await
        .unwrap();
    assert!(found.is_empty() && without.is_empty());
    assert!(f.hot.notification(f.app, done).await.unwrap().is_none());
    assert_eq!(f.registry.device_count(other.no).await.unwrap(), 1);
    let left = f
        .hot
        .fanout_devices(
            other.no,
            None,
            Reach::only(TokenKind::Alert),
            DeviceNo(0),
            9,
        )
        .await
        .unwrap();
    assert_eq!(left[0].device, kept[0].device);
}
