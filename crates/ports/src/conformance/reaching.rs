//! By which gateway a device is reached, topics, and what is known of the people behind devices.

use super::{Fixture, Subject, T0, address, nobody, registration, some_delivery};
use crate::store::{Retirement, Settlement};
use carillon_model::device::{DeviceRegistration, PushTokenRegistration};
use carillon_model::environment::TokenEnvironment;
use carillon_model::id::DeviceNo;
use carillon_model::lane::Gateway;
use carillon_model::push_type::{PushType, Reach, TokenKind};

/// By the first kind of push token that lives, else by one that is retired.
pub async fn reaches_devices_by_preference(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let production = TokenEnvironment::Production;
    let device = |id: &str, kinds: &[(TokenKind, u64)]| DeviceRegistration {
        id: Some(id.into()),
        user_id: Some("kim".into()),
        push_tokens: kinds
            .iter()
            .map(|(kind, number)| PushTokenRegistration {
                kind: *kind,
                bytes: address(*number),
                environment: production,
            })
            .collect(),
        ..DeviceRegistration::default()
    };
    use TokenKind::{Alert, Fcm, Voip, WebPush};
    let all = vec![
        device("both", &[(WebPush, 1), (Fcm, 2), (Alert, 3)]),
        device("android", &[(Fcm, 4)]),
        device("browser", &[(WebPush, 5)]),
        device("call", &[(Voip, 6)]),
    ];
    let made = f.registry.register_devices(f.app, all, T0).await.unwrap();
    let no = |at: usize| made[at].no;
    let reach = Reach::of(PushType::Alert, Alert);
    let gateways = async || -> Vec<_> {
        let ids = ["both", "android", "browser", "call"].map(String::from);
        let found = f.hot.resolve_devices(f.app, ids.to_vec(), reach);
        let found = found.await.unwrap();
        found.iter().map(|one| one.unwrap().gateway).collect()
    };
    let (apns, fcm, web) = (Gateway::Apns, Gateway::Fcm, Gateway::WebPush);
    assert_eq!(gateways().await, [apns, fcm, web, apns]);
    let of_user = f.hot.resolve_user(f.app, "kim".into(), reach, 9).await;
    assert_eq!(
        of_user
            .unwrap()
            .iter()
            .map(|r| r.gateway)
            .collect::<Vec<_>>(),
        [apns, fcm, web, apns]
    );
    let walk = async |reach, limit| -> Vec<_> {
        let (mut after, mut seen) = (DeviceNo(0), Vec::new());
        loop {
            let page = f.hot.fanout_devices(f.app, None, reach, after, limit);
            let page = page.await.unwrap();
            seen.extend(page.iter().map(|one| (one.device, one.gateway)));
            if page.len() < limit as usize {
                return seen;
            }
            after = page[page.len() - 1].device;
        }
    };
    for limit in 1..5 {
        assert_eq!(
            walk(reach, limit).await,
            [(no(0), apns), (no(1), fcm), (no(2), web)],
            "each once, pages of {limit}"
        );
    }
    let (found, _) = f.hot.read_push_tokens(Alert, vec![no(0)]).await.unwrap();
    let retire = Settlement {
        retirements: vec![Retirement {
            app: f.app,
            delivery: some_delivery(),
            device: no(0),
            kind: Alert,
            generation: found[0].generation,
            since: None,
            reason: "Unregistered".into(),
        }],
        now: T0,
        ..Settlement::default()
    };
    f.hot.settle(retire).await.unwrap();
    assert_eq!(gateways().await, [fcm, fcm, web, apns], "the living one");
    let alone = Reach::only(Alert);
    let both = f.hot.resolve_devices(f.app, vec!["both".into()], alone);
    let both = both.await.unwrap()[0].unwrap();
    assert_eq!((both.gateway, both.environment), (apns, production));
}

/// Subscribers, each once, in pages; registering again replaces the subscriptions.
pub async fn topics_have_subscribers(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let subscriber = |n: u64, topics: &[&str]| DeviceRegistration {
        topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
        ..registration(&format!("d{n}"), "u", n)
    };
    let all = vec![
        subscriber(1, &["news", "sport"]),
        subscriber(2, &["sport"]),
        subscriber(3, &["news"]),
        subscriber(4, &[]),
    ];
    let made = f.registry.register_devices(f.app, all, T0).await.unwrap();
    let reach = Reach::only(TokenKind::Alert);
    let of = async |topic: &str, after, limit| -> Vec<_> {
        let topic = Some(topic.to_owned());
        let page = f.hot.fanout_devices(f.app, topic, reach, after, limit);
        page.await.unwrap().iter().map(|one| one.device).collect()
    };
    let none = DeviceNo(0);
    assert_eq!(of("news", none, 9).await, [made[0].no, made[2].no]);
    assert_eq!(of("news", none, 1).await, [made[0].no]);
    assert_eq!(of("news", made[0].no, 1).await, [made[2].no]);
    assert_eq!(of("weather", none, 9).await, []);
    let again = vec![subscriber(1, &["sport"])];
    f.registry.register_devices(f.app, again, T0).await.unwrap();
    assert_eq!(of("news", none, 9).await, [made[2].no]);
    f.registry
        .delete_device(f.app, "d2".into(), T0, nobody())
        .await
        .unwrap();
    assert_eq!(of("sport", none, 9).await, [made[0].no]);
}

/// What a template may say of a device.
pub async fn people_are_known(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let kim = DeviceRegistration {
        locale: Some("ko-KR".into()),
        platform: Some("ios".into()),
        tags: vec!["vip".into()],
        attributes: Some(r#"{"plan":"gold"}"#.into()),
        ..registration("d1", "kim", 1)
    };
    let bare = DeviceRegistration::default();
    let made = f.registry.register_devices(f.app, vec![kim, bare], T0);
    let made = made.await.unwrap();
    let gone = DeviceNo(made[1].no.0 + 50);
    let found = f.hot.people(vec![made[0].no, made[1].no, gone]).await;
    let found = found.unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].id, "d1");
    assert_eq!(found[0].user_id.as_deref(), Some("kim"));
    assert_eq!(found[0].locale.as_deref(), Some("ko-KR"));
    assert_eq!(found[0].platform.as_deref(), Some("ios"));
    assert_eq!(found[0].tags, ["vip"]);
    assert_eq!(found[0].attributes.as_deref(), Some(r#"{"plan":"gold"}"#));
    assert_eq!((found[1].device, &found[1].id), (made[1].no, &made[1].id));
    assert_eq!(found[1].user_id, None);
}
