//! People with many devices: rotation of push tokens, limits, devices that were not seen for long.

use super::{Fixture, Subject, T0, address, nobody, registration};
use crate::registry::{Device, DeviceFilter, DeviceStats};
use crate::store::Retention;
use carillon_model::UnixMs;
use carillon_model::app::AppSettings;
use carillon_model::device::{DeviceRegistration, PushTokenRegistration, ReplacedPushToken};
use carillon_model::environment::TokenEnvironment;
use carillon_model::id::AppNo;
use carillon_model::lane::Gateway;
use carillon_model::push_type::{Reach, TokenKind};

const DAY: i64 = 86_400_000;

async fn device(f: &Fixture, id: &str) -> Device {
    f.registry.device(f.app, id.into()).await.unwrap().unwrap()
}

async fn register(f: &Fixture, device: DeviceRegistration, now: UnixMs) -> String {
    let made = f.registry.register_devices(f.app, vec![device], now);
    made.await.unwrap().remove(0).id
}

async fn all(f: &Fixture, filter: DeviceFilter) -> Vec<String> {
    let filter = DeviceFilter {
        limit: 100,
        ..filter
    };
    let found = f.registry.devices(f.app, filter).await.unwrap();
    found.into_iter().map(|device| device.id).collect()
}

async fn set(f: &Fixture, settings: AppSettings) {
    let put = f
        .registry
        .put_app("shop".into(), "Shop".into(), settings, T0, nobody());
    put.await.unwrap();
}

fn anonymous(number: u64, replaces: &[u64]) -> DeviceRegistration {
    DeviceRegistration {
        id: None,
        user_id: None,
        replaces: replaces
            .iter()
            .map(|old| ReplacedPushToken {
                kind: TokenKind::Alert,
                bytes: address(*old),
            })
            .collect(),
        ..registration("", "", number)
    }
}

/// The device is the one that had the old address; a repeated call finds it by the new one.
pub async fn replaced_push_tokens_are_followed(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let nameless = register(&f, anonymous(1, &[]), T0).await;
    let named = register(&f, registration("phone", "kim", 11), T0).await;
    for _ in 0..2 {
        assert_eq!(register(&f, anonymous(2, &[1]), T0 + 1).await, nameless);
        assert_eq!(register(&f, anonymous(12, &[11]), T0 + 1).await, named);
    }
    assert_eq!(f.registry.device_count(f.app).await.unwrap(), 2);
    assert_eq!(device(&f, &nameless).await.push_tokens[0].bytes, address(2));
    let phone = device(&f, "phone").await;
    assert_eq!(phone.push_tokens[0].bytes, address(12));
    assert!(phone.registration.replaces.is_empty(), "never stored");

    // Old and new address were two devices: the older one lives on, with the new address.
    let made_raw = f.hot.resolve_push_tokens(
        f.app,
        vec![address(3)],
        TokenKind::Alert,
        TokenEnvironment::Auto,
        T0,
    );
    let raw = made_raw.await.unwrap()[0].device;
    assert_eq!(register(&f, anonymous(3, &[2]), T0 + 2).await, nameless);
    let (found, without) = f
        .hot
        .read_push_tokens(TokenKind::Alert, vec![raw, device(&f, &nameless).await.no])
        .await
        .unwrap();
    assert_eq!((found.len(), without), (1, vec![raw]));

    // With an id it is this device, and the old address goes from wherever it was.
    let tablet = DeviceRegistration {
        id: Some("tablet".into()),
        ..anonymous(4, &[3, 99])
    };
    register(&f, tablet, T0 + 3).await;
    assert!(device(&f, &nameless).await.push_tokens.is_empty());
    assert_eq!(device(&f, "tablet").await.push_tokens[0].bytes, address(4));
    // Nobody had it: another device.
    let stranger = register(&f, anonymous(5, &[98]), T0 + 4).await;
    assert_ne!(stranger, nameless);
}

/// Of two people on one phone only the newer one is reached; two Apps may have the same address.
pub async fn push_tokens_move_between_users_and_not_between_apps(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let put = f.registry.put_app(
        "other".into(),
        "Other".into(),
        AppSettings::default(),
        T0,
        nobody(),
    );
    let other = put.await.unwrap().0.no;
    let kinds = [TokenKind::Alert, TokenKind::Fcm, TokenKind::WebPush];
    let phone = |id: &str, user: &str| DeviceRegistration {
        push_tokens: kinds
            .map(|kind| {
                PushTokenRegistration::new(
                    kind,
                    address(kind.code().into()),
                    TokenEnvironment::Production,
                )
            })
            .to_vec(),
        ..registration(id, user, 0)
    };
    register(&f, phone("a", "ann"), T0).await;
    let elsewhere = f
        .registry
        .register_devices(other, vec![phone("a", "ann")], T0);
    let elsewhere = elsewhere.await.unwrap()[0].no;
    register(&f, phone("b", "bob"), T0 + 1).await;
    let (ann, bob) = (device(&f, "a").await, device(&f, "b").await);
    assert_eq!((ann.push_tokens.len(), bob.push_tokens.len()), (0, 3));
    for kind in kinds {
        let numbers = vec![ann.no, elsewhere, bob.no];
        let (found, without) = f.hot.read_push_tokens(kind, numbers).await.unwrap();
        let having: Vec<_> = found.iter().map(|found| found.device).collect();
        assert_eq!(having, [elsewhere, bob.no], "{kind:?}");
        assert_eq!(without, [ann.no]);
    }
    // The same device gets another user: the push token stays, the person does not.
    register(&f, phone("b", "eve"), T0 + 2).await;
    let reach = Reach::only(TokenKind::Alert);
    let of = async |user: &str| {
        let found = f
            .hot
            .resolve_users(f.app, vec![user.into()], reach, 9)
            .await;
        found.unwrap()[0].len()
    };
    assert_eq!((of("bob").await, of("eve").await), (0, 1));
}

/// By each thing, and by several.
pub async fn lists_devices_by_what_is_known(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let one = |n: u64, platform: &str, tags: &[&str], topics: &[&str]| DeviceRegistration {
        platform: Some(platform.into()),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
        ..registration(&format!("d{n}"), "kim", n)
    };
    register(&f, one(1, "ios", &["vip", "50%"], &["news"]), T0).await;
    register(&f, one(2, "web", &["vip"], &["news", "sport"]), T0 + 1).await;
    register(&f, one(3, "ios", &["v"], &[]), T0 + 2).await;
    let none = DeviceFilter::default;
    let some = |word: &str| Some(word.to_owned());
    for (filter, expected) in [
        (none(), vec!["d1", "d2", "d3"]),
        (
            DeviceFilter {
                platform: some("ios"),
                ..none()
            },
            vec!["d1", "d3"],
        ),
        (
            DeviceFilter {
                platform: some("iOS"),
                ..none()
            },
            vec![],
        ),
        (
            DeviceFilter {
                tag: some("vip"),
                ..none()
            },
            vec!["d1", "d2"],
        ),
        (
            DeviceFilter {
                tag: some("50%"),
                ..none()
            },
            vec!["d1"],
        ),
        (
            DeviceFilter {
                tag: some("vi_"),
                ..none()
            },
            vec![],
        ),
        (
            DeviceFilter {
                topic: some("news"),
                ..none()
            },
            vec!["d1", "d2"],
        ),
        (
            DeviceFilter {
                topic: some("sport"),
                ..none()
            },
            vec!["d2"],
        ),
        (
            DeviceFilter {
                seen_before: Some(T0 + 1),
                ..none()
            },
            vec!["d1"],
        ),
        (
            DeviceFilter {
                seen_since: Some(T0 + 1),
                ..none()
            },
            vec!["d2", "d3"],
        ),
        (
            DeviceFilter {
                user_id: some("kim"),
                tag: some("vip"),
                platform: some("web"),
                ..none()
            },
            vec!["d2"],
        ),
        (
            DeviceFilter {
                user_id: some("ann"),
                tag: some("vip"),
                ..none()
            },
            vec![],
        ),
    ] {
        assert_eq!(all(&f, filter.clone()).await, expected, "{filter:?}");
    }
    let page = DeviceFilter {
        topic: some("news"),
        after: Some(device(&f, "d1").await.no),
        ..none()
    };
    assert_eq!(all(&f, page).await, ["d2"]);
}

/// By platform and by gateway; a device counts once at each gateway.
pub async fn counts_devices(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let one = |n: u64, platform: Option<&str>, kinds: &[TokenKind]| DeviceRegistration {
        platform: platform.map(String::from),
        push_tokens: kinds
            .iter()
            .map(|kind| PushTokenRegistration::new(*kind, address(n), TokenEnvironment::Production))
            .collect(),
        ..registration(&format!("d{n}"), "kim", n)
    };
    use TokenKind::{Alert, Fcm, Voip, WebPush};
    register(&f, one(1, Some("ios"), &[Alert, Voip]), T0).await;
    register(&f, one(2, Some("ios"), &[Voip, Fcm]), T0 + 1).await;
    register(&f, one(3, None, &[WebPush]), T0 + 2).await;
    register(&f, one(4, Some("web"), &[]), T0 + 3).await;
    let mut stats = f.registry.device_stats(f.app, T0 + 2).await.unwrap();
    stats.platforms[1..].sort();
    let expected = DeviceStats {
        total: 4,
        stale: 2,
        platforms: vec![(Some("ios".into()), 2), (None, 1), (Some("web".into()), 1)],
        gateways: vec![(Gateway::Apns, 2), (Gateway::Fcm, 1), (Gateway::WebPush, 1)],
    };
    assert_eq!(stats, expected);
    let never = f.registry.device_stats(f.app, UnixMs::MIN).await.unwrap();
    assert_eq!(never.stale, 0);
    let other = f.registry.device_stats(AppNo(f.app.0 + 1), T0).await;
    assert_eq!(other.unwrap(), DeviceStats::default());
}

/// The one that was not seen for longest goes, with an event; never the one that came.
pub async fn limits_the_devices_of_a_user(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let limit = |most| AppSettings {
        max_devices_per_user: most,
        ..AppSettings::default()
    };
    set(&f, limit(2)).await;
    let kim = async |n: u64, now| register(&f, registration(&format!("k{n}"), "kim", n), now).await;
    register(&f, registration("a1", "ann", 50), T0).await;
    kim(1, T0).await;
    kim(2, T0 + 1).await;
    kim(1, T0 + 2).await;
    let of_kim = || DeviceFilter {
        user_id: Some("kim".into()),
        ..DeviceFilter::default()
    };
    assert_eq!(
        all(&f, of_kim()).await,
        ["k1", "k2"],
        "seen again is no more"
    );
    kim(3, T0 + 3).await;
    assert_eq!(all(&f, of_kim()).await, ["k1", "k3"]);
    assert_eq!(
        f.registry.device_count(f.app).await.unwrap(),
        3,
        "it is deleted"
    );
    let events = f.hot.events(f.app, 0, 10).await.unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(
        (&*events[0].kind, &*events[0].subject),
        ("device.evicted", "k2")
    );
    let data = format!(r#"{{"replaced_by":"k3","last_seen_at":{}}}"#, T0 + 1);
    assert_eq!((&events[0].data, events[0].at), (&data, T0 + 3));

    // Many at once: the last ones stay, in one transaction.
    let many = (4..9).map(|n| registration(&format!("k{n}"), "kim", n));
    let made = f.registry.register_devices(f.app, many.collect(), T0 + 4);
    made.await.unwrap();
    assert_eq!(all(&f, of_kim()).await, ["k7", "k8"]);
    // A device changes hands.
    register(&f, registration("a1", "kim", 50), T0 + 5).await;
    assert_eq!(all(&f, of_kim()).await, ["a1", "k8"]);
    // Another App, nobody's devices, and no limit.
    set(&f, limit(1)).await;
    for n in 20..23 {
        let mut nobodys = registration(&format!("n{n}"), "", n);
        nobodys.user_id = None;
        register(&f, nobodys, T0 + 6).await;
    }
    assert_eq!(f.registry.device_count(f.app).await.unwrap(), 5);
    set(&f, limit(0)).await;
    for n in 30..60 {
        kim(n, T0 + 7).await;
    }
    assert_eq!(all(&f, of_kim()).await.len(), 32);
}

/// Only where an App says so, in slices, and with everything that hangs on them.
pub async fn deletes_stale_devices(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    for n in 1..6 {
        let mut one = registration(&format!("d{n}"), &format!("u{n}"), n);
        one.topics = vec!["news".into()];
        register(&f, one, T0 + n as i64 * DAY).await;
    }
    let prune = async || {
        let retention = Retention {
            content_before: T0,
            records_before: T0,
            versions_before: T0,
            lists_before: T0,
            now: T0 + 13 * DAY,
            slice: 2,
        };
        while f.hot.prune(retention).await.unwrap() > 0 {}
    };
    prune().await;
    assert_eq!(f.registry.device_count(f.app).await.unwrap(), 5);
    set(
        &f,
        AppSettings {
            delete_stale_after_days: Some(9),
            ..AppSettings::default()
        },
    )
    .await;
    prune().await;
    assert_eq!(all(&f, DeviceFilter::default()).await, ["d4", "d5"]);
    let topic = DeviceFilter {
        topic: Some("news".into()),
        ..DeviceFilter::default()
    };
    assert_eq!(all(&f, topic).await, ["d4", "d5"]);
    let stats = f.registry.device_stats(f.app, T0).await.unwrap();
    assert_eq!(stats.gateways, [(Gateway::Apns, 2)]);
    let again = register(&f, registration("d1", "u1", 1), T0 + 13 * DAY).await;
    assert_eq!(device(&f, &again).await.created_at, T0 + 13 * DAY);
}

/// One of them; the others and the device stay.
pub async fn deletes_push_tokens(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let mut phone = registration("phone", "kim", 1);
    phone.push_tokens.push(PushTokenRegistration::new(
        TokenKind::WebPush,
        address(2),
        TokenEnvironment::Production,
    ));
    register(&f, phone, T0).await;
    let delete = async |id: &str, kind| {
        let gone = f
            .registry
            .delete_push_token(f.app, id.into(), kind, T0 + 1, nobody());
        gone.await.unwrap()
    };
    assert_eq!(delete("nobody", TokenKind::WebPush).await, None);
    assert_eq!(delete("phone", TokenKind::Fcm).await, Some(false));
    assert_eq!(delete("phone", TokenKind::WebPush).await, Some(true));
    assert_eq!(delete("phone", TokenKind::WebPush).await, Some(false));
    let left = device(&f, "phone").await.push_tokens;
    assert_eq!((left.len(), left[0].kind), (1, TokenKind::Alert));
    let log = f.registry.audit(None, 1).await.unwrap();
    let told = (&*log[0].action, &*log[0].subject);
    assert_eq!(told, ("push_token.delete", "shop/phone/webpush"));
}
