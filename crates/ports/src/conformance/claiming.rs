//! Claiming and giving back.

use super::{Fixture, Subject, T0, first, lane};
use carillon_model::environment::TokenEnvironment;
use carillon_model::lane::{Class, Lane};

/// What is due first is claimed first, and nothing before it is due.
pub async fn claims_the_oldest_first(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 3).await;
    let mut numbers = Vec::new();
    for (device, at) in devices.iter().zip([T0 + 30, T0 + 10, T0 + 20]) {
        let mut item = f.notification(&[*device], 1, false);
        item.accepted_at = at;
        numbers.push(f.accept(item).await);
    }
    assert!(f.claim(T0 + 9).await.is_empty());
    let due = f.claim(T0 + 25).await;
    let order: Vec<_> = due.iter().map(|work| work.notification.no).collect();
    assert_eq!(order, [numbers[1], numbers[2]]);
    assert_eq!(f.claim(T0 + 40).await[0].notification.no, numbers[0]);
    assert!(
        f.claim(T0 + 40).await.is_empty(),
        "held work is not claimed again"
    );
}

/// At most so many rows, and about so many deliveries, but never nothing.
pub async fn claims_within_its_limits(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 500).await;
    f.accept(f.notification(&devices, 100, false)).await;
    let mut claimed = Vec::new();
    for (batches, deliveries, expected) in [(1, 1_000, 1), (9, 1, 1), (9, 150, 2), (9, 1_000, 1)] {
        let works = f
            .hot
            .claim(lane(f.app), Class::Normal, T0, batches, deliveries)
            .await
            .unwrap();
        assert_eq!(
            works.len(),
            expected,
            "{batches} batches, {deliveries} deliveries"
        );
        claimed.extend(works.into_iter().map(|work| work.work.id));
    }
    claimed.sort_unstable();
    claimed.dedup();
    assert_eq!(claimed.len(), 5);
}

/// Work of another lane or class is somebody else's.
pub async fn lanes_are_apart(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 4).await;
    let sandbox = Lane {
        environment: TokenEnvironment::Sandbox,
        ..lane(f.app)
    };
    let kinds = [
        (lane(f.app), Class::Bulk, T0 + 3),
        (lane(f.app), Class::Urgent, T0 + 2),
        (sandbox, Class::Normal, T0 + 1),
    ];
    for (device, (lane, class, at)) in devices.iter().zip(kinds) {
        let mut item = f.notification(&[*device], 1, false);
        item.accepted_at = at;
        item.batches[0].lane = lane;
        item.batches[0].class = class;
        f.accept(item).await;
    }
    f.accept(f.notification(&devices[3..], 1, true)).await;

    let mut waiting = f.hot.waiting_lanes().await.unwrap();
    waiting.sort_unstable();
    let mut expected = kinds.to_vec();
    expected.sort_unstable();
    assert_eq!(waiting, expected, "held work does not wait");
    assert!(f.claim(T0 + 9).await.is_empty());
    let urgent = f
        .hot
        .claim(lane(f.app), Class::Urgent, T0 + 9, 9, 9)
        .await
        .unwrap();
    assert_eq!(urgent[0].work.class, Class::Urgent);
    assert_eq!(urgent.len(), 1);
    assert_eq!(f.hot.waiting_lanes().await.unwrap().len(), 2);
}

/// Given back: due when it was said, with nothing in doubt.
pub async fn released_work_comes_back(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let no = f.single(1, true).await;
    let id = first(no.batch(0));
    f.hot.watermark(vec![(id, 1)]).await.unwrap();
    f.hot.release(vec![(id, T0 + 5)]).await.unwrap();
    assert_eq!(
        f.hot.waiting_lanes().await.unwrap(),
        [(lane(f.app), Class::Normal, T0 + 5)]
    );
    assert_eq!(f.deliveries(no).await[0].next_attempt_at, Some(T0 + 5));
    let works = f.claim(T0 + 5).await;
    assert_eq!(works[0].work.id, id);
    assert_eq!((works[0].work.attempt, works[0].work.watermark), (0, 0));
    let view = f.deliveries(no).await.remove(0);
    assert_eq!((view.next_attempt_at, view.lane), (None, Some(lane(f.app))));

    f.hot.watermark(vec![(id, 1)]).await.unwrap();
    f.hot.watermark(vec![(id, 0)]).await.unwrap();
    let missing = crate::store::WorkId { seq: 77, ..id };
    f.hot.watermark(vec![(missing, 3)]).await.unwrap();
    f.hot.release(vec![(missing, T0)]).await.unwrap();
    assert!(
        f.claim(T0 + 9).await.is_empty(),
        "what is not there is passed over"
    );
}

/// How much waits in each lane, up to a limit, and since when.
pub async fn backlogs_are_counted(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    assert_eq!(f.hot.backlog(10).await.unwrap(), []);
    let devices = f.devices(1, 5).await;
    for (n, device) in (0..).zip(&devices) {
        let mut item = f.notification(&[*device], 1, n == 4);
        item.accepted_at = T0 + n;
        f.accept(item).await;
    }
    assert_eq!(f.hot.backlog(10).await.unwrap(), [(lane(f.app), 4, T0)]);
    assert_eq!(f.hot.backlog(2).await.unwrap()[0].1, 2);
}
