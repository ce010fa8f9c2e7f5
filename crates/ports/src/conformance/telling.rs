//! Events that the store writes itself, in the transaction in which it learns of something.

use super::{Fixture, Subject, T0, everybody, options, settlement, some_delivery};
use crate::store::{Event, Failure, FanoutPage, NewNotification, Retirement, Settlement, WorkId};
use carillon_model::delivery::FinalState;
use carillon_model::event::{DeliveryFailed, DeviceRetired, NotificationCompleted};
use carillon_model::id::{DeviceNo, NotificationNo};
use carillon_model::lane::Gateway;
use carillon_model::push_type::{OnUnknown, TokenKind};

async fn events(f: &Fixture, kind: &str) -> Vec<Event> {
    let all = f.hot.events(f.app, 0, 1_000).await.unwrap();
    all.into_iter().filter(|event| event.kind == kind).collect()
}

/// Ids of notifications that were told complete, in order.
async fn completed(f: &Fixture) -> Vec<String> {
    let mut ids = Vec::new();
    for event in events(f, "notification.completed").await {
        let data: NotificationCompleted = serde_json::from_str(&event.data).unwrap();
        let subject = match &data.notifications[..] {
            [one] => one,
            _ => "",
        };
        assert_eq!(event.subject, subject);
        ids.extend(data.notifications);
    }
    ids
}

/// However a notification ends, and over a crash: told exactly once, by the transaction that ends it.
pub async fn completions_are_told_once(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 40).await;
    let mut ended: Vec<NotificationNo> = Vec::new();

    let single = f.single(1, true).await;
    f.settle(single.batch(0), vec![(0, FinalState::Accepted)], T0 + 1)
        .await;
    f.settle(single.batch(0), vec![(0, FinalState::Rejected)], T0 + 2)
        .await;
    ended.push(single);

    // Two in one settlement.
    let (first, second) = (f.single(2, true).await, f.single(3, true).await);
    let mut both = settlement(first.batch(0), vec![(0, FinalState::Accepted)], T0 + 3);
    let other = settlement(second.batch(0), vec![(0, FinalState::Accepted)], T0 + 3);
    both.batches.extend(other.batches);
    f.hot.settle(both).await.unwrap();
    ended.extend([first, second]);

    let nobody = f.accept(f.notification(&[], 1, false)).await;
    ended.push(nobody);

    // A cancel of what waits.
    let waiting = f.accept(f.notification(&devices, 1_000, false)).await;
    f.hot.cancel(f.app, waiting, T0 + 4).await.unwrap();
    f.hot.cancel(f.app, waiting, T0 + 5).await.unwrap();
    ended.push(waiting);

    // A fan-out that ends after its deliveries.
    let all = f
        .accept(NewNotification {
            fanout: Some(everybody()),
            ..f.notification(&[], 1, false)
        })
        .await;
    let page = |batches, finished| FanoutPage {
        notification: all,
        batches,
        after: DeviceNo(1),
        finished,
        badge: None,
        campaign: None,
        now: T0 + 6,
    };
    let batch = f.batch(all.batch(0), &devices[..2], true);
    f.hot
        .store_fanout_page(page(vec![batch], false))
        .await
        .unwrap();
    let both = vec![(0, FinalState::Accepted), (1, FinalState::Accepted)];
    f.settle(all.batch(0), both, T0 + 6).await;
    assert!(!completed(&f).await.contains(&all.public(T0)));
    f.hot.store_fanout_page(page(vec![], true)).await.unwrap();
    ended.push(all);

    // A rescue that drops what is in doubt.
    let dropped = NewNotification {
        options: options(OnUnknown::Drop),
        ..f.notification(&devices[..1], 1, true)
    };
    let dropped = f.accept(dropped).await;
    let work = WorkId {
        batch: dropped.batch(0),
        seq: 0,
    };
    f.hot.watermark(vec![(work, 1)]).await.unwrap();
    subject.restart().await;
    let f = f.again(subject);
    f.hot.rescue(None, 100, T0 + 7).await.unwrap();
    ended.push(dropped);

    subject.restart().await;
    let f = f.again(subject);
    let expected: Vec<_> = ended.iter().map(|no| no.public(T0)).collect();
    assert_eq!(completed(&f).await, expected);
}

/// By notification and transaction, with counts and examples; never what is no news.
pub async fn failures_are_told_once(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 40).await;
    let no = f.accept(f.notification(&devices, 1_000, true)).await;
    let failing = |verdicts: Vec<(u16, FinalState)>, now| {
        let mut step = settlement(no.batch(0), verdicts, now);
        let failures = step.batches[0]
            .verdicts
            .iter()
            .map(|(position, _)| Failure {
                position: *position,
                gateway: Gateway::Apns,
                reason: "BadTopic".into(),
            });
        step.batches[0].failures = failures.collect();
        step
    };
    let many = (0..30).map(|p| (p, FinalState::Rejected));
    let others = [(30, FinalState::Accepted), (31, FinalState::Cancelled)];
    let first = failing(many.chain(others).collect(), T0 + 1);
    f.hot.settle(first).await.unwrap();
    let again = vec![(0, FinalState::Rejected), (32, FinalState::Unknown)];
    f.hot.settle(failing(again, T0 + 2)).await.unwrap();
    // It was told that this one failed; that it was another failure is no news, nor is that it did not.
    f.hot
        .settle(failing(vec![(32, FinalState::Rejected)], T0 + 3))
        .await
        .unwrap();
    let told = events(&f, "delivery.failed").await;
    let data: Vec<DeliveryFailed> = told
        .iter()
        .map(|event| serde_json::from_str(&event.data).unwrap())
        .collect();
    assert_eq!(data.len(), 2);
    assert_eq!((data[0].count, data[0].examples.len()), (30, 20));
    assert_eq!(data[0].reasons[0].reason, "BadTopic");
    assert_eq!((data[1].count, &*data[1].reasons[0].state), (1, "unknown"));
    let id = no.public(T0);
    assert!(told.iter().all(|event| event.subject == id));
    assert!(data.iter().all(|failed| failed.notification == id));
    assert_eq!(told[0].at, T0 + 1);

    let single = f.single(1, true).await;
    let mut step = settlement(single.batch(0), vec![(0, FinalState::Expired)], T0 + 4);
    step.batches[0].failures = vec![Failure {
        position: 0,
        gateway: Gateway::Fcm,
        reason: String::new(),
    }];
    f.hot.settle(step).await.unwrap();
    let last = events(&f, "delivery.failed").await.pop().unwrap();
    let data: DeliveryFailed = serde_json::from_str(&last.data).unwrap();
    assert_eq!((data.count, data.reasons[0].gateway), (1, Gateway::Fcm));

    // What a cancelled retry leaves in doubt failed; the rest was wanted so.
    let cancelled = f.accept(f.notification(&devices[..2], 1_000, false)).await;
    f.hot.cancel(f.app, cancelled, T0 + 5).await.unwrap();
    assert_eq!(events(&f, "delivery.failed").await.len(), 3);
}

/// Only those that died by it, and by the caller's name of the device.
pub async fn dead_push_tokens_are_told_by_device(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 2).await;
    let read = f.hot.read_push_tokens(TokenKind::Alert, devices.clone());
    let (found, _) = read.await.unwrap();
    let retirement = |at: usize, generation| Retirement {
        app: f.app,
        delivery: some_delivery(),
        device: devices[at],
        kind: TokenKind::Alert,
        generation,
        since: None,
        reason: "Unregistered".into(),
    };
    let settlement = Settlement {
        retirements: vec![
            retirement(0, found[0].generation),
            retirement(1, found[1].generation + 1),
        ],
        now: T0 + 1,
        ..Settlement::default()
    };
    f.hot.settle(settlement.clone()).await.unwrap();
    f.hot.settle(settlement).await.unwrap();
    let told = events(&f, "device.retired").await;
    assert_eq!(told.len(), 1, "a push token dies once");
    let data: DeviceRetired = serde_json::from_str(&told[0].data).unwrap();
    let entries: Vec<_> = data
        .entries
        .iter()
        .map(|dead| (dead.device.as_deref(), &*dead.kind, &*dead.delivery))
        .collect();
    assert_eq!(
        entries,
        [(Some("d1"), "alert", &*some_delivery().to_string())]
    );
}
