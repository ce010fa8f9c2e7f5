//! Devices, users and push tokens.

use super::{Fixture, Subject, T0, address, nobody, registration};
use crate::registry::{Device, DeviceFilter};
use crate::store::{Retirement, Settlement};
use carillon_model::device::{DeviceRegistration, PushTokenRegistration, RegisteredAt};
use carillon_model::environment::TokenEnvironment;
use carillon_model::id::{AppNo, DeviceNo};
use carillon_model::push_token::PushToken;
use carillon_model::push_type::TokenKind;

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

/// All it says is kept, and replaces what was there, except push tokens that it does not name.
pub async fn registers_devices(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let full = DeviceRegistration {
        id: Some("phone".into()),
        user_id: Some("kim".into()),
        locale: Some("ko-KR".into()),
        time_zone: Some("Asia/Seoul".into()),
        app_version: Some("4.2".into()),
        platform: Some("ios".into()),
        tags: vec!["beta".into(), "日本".into()],
        topics: vec!["news".into()],
        attributes: Some(r#"{"plan":"gold"}"#.into()),
        capabilities: vec!["voip_call_ui".into(), "later_one".into()],
        push_tokens: [(TokenKind::Alert, 1), (TokenKind::Voip, 2)]
            .map(|(kind, number)| {
                PushTokenRegistration::new(kind, address(number), TokenEnvironment::Sandbox)
            })
            .to_vec(),
        replaces: vec![],
    };
    let made = f
        .registry
        .register_devices(f.app, vec![full.clone(), DeviceRegistration::default()], T0)
        .await
        .unwrap();
    assert!(made.iter().all(|one| one.created));
    assert_eq!(made[0].id, "phone");
    assert!(made[1].id.starts_with("dev_"));
    let stored = device(&f, "phone").await;
    assert_eq!(stored.no, made[0].no);
    let mut said = full;
    for push_token in &mut said.push_tokens {
        push_token.registered_at = RegisteredAt::At(T0);
    }
    assert_eq!(stored.registration, said);
    assert_eq!((stored.created_at, stored.last_seen_at), (T0, T0));
    assert_eq!(stored.push_tokens.len(), 2);
    assert_eq!(device(&f, &made[1].id).await.no, made[1].no);

    let less = DeviceRegistration {
        push_tokens: vec![PushTokenRegistration::new(
            TokenKind::Alert,
            address(3),
            TokenEnvironment::Production,
        )],
        ..DeviceRegistration {
            id: Some("phone".into()),
            ..DeviceRegistration::default()
        }
    };
    let again = f
        .registry
        .register_devices(f.app, vec![less], T0 + 9)
        .await
        .unwrap();
    assert_eq!((again[0].no, again[0].created), (made[0].no, false));
    let stored = device(&f, "phone").await;
    assert_eq!((stored.created_at, stored.last_seen_at), (T0, T0 + 9));
    assert_eq!(stored.registration.user_id, None);
    assert!(stored.registration.tags.is_empty());
    assert!(stored.registration.capabilities.is_empty());
    let kinds: Vec<_> = stored
        .push_tokens
        .iter()
        .map(|token| (token.kind, token.bytes.clone()))
        .collect();
    assert_eq!(
        kinds,
        [
            (TokenKind::Alert, address(3)),
            (TokenKind::Voip, address(2))
        ]
    );
    let other = AppNo(f.app.0 + 1);
    assert!(
        f.registry
            .device(other, "phone".into())
            .await
            .unwrap()
            .is_none()
    );
}

/// The newest device of an App has it; another App's has its own.
pub async fn push_tokens_move_between_devices(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 1).await;
    let moved = f
        .registry
        .register_devices(f.app, vec![registration("new", "u9", 1)], T0 + 1)
        .await
        .unwrap();
    let (found, without) = f
        .hot
        .read_push_tokens(TokenKind::Alert, vec![devices[0], moved[0].no])
        .await
        .unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].device, moved[0].no);
    assert_eq!(without, devices);
    // Two of one call that say the same: the last one has it.
    f.registry
        .register_devices(
            f.app,
            vec![registration("a", "u", 5), registration("b", "u", 5)],
            T0 + 2,
        )
        .await
        .unwrap();
    assert!(device(&f, "a").await.push_tokens.is_empty());
    assert_eq!(device(&f, "b").await.push_tokens.len(), 1);

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
    f.registry
        .register_devices(other.no, vec![registration("c", "u", 5)], T0)
        .await
        .unwrap();
    assert_eq!(device(&f, "b").await.push_tokens.len(), 1);
}

/// The generation rises, it is alive again, and a found environment is kept.
pub async fn registering_again_revives(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let device = f.devices(1, 1).await[0];
    let before = push_token(&f, device).await;
    let retire = |generation| Settlement {
        retirements: vec![Retirement {
            app: f.app,
            delivery: super::some_delivery(),
            device,
            kind: TokenKind::Alert,
            generation,
            since: None,
            reason: "Unregistered".into(),
        }],
        now: T0 + 1,
        ..Settlement::default()
    };
    f.hot.settle(retire(before.generation)).await.unwrap();
    assert_eq!(push_token(&f, device).await.retired_at, Some(T0 + 1));

    let mut auto = registration("d1", "u1", 1);
    auto.push_tokens[0].environment = TokenEnvironment::Auto;
    f.registry
        .register_devices(f.app, vec![auto], T0 + 2)
        .await
        .unwrap();
    let after = push_token(&f, device).await;
    assert_eq!(after.generation, before.generation + 1);
    assert_eq!(
        (after.registered_at, after.retired_at),
        (Some(T0 + 2), None)
    );
    assert_eq!(
        after.environment,
        TokenEnvironment::Production,
        "as it was found"
    );

    // Another address of unknown environment is a new one to find out.
    let mut new = registration("d1", "u1", 2);
    new.push_tokens[0].environment = TokenEnvironment::Auto;
    f.registry
        .register_devices(f.app, vec![new], T0 + 3)
        .await
        .unwrap();
    let other = push_token(&f, device).await;
    assert_eq!(other.environment, TokenEnvironment::Auto);
    assert!(other.generation > after.generation);

    // Its push token goes away and another comes: an answer about the first one is not about it.
    f.registry
        .register_devices(f.app, vec![registration("thief", "u", 2)], T0 + 4)
        .await
        .unwrap();
    f.registry
        .register_devices(f.app, vec![registration("d1", "u1", 3)], T0 + 5)
        .await
        .unwrap();
    assert!(push_token(&f, device).await.generation > other.generation);
}

/// What comes from another system: nobody knows since when, so that any answer ends it; and it undoes nothing that is
/// known of the same push token.
pub async fn imported_push_tokens_are_of_unknown_age(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let register = async |id: &str, said, at| {
        let mut device = registration(id, "kim", 1);
        device.push_tokens[0].registered_at = said;
        let made = f.registry.register_devices(f.app, vec![device], at).await;
        made.unwrap()[0].no
    };
    let dead_since = async |device, since, at| {
        let generation = push_token(&f, device).await.generation;
        let retirement = Retirement {
            app: f.app,
            delivery: super::some_delivery(),
            device,
            kind: TokenKind::Alert,
            generation,
            since: Some(since),
            reason: "Unregistered".into(),
        };
        let settlement = Settlement {
            retirements: vec![retirement],
            now: at,
            ..Settlement::default()
        };
        f.hot.settle(settlement).await.unwrap();
        push_token(&f, device).await.retired_at
    };
    let device = register("d1", RegisteredAt::Unknown, T0).await;
    assert_eq!(push_token(&f, device).await.registered_at, None);
    // Dead for long before the import, by the gateway's word.
    assert_eq!(dead_since(device, T0 - 9, T0 + 1).await, Some(T0 + 1));
    // Imported once more, also for another device: it stays dead, until the app hands it over.
    let device = register("d1", RegisteredAt::Unknown, T0 + 2).await;
    assert_eq!(push_token(&f, device).await.retired_at, Some(T0 + 1));
    let device = register("d2", RegisteredAt::At(T0 + 1), T0 + 2).await;
    assert_eq!(push_token(&f, device).await.retired_at, Some(T0 + 1));
    let device = register("d2", RegisteredAt::At(T0 + 3), T0 + 4).await;
    let again = push_token(&f, device).await;
    assert_eq!(
        (again.registered_at, again.retired_at),
        (Some(T0 + 3), None)
    );
    // What is known of it stays known, and nothing is registered in the future.
    for (said, at, known) in [
        (RegisteredAt::Unknown, T0 + 5, T0 + 3),
        (RegisteredAt::At(T0 + 2), T0 + 6, T0 + 3),
        (RegisteredAt::At(i64::MAX), T0 + 7, T0 + 7),
    ] {
        let device = register("d2", said, at).await;
        assert_eq!(
            push_token(&f, device).await.registered_at,
            Some(known),
            "{said:?}"
        );
    }
    assert_eq!(dead_since(device, T0 + 6, T0 + 8).await, None);
    assert_eq!(dead_since(device, T0 + 7, T0 + 9).await, Some(T0 + 9));
}

/// Ascending, page by page, also of one user.
pub async fn lists_devices(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 5).await;
    let more = f
        .registry
        .register_devices(f.app, vec![registration("tablet", "u2", 20)], T0)
        .await
        .unwrap();
    assert_eq!(f.registry.device_count(f.app).await.unwrap(), 6);
    let list = async |user: Option<&str>, after, limit| -> Vec<_> {
        let filter = DeviceFilter {
            user_id: user.map(String::from),
            after,
            limit,
            ..DeviceFilter::default()
        };
        let found = f.registry.devices(f.app, filter).await.unwrap();
        found.into_iter().map(|device| device.no).collect()
    };
    assert_eq!(list(None, None, 3).await, devices[..3]);
    assert_eq!(
        list(None, Some(devices[2]), 9).await,
        [devices[3], devices[4], more[0].no]
    );
    assert_eq!(list(Some("u2"), None, 9).await, [devices[1], more[0].no]);
    assert_eq!(list(Some("u2"), Some(devices[1]), 9).await, [more[0].no]);
    assert_eq!(list(Some("nobody"), None, 9).await, []);
}

/// Gone with its push tokens, and noted.
pub async fn deletes_devices(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 2).await;
    let delete = async |app, id: &str| {
        f.registry
            .delete_device(app, id.into(), T0 + 1, nobody())
            .await
            .unwrap()
    };
    assert!(!delete(AppNo(f.app.0 + 1), "d1").await);
    assert!(delete(f.app, "d1").await);
    assert!(!delete(f.app, "d1").await);
    let (found, without) = f
        .hot
        .read_push_tokens(TokenKind::Alert, devices.clone())
        .await
        .unwrap();
    assert_eq!(found.len(), 1);
    assert!(without.is_empty());
    assert_eq!(f.registry.device_count(f.app).await.unwrap(), 1);
    let log = f.registry.audit(None, 1).await.unwrap();
    assert_eq!(
        (&*log[0].action, &*log[0].subject),
        ("device.delete", "shop/d1")
    );
    // Registered again it is another device.
    let again = f.devices(1, 1).await[0];
    assert!(again > devices[1]);
}

/// Devices, push tokens, and content that went to nobody else; the rest stays.
pub async fn erases_users(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 40).await;
    let mut second = registration("d1b", "u1", 101);
    second.push_tokens[0].kind = TokenKind::Voip;
    let second = f
        .registry
        .register_devices(f.app, vec![second], T0)
        .await
        .unwrap()[0]
        .no;
    let theirs = [
        f.accept(f.notification(&[devices[0]], 1, true)).await,
        f.accept(f.notification(&[devices[0], second], 1, true))
            .await,
    ];
    while f.hot.index_devices(100).await.unwrap() > 0 {}
    let late = f.accept(f.notification(&[second], 1, true)).await;
    let others = [
        f.accept(f.notification(&devices[..2], 16, true)).await,
        f.accept(f.notification(&devices, 1_000, true)).await,
        f.accept(f.notification(&devices[1..2], 1, true)).await,
    ];
    let erased = f
        .registry
        .erase_user(f.app, "u1".into(), T0 + 1, nobody())
        .await
        .unwrap();
    assert_eq!(erased, (2, 3));
    for no in theirs.into_iter().chain([late]) {
        assert!(f.view(no).await.head.payload.is_empty(), "{no}");
    }
    for no in others {
        assert!(!f.view(no).await.head.payload.is_empty(), "{no}");
    }
    assert!(
        f.registry
            .device(f.app, "d1".into())
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        f.registry
            .device(f.app, "d1b".into())
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(f.registry.device_count(f.app).await.unwrap(), 39);
    let log = f.registry.audit(None, 1).await.unwrap();
    assert_eq!(log[0].action, "user.erase");
    let again = f
        .registry
        .erase_user(f.app, "u1".into(), T0 + 2, nobody())
        .await
        .unwrap();
    assert_eq!(again, (0, 0));
}
