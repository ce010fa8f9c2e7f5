//! Accepting.

use super::{Fixture, Subject, T0, everybody, first, lane};
use crate::store::{Acceptance, Idempotency};
use carillon_model::delivery::FinalState;
use carillon_model::lane::Class;

/// What was accepted is read back as it was given.
pub async fn accepts_what_it_is_given(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 2_021).await;
    let mut item = f.notification(&devices, 1_000, false);
    item.options.collapse_id = Some("match-7".into());
    let given = item.clone();
    let no = f.accept(item).await;

    let view = f.view(no).await;
    assert_eq!(view.head.no, no);
    assert_eq!(view.head.app, f.app);
    assert_eq!(view.head.accepted_at, T0);
    assert_eq!(view.head.expires_at, given.expires_at);
    assert_eq!(view.head.options, given.options);
    assert_eq!(view.head.payload, given.payload);
    assert!(!view.head.cancelled && view.fanout_finished);
    assert_eq!((view.deliveries, view.open), (2_021, 2_021));
    assert_eq!((view.states, view.completed_at), (vec![], None));

    let works = f.claim(T0).await;
    assert_eq!(works.len(), 3);
    for (work, batch) in works.iter().zip(&given.batches) {
        assert_eq!(work.work.id, first(batch.no));
        assert_eq!(work.devices, batch.devices);
        assert_eq!(work.work.lane, lane(f.app));
        assert_eq!(work.work.class, Class::Normal);
        assert_eq!((work.work.attempt, work.work.watermark), (0, 0));
        assert!(!work.work.in_doubt && work.work.positions.is_none());
        assert_eq!(work.work.due_at, None);
        assert_eq!(work.verdicts.still_open(), batch.devices.count());
        assert_eq!(work.notification.payload, given.payload);
    }
    let other = carillon_model::id::AppNo(f.app.0 + 1);
    assert!(f.hot.notification(other, no).await.unwrap().is_none());
}

/// A key with the same body is the same notification, with another body an error; in one call, in
/// the next one, after a restart; until its time is over.
pub async fn repeats_are_told_apart(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 1).await;
    let with = |key: &str, body: u8, f: &Fixture| {
        let mut item = f.notification(&devices, 1, true);
        item.idempotency = Some(Idempotency {
            scoped_key: key.into(),
            body_hash: [body; 32],
            keep_until: T0 + 1_000,
        });
        item
    };
    let items = vec![
        with("a", 1, &f),
        with("a", 1, &f),
        with("a", 2, &f),
        with("b", 2, &f),
    ];
    let numbers: Vec<_> = items.iter().map(|item| item.no).collect();
    let repeated = Acceptance::Repeated {
        no: numbers[0],
        accepted_at: T0,
    };
    assert_eq!(
        f.hot.accept(items).await.unwrap(),
        [
            Acceptance::New,
            repeated.clone(),
            Acceptance::KeyReused,
            Acceptance::New
        ]
    );
    for not_stored in [numbers[1], numbers[2]] {
        assert!(
            f.hot
                .notification(f.app, not_stored)
                .await
                .unwrap()
                .is_none()
        );
    }
    subject.restart().await;
    let f = f.again(subject);
    let again = f.hot.accept(vec![with("a", 1, &f)]).await.unwrap();
    assert_eq!(again, [repeated]);
    let asked = [("a", 1), ("a", 2), ("b", 2), ("c", 1)];
    let keys = asked
        .map(|(key, body)| (key.to_owned(), [body; 32]))
        .to_vec();
    let before = f.hot.accepted_before(keys.clone(), T0 + 999).await.unwrap();
    let first = Some((numbers[0], T0));
    assert_eq!(before, [first, None, Some((numbers[3], T0)), None]);
    let later = f.hot.accepted_before(keys, T0 + 1_000).await.unwrap();
    assert_eq!(later, [None; 4], "kept no longer");

    let mut late = with("a", 9, &f);
    late.accepted_at = T0 + 1_000;
    assert_eq!(f.hot.accept(vec![late]).await.unwrap(), [Acceptance::New]);
}

/// Numbers rise over a restart, and so does the epoch; the seed stays.
pub async fn numbers_are_never_reused(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let (epoch, seed) = (f.hot.epoch(), f.hot.installation_seed());
    let mut last = f.single(1, true).await;
    let mut seq = f.hot.next_seq();
    let device = f.devices(1, 1).await[0];
    for round in 0..3 {
        subject.restart().await;
        let f = Fixture::new(subject).await;
        assert!(f.hot.epoch() > epoch + round);
        assert_eq!(f.hot.installation_seed(), seed);
        let (next, next_seq) = (f.hot.next_notification(), f.hot.next_seq());
        assert!(next > last, "{next} after {last}");
        assert!(next_seq > seq && next_seq > 0, "{next_seq} after {seq}");
        (last, seq) = (f.single(2 + round as u64, true).await, next_seq);
    }
    let f = Fixture::new(subject).await;
    f.registry
        .delete_device(f.app, "d4".into(), T0, super::nobody())
        .await
        .unwrap();
    subject.restart().await;
    let f = f.again(subject);
    let newest = f.devices(9, 1).await[0];
    assert!(
        newest.0 > device.0 + 3,
        "a deleted device's number is not given out again"
    );
}

/// Nobody to send to: complete, unless a fan-out has yet to find somebody.
pub async fn an_empty_audience_is_complete_at_once(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let no = f.accept(f.notification(&[], 1, true)).await;
    let view = f.view(no).await;
    assert_eq!((view.deliveries, view.open), (0, 0));
    assert_eq!(view.completed_at, Some(T0));

    let mut item = f.notification(&[], 1, true);
    item.fanout = Some(everybody());
    let no = f.accept(item).await;
    let view = f.view(no).await;
    assert!(!view.fanout_finished);
    assert_eq!(view.completed_at, None);
    assert_eq!(view.states, [] as [(FinalState, u64); 0]);
}
