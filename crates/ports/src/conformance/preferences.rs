//! What users want, what they got, and their badge counters.

use super::{Fixture, Subject, T0, everybody, first, nobody, registration, settlement};
use crate::preferences::Reservation;
use crate::store::{Acceptance, FanoutPage, Idempotency, NewNotification, Retention};
use carillon_model::body::BadgeChange;
use carillon_model::delivery::FinalState;
use carillon_model::device::DeviceRegistration;
use carillon_model::frequency::FrequencyCap;
use carillon_model::id::{BatchNo, DeviceNo, NotificationNo};
use carillon_model::preferences::Preferences;
use std::sync::Arc;

fn without(category: &str) -> Preferences {
    Preferences {
        categories: [(category.to_owned(), false)].into(),
        ..Preferences::default()
    }
}

/// Preferences are kept by user, replaced whole, and found by device.
pub async fn keeps_preferences(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 3).await;
    let u1 = || "u1".to_owned();
    assert!(f.registry.directory().await.unwrap().preferring.is_empty());
    assert_eq!(f.registry.preferences(f.app, u1()).await.unwrap(), None);

    let put = async |user: &str, category, at| {
        let put = f
            .registry
            .put_preferences(f.app, user.into(), without(category), at);
        let put = put.await.unwrap();
        (put.created, put.is_first_of_app)
    };
    assert_eq!(put("u1", "marketing", T0).await, (true, true));
    assert_eq!(put("u1", "news", T0 + 1).await, (false, false));
    assert_eq!(put("u2", "marketing", T0 + 2).await, (true, false));
    let stored = f.registry.preferences(f.app, u1()).await.unwrap().unwrap();
    assert_eq!(
        (stored.preferences, stored.updated_at),
        (without("news"), T0 + 1)
    );
    let directory = f.registry.directory().await.unwrap();
    assert_eq!(directory.preferring, [f.app]);

    let gone = DeviceNo(devices[2].0 + 1_000);
    let asked = vec![devices[0], devices[1], devices[2], gone];
    let found = f.hot.device_preferences(asked.clone()).await.unwrap();
    let told: Vec<_> = found
        .iter()
        .map(|of| (of.device, of.user_id.as_deref(), of.preferences.clone()))
        .collect();
    assert_eq!(
        told,
        [
            (devices[0], Some("u1"), Some(without("news"))),
            (devices[1], Some("u2"), Some(without("marketing"))),
            (devices[2], Some("u3"), None),
        ]
    );

    subject.restart().await;
    let f = f.again(subject);
    let delete = || f.registry.delete_preferences(f.app, u1());
    assert!(delete().await.unwrap());
    assert!(!delete().await.unwrap());
    f.registry
        .erase_user(f.app, "u2".into(), T0 + 3, nobody())
        .await
        .unwrap();
    let u2 = f.registry.preferences(f.app, "u2".into()).await.unwrap();
    assert_eq!(u2, None, "erased with the user");
    let left = f.hot.device_preferences(asked).await.unwrap();
    assert!(left.iter().all(|of| of.preferences.is_none()));
    let directory = f.registry.directory().await.unwrap();
    assert_eq!(directory.preferring, [f.app], "that there were some stays");
}

fn cap(max: u32, per: i64, categories: &[&str]) -> FrequencyCap {
    FrequencyCap {
        max,
        per,
        categories: categories.iter().map(|name| (*name).to_owned()).collect(),
    }
}

/// A user has no more counted than the caps let through, and nothing twice.
pub async fn caps_are_kept(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let caps: Arc<[FrequencyCap]> = vec![cap(3, 1_000, &[]), cap(1, 1_000, &["marketing"])].into();
    let app = f.app;
    let wanted = |no: i64, category: Option<&str>| Reservation {
        app,
        user_id: "u1".into(),
        notification: NotificationNo(no),
        category: category.map(str::to_owned),
        caps: caps.clone(),
    };
    let all = vec![
        wanted(1, Some("marketing")),
        wanted(2, Some("marketing")),
        wanted(1, Some("marketing")),
        wanted(3, None),
        wanted(4, Some("orders")),
        wanted(5, None),
    ];
    assert_eq!(
        f.hot.reserve(all.clone(), T0).await.unwrap(),
        [true, false, true, true, true, false]
    );
    let other = Reservation {
        user_id: "u2".into(),
        ..wanted(5, None)
    };
    assert_eq!(f.hot.reserve(vec![other], T0).await.unwrap(), [true]);

    subject.restart().await;
    let f = f.again(subject);
    assert_eq!(
        f.hot.reserve(all.clone(), T0 + 999).await.unwrap(),
        [true, false, true, true, true, false],
        "what was counted is let through again, also after a restart"
    );
    let later = vec![wanted(2, Some("marketing")), wanted(6, Some("marketing"))];
    assert_eq!(
        f.hot.reserve(later, T0 + 1_000).await.unwrap(),
        [true, false],
        "the window slides"
    );
    let uncovered = Reservation {
        caps: vec![cap(1, 1_000, &["marketing"])].into(),
        ..wanted(7, None)
    };
    assert_eq!(
        f.hot.reserve(vec![uncovered; 2], T0).await.unwrap(),
        [true; 2]
    );

    f.registry
        .erase_user(f.app, "u1".into(), T0 + 1_001, nobody())
        .await
        .unwrap();
    let after = vec![wanted(8, Some("marketing"))];
    assert_eq!(f.hot.reserve(after, T0 + 1_001).await.unwrap(), [true]);
}

/// Devices of users: `(id, user)`, the latter may be missing.
async fn register(f: &Fixture, devices: &[(&str, Option<&str>)]) -> Vec<DeviceNo> {
    let registrations = (1_000..).zip(devices).map(|(number, (id, user))| {
        let registration = registration(id, "", number);
        DeviceRegistration {
            user_id: user.map(str::to_owned),
            ..registration
        }
    });
    let registered = f
        .registry
        .register_devices(f.app, registrations.collect(), T0);
    let registered = registered.await.unwrap();
    registered.into_iter().map(|device| device.no).collect()
}

async fn numbers(f: &Fixture, batch: BatchNo, count: u16) -> Vec<u32> {
    let found = f.hot.badges(vec![batch]).await.unwrap();
    let [(no, badges)] = &found[..] else {
        panic!("expected the numbers of one batch, found {found:?}");
    };
    assert_eq!(*no, batch);
    assert_eq!(badges.get(count), None);
    (0..count).filter_map(|p| badges.get(p)).collect()
}

fn counting(f: &Fixture, devices: &[DeviceNo], size: usize, badge: BadgeChange) -> NewNotification {
    NewNotification {
        badge: Some(badge),
        ..f.notification(devices, size, true)
    }
}

/// A notification changes a counter once, and its batches remember what it said then.
pub async fn counts_badges_once(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = [
        ("phone", Some("u1")),
        ("tablet", Some("u1")),
        ("other", Some("u2")),
        ("nobody's", None),
    ];
    let devices = register(&f, &devices).await;
    let badge = async |f: &Fixture, user: &str| f.registry.badge(f.app, user.into()).await.unwrap();
    assert_eq!(badge(&f, "u1").await, 0);
    let plain = f.accept(f.notification(&devices, 4, true)).await;
    assert!(f.hot.badges(vec![plain.batch(0)]).await.unwrap().is_empty());

    // A user's devices in several batches of one notification, and again in the next.
    let more = BadgeChange::Increment(2);
    let one = f.accept(counting(&f, &devices, 1, more)).await;
    for place in 0..4 {
        assert_eq!(numbers(&f, one.batch(place), 1).await, [2], "{place}");
    }
    let mut item = counting(&f, &devices, 4, more);
    item.idempotency = Some(Idempotency {
        scoped_key: "k".into(),
        body_hash: [1; 32],
        keep_until: T0 + 1_000,
    });
    let two = f.accept(item.clone()).await;
    let again = NewNotification {
        no: f.hot.next_notification(),
        batches: vec![],
        ..item
    };
    let repeated = f.hot.accept(vec![again]).await.unwrap();
    assert!(matches!(repeated[..], [Acceptance::Repeated { no, .. }] if no == two));
    assert_eq!(numbers(&f, two.batch(0), 4).await, [4, 4, 4, 4]);

    // The app was opened; what was sent before stays what it was.
    f.registry
        .set_badge(f.app, "u1".into(), 0, T0 + 1)
        .await
        .unwrap();
    subject.restart().await;
    let f = f.again(subject);
    assert_eq!((badge(&f, "u1").await, badge(&f, "u2").await), (0, 4));
    assert_eq!(numbers(&f, two.batch(0), 4).await, [4, 4, 4, 4]);
    let three = f
        .accept(counting(&f, &devices, 4, BadgeChange::Increment(1)))
        .await;
    assert_eq!(numbers(&f, three.batch(0), 4).await, [1, 1, 5, 5]);
    let set = f
        .accept(counting(&f, &devices, 4, BadgeChange::Set(9)))
        .await;
    assert_eq!(numbers(&f, set.batch(0), 4).await, [9; 4]);
    assert_eq!(badge(&f, "u1").await, 9);

    // Gone with what they hang on.
    f.registry
        .erase_user(f.app, "u1".into(), T0 + 2, nobody())
        .await
        .unwrap();
    assert_eq!(badge(&f, "u1").await, 0);
    let verdicts = (0..4).map(|p| (p, FinalState::Accepted)).collect();
    let mut done = settlement(set.batch(0), verdicts, T0 + 3);
    done.batches[0].done = vec![first(set.batch(0))];
    f.hot.settle(done).await.unwrap();
    let retention = Retention {
        content_before: T0 + 10,
        records_before: T0 + 10,
        versions_before: T0 + 10,
        lists_before: T0 + 10,
        now: T0 + 10,
        slice: 100,
    };
    while f.hot.prune(retention).await.unwrap() > 0 {}
    assert!(f.hot.badges(vec![set.batch(0)]).await.unwrap().is_empty());
    assert_eq!(numbers(&f, three.batch(0), 4).await, [1, 1, 5, 5]);
}

/// Over the pages of a fan-out a user counts once, whatever else changes his counter in between.
pub async fn counts_badges_over_pages(subject: &mut dyn Subject) {
    let mut f = Fixture::new(subject).await;
    let devices = [
        ("a", Some("u1")),
        ("b", Some("u2")),
        ("c", Some("u1")),
        ("d", None),
        ("e", Some("u1")),
    ];
    let devices = register(&f, &devices).await;
    let no = f
        .accept(NewNotification {
            fanout: Some(everybody()),
            ..f.notification(&[], 1, false)
        })
        .await;
    let page = |f: &Fixture, place: u32, devices: &[DeviceNo], finished| FanoutPage {
        notification: no,
        badge: Some(BadgeChange::Increment(1)),
        batches: vec![f.batch(no.batch(place), devices, false)],
        after: devices[devices.len() - 1],
        finished,
        campaign: None,
        now: T0,
    };
    assert!(
        f.hot
            .store_fanout_page(page(&f, 0, &devices[..2], false))
            .await
            .unwrap()
    );
    assert_eq!(numbers(&f, no.batch(0), 2).await, [1, 1]);
    let between = f
        .accept(counting(&f, &devices[..1], 1, BadgeChange::Increment(5)))
        .await;
    assert_eq!(numbers(&f, between.batch(0), 1).await, [6]);
    subject.restart().await;
    f = f.again(subject);
    let retention = Retention {
        content_before: T0,
        records_before: T0,
        versions_before: T0,
        lists_before: T0,
        now: T0,
        slice: 100,
    };
    while f.hot.prune(retention).await.unwrap() > 0 {}
    assert!(
        f.hot
            .store_fanout_page(page(&f, 1, &devices[2..4], false))
            .await
            .unwrap()
    );
    assert_eq!(numbers(&f, no.batch(1), 2).await, [1, 1]);
    f.registry
        .set_badge(f.app, "u1".into(), 0, T0 + 1)
        .await
        .unwrap();
    assert!(
        f.hot
            .store_fanout_page(page(&f, 2, &devices[4..], true))
            .await
            .unwrap()
    );
    assert_eq!(
        numbers(&f, no.batch(2), 1).await,
        [1],
        "all his devices show the same"
    );
    assert_eq!(f.registry.badge(f.app, "u1".into()).await.unwrap(), 0);
    while f.hot.prune(retention).await.unwrap() > 0 {}
}
