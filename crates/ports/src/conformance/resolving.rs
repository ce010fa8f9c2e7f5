//! From targets to devices, and what is known of them.

use super::{Fixture, Subject, T0, address, nobody, registration};
use crate::registry::{Device, DeviceFilter};
use crate::store::{Recipient, Retirement, Settlement};
use carillon_model::device::{DeviceRegistration, PushTokenRegistration};
use carillon_model::environment::TokenEnvironment;
use carillon_model::id::{AppNo, DeviceNo};
use carillon_model::lane::Gateway;
use carillon_model::push_token::PushToken;
use carillon_model::push_type::{PushType, Reach, TokenKind};

async fn device(f: &Fixture, id: &str) -> Device {
    f.registry.device(f.app, id.into()).await.unwrap().unwrap()
}

async fn push_token(f: &Fixture, device: DeviceNo) -> PushToken {
    let (found, _) = f
        .hot
        .read_push_tokens(TokenKind::Alert, vec![device])
        .await
        .unwrap();
    found.into_iter().next().unwrap()
}

/// By the first kind of push token that lives, else by one that is retired.
pub async fn reaches_devices_by_preference(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let production = TokenEnvironment::Production;
    let device = |id: &str, kinds: &[(TokenKind, u64)]| DeviceRegistration {
        id: Some(id.into()),
        user_id: Some("kim".into()),
        push_tokens: kinds
            .iter()
            .map(|(kind, number)| PushTokenRegistration::new(*kind, address(*number), production))
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
    let of_user = f
        .hot
        .resolve_users(f.app, vec!["kim".into()], reach, 9)
        .await;
    assert_eq!(
        of_user.unwrap()[0]
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
            delivery: super::some_delivery(),
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

/// In the order asked, with the environment that counts.
pub async fn resolves_devices_and_users(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 3).await;
    let mut more = registration("tablet", "u2", 20);
    more.push_tokens[0].environment = TokenEnvironment::Sandbox;
    let bare = DeviceRegistration {
        id: Some("bare".into()),
        user_id: Some("u2".into()),
        ..DeviceRegistration::default()
    };
    let more = f
        .registry
        .register_devices(f.app, vec![more, bare], T0)
        .await
        .unwrap();
    let (production, sandbox, auto) = (
        TokenEnvironment::Production,
        TokenEnvironment::Sandbox,
        TokenEnvironment::Auto,
    );
    let one = |device, environment| Recipient {
        device,
        gateway: Gateway::Apns,
        environment,
    };
    let ids = ["d3", "nobody", "tablet", "bare", "d1"]
        .map(String::from)
        .to_vec();
    let found = f
        .hot
        .resolve_devices(f.app, ids.clone(), Reach::only(TokenKind::Alert))
        .await
        .unwrap();
    assert_eq!(
        found,
        [
            Some(one(devices[2], production)),
            None,
            Some(one(more[0].no, sandbox)),
            Some(one(more[1].no, auto)),
            Some(one(devices[0], production)),
        ]
    );
    let voip = f
        .hot
        .resolve_devices(f.app, ids, Reach::only(TokenKind::Voip))
        .await
        .unwrap();
    assert_eq!(voip[0], Some(one(devices[2], auto)));

    let user = async |user: &str, limit| {
        let reach = Reach::only(TokenKind::Alert);
        let all = f.hot.resolve_users(f.app, vec![user.into()], reach, limit);
        all.await.unwrap().remove(0)
    };
    let all = [
        one(devices[1], production),
        one(more[0].no, sandbox),
        one(more[1].no, auto),
    ];
    assert_eq!(user("u2", 10).await, all);
    assert_eq!(user("u2", 2).await, all[..2]);
    assert_eq!(user("nobody", 2).await, []);
    // Several are told apart, in their order.
    let several = ["nobody", "u2", "nobody", "u2"].map(String::from).to_vec();
    let reach = Reach::only(TokenKind::Alert);
    let found = f.hot.resolve_users(f.app, several, reach, 2).await;
    let two = all[..2].to_vec();
    assert_eq!(found.unwrap(), [vec![], two.clone(), vec![], two]);
    let other = AppNo(f.app.0 + 1);
    let none = f
        .hot
        .resolve_devices(other, vec!["d1".into()], Reach::only(TokenKind::Alert))
        .await
        .unwrap();
    assert_eq!(none, [None]);

    let numbers = vec![devices[0], more[1].no, DeviceNo(more[1].no.0 + 50)];
    let (found, without) = f
        .hot
        .read_push_tokens(TokenKind::Alert, numbers)
        .await
        .unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].device, &found[0].bytes),
        (devices[0], &address(1))
    );
    assert_eq!(without, [more[1].no]);
}

/// Known ones are found, missing ones made, and a declared environment counts.
pub async fn resolves_raw_push_tokens(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let known = f.devices(1, 1).await[0];
    let resolve = async |tokens: &[u64], declared| {
        let tokens = tokens.iter().map(|n| address(*n)).collect();
        f.hot
            .resolve_push_tokens(f.app, tokens, TokenKind::Alert, declared, T0 + 5)
            .await
            .unwrap()
    };
    let found = resolve(&[9, 1, 9, 8], TokenEnvironment::Auto).await;
    assert_eq!(found[1].device, known);
    assert_eq!(found[1].environment, TokenEnvironment::Production);
    assert_eq!(found[0], found[2], "made once");
    assert_ne!(found[0].device, found[3].device);
    assert_eq!(found[0].environment, TokenEnvironment::Auto);
    assert_eq!(resolve(&[9, 1, 9, 8], TokenEnvironment::Auto).await, found);
    let declared = resolve(&[9], TokenEnvironment::Sandbox).await;
    assert_eq!(declared[0].device, found[0].device);
    assert_eq!(declared[0].environment, TokenEnvironment::Sandbox);
    let made = push_token(&f, found[0].device).await;
    assert_eq!(made.environment, TokenEnvironment::Sandbox);
    assert_eq!((made.bytes, made.registered_at), (address(9), Some(T0 + 5)));

    let list = f
        .registry
        .devices(
            f.app,
            DeviceFilter {
                limit: 10,
                ..DeviceFilter::default()
            },
        )
        .await
        .unwrap();
    assert_eq!(list.len(), 3);
    let anonymous = list.iter().find(|one| one.no == found[0].device).unwrap();
    assert!(anonymous.id.starts_with("dev_"), "{}", anonymous.id);
    assert_eq!(device(&f, &anonymous.id).await, *anonymous);
    let by_id = f
        .hot
        .resolve_devices(
            f.app,
            vec![anonymous.id.clone()],
            Reach::only(TokenKind::Alert),
        )
        .await
        .unwrap();
    assert_eq!(by_id, [Some(declared[0])]);
}
