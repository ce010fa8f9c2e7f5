//! Devices that register themselves: what is theirs, and what is not.

use super::{Fixture, Subject, T0, address, registration};
use crate::own_device::{OwnDeletion, OwnRegistered, OwnRegistration};
use crate::registry::Device;
use carillon_model::UnixMs;
use carillon_model::device::{DeviceRegistration, ReplacedPushToken};
use carillon_model::id::AppNo;
use carillon_model::push_type::TokenKind;

const MINE: [u8; 32] = [1; 32];
const THEIRS: [u8; 32] = [2; 32];
const FRESH: [u8; 32] = [3; 32];

fn own(
    id: Option<&str>,
    user: Option<&str>,
    number: u64,
    shown: Option<[u8; 32]>,
) -> OwnRegistration {
    OwnRegistration {
        device: DeviceRegistration {
            id: id.map(String::from),
            user_id: user.map(String::from),
            ..registration("", "", number)
        },
        shown,
        fresh: FRESH,
    }
}

async fn register(f: &Fixture, own: OwnRegistration, now: UnixMs) -> Option<OwnRegistered> {
    let done = f.registry.register_own_device(f.app, own, now);
    done.await.unwrap()
}

async fn device(f: &Fixture, id: &str) -> Device {
    f.registry.device(f.app, id.into()).await.unwrap().unwrap()
}

/// With a secret of theirs or one that is made for them; by it, or as their user, they come back.
pub async fn devices_register_themselves(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let made = register(&f, own(Some("phone"), None, 1, None), T0)
        .await
        .unwrap();
    assert!(made.is_fresh && made.registered.created);
    let again = own(Some("phone"), Some("ann"), 2, Some(FRESH));
    let again = register(&f, again, T0 + 1).await.unwrap();
    assert!(!again.is_fresh && !again.registered.created);
    assert_eq!(again.registered.no, made.registered.no);
    let stored = device(&f, "phone").await;
    assert_eq!(stored.registration.user_id.as_deref(), Some("ann"));
    assert_eq!((stored.created_at, stored.last_seen_at), (T0, T0 + 1));

    // The back end says what the app does not; it stays, and the secret holds.
    let mut said = registration("phone", "ann", 2);
    said.tags = vec!["vip".into()];
    said.attributes = Some(r#"{"plan":"gold"}"#.into());
    f.registry
        .register_devices(f.app, vec![said], T0 + 2)
        .await
        .unwrap();
    let mut mine = own(Some("phone"), Some("bob"), 2, Some(FRESH));
    mine.device.tags = vec!["admin".into()];
    mine.device.topics = vec!["news".into()];
    mine.device.capabilities = vec!["voip_call_ui".into()];
    assert!(register(&f, mine, T0 + 3).await.is_some());
    let stored = device(&f, "phone").await.registration;
    assert_eq!(stored.tags, ["vip"]);
    assert_eq!(stored.attributes.as_deref(), Some(r#"{"plan":"gold"}"#));
    assert_eq!(stored.topics, ["news"]);
    assert_eq!(stored.capabilities, ["voip_call_ui"]);
    assert_eq!(stored.user_id.as_deref(), Some("bob"));

    // Its user is proof too, and then a new secret counts, the one shown or a fresh one.
    let lost = own(Some("phone"), Some("bob"), 2, Some(MINE));
    assert!(!register(&f, lost, T0 + 4).await.unwrap().is_fresh);
    let old = own(Some("phone"), None, 2, Some(FRESH));
    assert_eq!(register(&f, old, T0 + 5).await, None);
    let lost = own(Some("phone"), Some("bob"), 2, None);
    assert!(register(&f, lost, T0 + 6).await.unwrap().is_fresh);
    let signed_out = own(Some("phone"), None, 2, Some(FRESH));
    assert!(register(&f, signed_out, T0 + 7).await.is_some());
    assert_eq!(device(&f, "phone").await.registration.user_id, None);

    // Without an id the store makes one, by which it comes back.
    let first = register(&f, own(None, None, 7, Some(MINE)), T0)
        .await
        .unwrap();
    let second = own(Some(&first.registered.id), None, 7, Some(MINE));
    let second = register(&f, second, T0 + 1).await.unwrap();
    assert_eq!(first.registered.no, second.registered.no);
    let by_address = register(&f, own(None, None, 7, Some(MINE)), T0 + 2).await;
    assert_eq!(by_address.unwrap().registered.no, first.registered.no);

    // The limit holds for these too.
    let settings = carillon_model::app::AppSettings {
        max_devices_per_user: 1,
        ..Default::default()
    };
    let put = f
        .registry
        .put_app("shop".into(), "Shop".into(), settings, T0, super::nobody());
    put.await.unwrap();
    for id in ["k1", "k2"] {
        let made = register(&f, own(Some(id), Some("kim"), 60, Some(MINE)), T0 + 9).await;
        assert!(made.is_some());
    }
    assert!(
        f.registry
            .device(f.app, "k1".into())
            .await
            .unwrap()
            .is_none()
    );
}

/// Without proof nothing changes; a push token proves nothing but where pushes go.
pub async fn strangers_change_no_device(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let of_back_end = registration("by-back-end", "ann", 1);
    f.registry
        .register_devices(f.app, vec![of_back_end], T0)
        .await
        .unwrap();
    register(&f, own(Some("by-app"), None, 2, Some(MINE)), T0)
        .await
        .unwrap();
    let nameless = register(&f, own(None, None, 3, Some(MINE)), T0)
        .await
        .unwrap();
    let before = [
        device(&f, "by-back-end").await,
        device(&f, "by-app").await,
        device(&f, &nameless.registered.id).await,
    ];
    for known in &before {
        for (user, shown) in [
            (None, None),
            (None, Some(THEIRS)),
            (Some("eve"), Some(THEIRS)),
            (Some("eve"), None),
        ] {
            let theirs = own(Some(&known.id), user, 50, shown);
            assert_eq!(register(&f, theirs, T0 + 1).await, None, "{}", known.id);
            assert_eq!(device(&f, &known.id).await, *known);
        }
    }
    // Naming a push token as replaced takes no device over, and nothing from it.
    for old in [1, 2, 3] {
        let mut theirs = own(None, None, 50 + old, Some(THEIRS));
        theirs.device.replaces = vec![ReplacedPushToken {
            kind: TokenKind::Alert,
            bytes: address(old),
        }];
        let made = register(&f, theirs, T0 + 2).await.unwrap().registered;
        assert!(made.created);
    }
    for known in &before {
        assert_eq!(device(&f, &known.id).await, *known);
    }
    // Having the push token of a device without an id is not being it.
    let found = register(&f, own(None, None, 3, Some(THEIRS)), T0 + 3)
        .await
        .unwrap();
    assert!(found.registered.created);
    // Another App has devices of its own.
    let elsewhere = AppNo(f.app.0 + 1);
    let made = own(Some("by-app"), None, 2, Some(THEIRS));
    let made = f.registry.register_own_device(elsewhere, made, T0).await;
    assert!(made.unwrap().unwrap().registered.created);
    assert_eq!(device(&f, "by-app").await, before[1]);
}

/// By their secret alone, and without a word in the audit log.
pub async fn devices_delete_themselves(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let log = f.registry.audit(None, 9).await.unwrap();
    register(&f, own(Some("phone"), None, 1, Some(MINE)), T0)
        .await
        .unwrap();
    let of_back_end = registration("by-back-end", "ann", 2);
    f.registry
        .register_devices(f.app, vec![of_back_end], T0)
        .await
        .unwrap();
    let delete = async |id: &str, shown| {
        let gone = f.registry.delete_own_device(f.app, id.into(), None, shown);
        gone.await.unwrap()
    };
    assert_eq!(delete("nobody", MINE).await, OwnDeletion::Unknown);
    assert_eq!(delete("phone", THEIRS).await, OwnDeletion::NotOwn);
    assert_eq!(delete("by-back-end", THEIRS).await, OwnDeletion::NotOwn);
    assert_eq!(f.registry.device_count(f.app).await.unwrap(), 2);
    assert_eq!(delete("phone", MINE).await, OwnDeletion::Deleted);
    assert_eq!(delete("phone", MINE).await, OwnDeletion::Unknown);
    assert_eq!(f.registry.device_count(f.app).await.unwrap(), 1);
    assert_eq!(f.registry.audit(None, 9).await.unwrap(), log);
}

/// One of their push tokens, by the same proof; the device and its other push tokens stay.
pub async fn devices_delete_their_push_tokens(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let log = f.registry.audit(None, 9).await.unwrap();
    register(&f, own(Some("phone"), None, 1, Some(MINE)), T0)
        .await
        .unwrap();
    let delete = async |id: &str, kind, shown| {
        let gone = f
            .registry
            .delete_own_device(f.app, id.into(), Some(kind), shown);
        gone.await.unwrap()
    };
    let (alert, voip) = (TokenKind::Alert, TokenKind::Voip);
    assert_eq!(delete("nobody", alert, MINE).await, OwnDeletion::Unknown);
    assert_eq!(delete("phone", alert, THEIRS).await, OwnDeletion::NotOwn);
    assert_eq!(delete("phone", voip, MINE).await, OwnDeletion::NoPushToken);
    assert_eq!(device(&f, "phone").await.push_tokens.len(), 1);
    assert_eq!(delete("phone", alert, MINE).await, OwnDeletion::Deleted);
    assert_eq!(delete("phone", alert, MINE).await, OwnDeletion::NoPushToken);
    assert_eq!(device(&f, "phone").await.push_tokens, []);
    assert_eq!(f.registry.audit(None, 9).await.unwrap(), log);
}
