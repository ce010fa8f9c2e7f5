//! What happens behind a 200: offline phones, removed apps, muted apps, calls. Vector V4.

use std::time::Duration;

use push_sim::{
    Effect, Environment, NewPhones, PhonePatch, PhoneView, PushTokenKind, Settings, Simulator,
};
use serde_json::json;

use crate::support::{APP, NOW, Peer, Push, Signer, TEAM, TOKEN, V1_TOKEN, simulator};

const OTHER_ID: &str = "5f6d9c1e-0b1a-4c55-9f6a-2f9f3f1d7a11";

fn patch(sim: &Simulator, patch: PhonePatch) -> PhoneView {
    sim.patch_phone(1, &patch).unwrap()
}

fn online(sim: &Simulator, online: bool) -> PhoneView {
    patch(
        sim,
        PhonePatch {
            online: Some(online),
            ..PhonePatch::default()
        },
    )
}

fn ids(view: &PhoneView) -> Vec<String> {
    view.apps[0]
        .shown
        .iter()
        .map(|shown| shown.apns_id.to_string())
        .collect()
}

/// A push like V2 with another id and body and no collapse id.
fn push(n: u32) -> Push {
    Push::v2()
        .without("apns-collapse-id")
        .with("apns-id", &format!("00000000-0000-4000-8000-{n:012}"))
        .body(json!({"aps": {"alert": format!("number {n}")}}).to_string())
}

fn id(n: u32) -> String {
    format!("00000000-0000-4000-8000-{n:012}")
}

#[tokio::test]
async fn an_online_phone_shows_it() {
    let sim = simulator(Settings::default());
    assert_eq!(Peer::connect(&sim).await.push(&push(1)).await.status, 200);
    let view = sim.phone_of_push_token(TOKEN).unwrap();
    assert_eq!(ids(&view), [id(1)]);
    assert_eq!(view.apps[0].shown[0].payload["aps"]["alert"], "number 1");
    assert_eq!(view.apps[0].effects[&Effect::Shown], 1);
    assert_eq!(sim.counters().shown(), 1);
}

#[tokio::test]
async fn a_collapse_id_replaces_what_is_on_the_screen() {
    let sim = simulator(Settings::default());
    let mut peer = Peer::connect(&sim).await;
    peer.push(&push(1).with("apns-collapse-id", "a")).await;
    peer.push(&push(2).with("apns-collapse-id", "b")).await;
    peer.push(&push(3).with("apns-collapse-id", "a")).await;
    let view = sim.phone(1).unwrap();
    assert_eq!(ids(&view), [id(2), id(3)]);
    assert_eq!(view.apps[0].shown[1].times, 2);
    assert_eq!(view.apps[0].effects[&Effect::Replaced], 1);
}

#[tokio::test]
async fn an_offline_phone_keeps_one_and_the_newest_wins() {
    let sim = simulator(Settings::default());
    online(&sim, false);
    let mut peer = Peer::connect(&sim).await;
    for n in 1..=3 {
        assert_eq!(peer.push(&push(n)).await.status, 200);
    }
    let view = sim.phone(1).unwrap();
    assert!(view.apps[0].shown.is_empty());
    assert_eq!(view.apps[0].stored_apns_id.unwrap().to_string(), id(3));
    assert_eq!(view.apps[0].effects[&Effect::Stored], 1);
    assert_eq!(view.apps[0].effects[&Effect::StoredOver], 2);
    let view = online(&sim, true);
    assert_eq!(ids(&view), [id(3)]);
    assert_eq!(view.apps[0].stored_apns_id, None);
    assert_eq!(sim.counters().effects[&Effect::Shown], 1);
    assert_eq!(ids(&online(&sim, true)), [id(3)], "not shown twice");
}

#[tokio::test]
async fn each_app_on_a_phone_has_its_own_slot() {
    let sim = simulator(Settings::default());
    let other = NewPhones {
        app: "net.example.other".into(),
        environment: Environment::Sandbox,
        on_phone: Some(1),
        ..NewPhones::default()
    };
    let made = sim.make_phones(&other).unwrap().remove(0);
    assert_eq!(made.id, 1);
    online(&sim, false);
    let mut peer = Peer::connect(&sim).await;
    peer.push(&push(1)).await;
    let second = push(2)
        .with("apns-topic", "net.example.other")
        .at_token(&made.push_tokens[&PushTokenKind::Alert]);
    assert_eq!(peer.push(&second).await.status, 200);
    let view = online(&sim, true);
    assert_eq!(view.apps[0].shown.len(), 1);
    assert_eq!(view.apps[1].shown.len(), 1);
}

#[tokio::test]
async fn what_is_kept_expires() {
    let sim = simulator(Settings::default());
    let mut peer = Peer::connect(&sim).await;
    let later = |secs: u64| sim.advance(Duration::from_secs(secs));
    let until = |at: i64| push(1).with("apns-expiration", &at.to_string());
    let provider = |now: i64| Signer::v1().token(TEAM, crate::support::KEY, now);

    online(&sim, false);
    peer.push(&until(0)).await;
    assert_eq!(
        sim.phone(1).unwrap().apps[0].effects[&Effect::Missed],
        1,
        "0 is never kept"
    );
    assert!(ids(&online(&sim, true)).is_empty());

    online(&sim, false);
    peer.push(&until(NOW + 60)).await;
    later(60);
    assert!(ids(&online(&sim, true)).is_empty(), "expired at its second");

    online(&sim, false);
    peer.push(&until(NOW + 120)).await;
    later(59);
    assert_eq!(ids(&online(&sim, true)).len(), 1, "one second before");

    // Without the header, and with one in the far future: thirty days.
    let month = 30 * 24 * 3600;
    for header in [None, Some("99999999999")] {
        let now = sim.clock().now_secs();
        let mut kept = push(2).without("apns-expiration").token(&provider(now));
        if let Some(header) = header {
            kept = kept.and("apns-expiration", header);
        }
        for (wait, shown) in [(month - 1, 1), (month + 1, 0)] {
            let mut peer = Peer::connect(&sim).await;
            kept = kept.token(&provider(sim.clock().now_secs()));
            let before = ids(&online(&sim, true)).len();
            online(&sim, false);
            assert_eq!(peer.push(&kept).await.status, 200);
            later(wait);
            assert_eq!(
                ids(&online(&sim, true)).len() - before,
                shown,
                "{header:?} {wait}"
            );
        }
    }
}

#[tokio::test]
async fn v4_a_removed_app_answers_410_with_the_time() {
    let sim = simulator(Settings::default());
    let gone = PhonePatch {
        installed: Some(false),
        gone_at_ms: Some(1_700_000_000_000),
        ..PhonePatch::default()
    };
    patch(&sim, gone);
    let mut peer = Peer::connect(&sim).await;
    let reply = peer.push(&Push::v2()).await;
    assert_eq!(reply.status, 410);
    assert_eq!(
        reply.body,
        r#"{"reason":"Unregistered","timestamp":1700000000000}"#
    );

    // Installed again, it has another push token; the old one stays dead.
    let again = PhonePatch {
        installed: Some(true),
        ..PhonePatch::default()
    };
    let view = patch(&sim, again);
    let fresh = &view.apps[0].push_tokens[&PushTokenKind::Alert];
    assert_ne!(fresh, TOKEN);
    assert_eq!(peer.push(&Push::v2()).await.status, 410);
    assert_eq!(peer.push(&Push::v2().at_token(fresh)).await.status, 200);
}

#[tokio::test]
async fn phones_can_be_made_without_their_app() {
    let sim = simulator(Settings::default());
    let gone = NewPhones {
        app: APP.into(),
        environment: Environment::Sandbox,
        installed: false,
        gone_at_ms: Some(5),
        ..NewPhones::default()
    };
    let made = sim.make_phones(&gone).unwrap().remove(0);
    let push = Push::v2().at_token(&made.push_tokens[&PushTokenKind::Alert]);
    let reply = Peer::connect(&sim).await.push(&push).await;
    assert_eq!(
        reply.json(),
        json!({"reason": "Unregistered", "timestamp": 5})
    );
}

#[tokio::test]
async fn expired_and_rotated_push_tokens() {
    let sim = simulator(Settings::default());
    let mut peer = Peer::connect(&sim).await;
    let rotated = patch(
        &sim,
        PhonePatch {
            rotate_tokens: true,
            ..PhonePatch::default()
        },
    );
    let reply = peer.push(&Push::v2()).await;
    assert_eq!(
        reply.json(),
        json!({"reason": "Unregistered", "timestamp": NOW * 1000})
    );
    let fresh = Push::v2().at_token(&rotated.apps[0].push_tokens[&PushTokenKind::Alert]);
    assert_eq!(peer.push(&fresh).await.status, 200);
    patch(
        &sim,
        PhonePatch {
            expire_tokens: true,
            ..PhonePatch::default()
        },
    );
    let reply = peer.push(&fresh).await;
    assert_eq!(
        (reply.status, reply.json()),
        (410, json!({"reason": "ExpiredToken"}))
    );
}

#[tokio::test]
async fn notifications_off_is_still_200() {
    let sim = simulator(Settings::default());
    patch(
        &sim,
        PhonePatch {
            notifications: Some(false),
            ..PhonePatch::default()
        },
    );
    let mut peer = Peer::connect(&sim).await;
    assert_eq!(peer.push(&push(1)).await.status, 200);
    let background = push(2)
        .with("apns-push-type", "background")
        .with("apns-priority", "5")
        .body(r#"{"aps":{"content-available":1}}"#);
    assert_eq!(peer.push(&background).await.status, 200);
    assert_eq!(peer.push(&push(3).body("not json")).await.status, 200);
    let effects = sim.phone(1).unwrap().apps[0].effects.clone();
    let expected = [
        (Effect::Woken, 1),
        (Effect::Suppressed, 1),
        (Effect::Unreadable, 1),
    ];
    assert_eq!(effects, expected.into());
}

#[tokio::test]
async fn an_app_that_reports_no_call_is_killed_and_then_muted() {
    let sim = simulator(Settings::default());
    let new = NewPhones {
        app: APP.into(),
        environment: Environment::Sandbox,
        kinds: vec![PushTokenKind::Voip],
        ..NewPhones::default()
    };
    let made = sim.make_phones(&new).unwrap().remove(0);
    let call = Push::v2()
        .at_token(&made.push_tokens[&PushTokenKind::Voip])
        .with("apns-topic", "net.example.pager.voip")
        .with("apns-push-type", "voip")
        .with("apns-expiration", "0")
        .body(r#"{"call":1}"#);
    let mut peer = Peer::connect(&sim).await;
    assert_eq!(peer.push(&call).await.status, 200);
    let silent = PhonePatch {
        reports_calls: Some(false),
        ..PhonePatch::default()
    };
    sim.patch_phone(made.id, &silent).unwrap();
    for _ in 0..5 {
        assert_eq!(peer.push(&call).await.status, 200, "the wire never tells");
    }
    let effects = sim.phone(made.id).unwrap().apps[0].effects.clone();
    assert_eq!(
        effects,
        [(Effect::Call, 1), (Effect::Killed, 3), (Effect::Muted, 2)].into()
    );
}

#[tokio::test]
async fn received_requests_can_be_read_back() {
    let sim = simulator(Settings::default());
    let mut peer = Peer::connect(&sim).await;
    peer.push(&Push::v2()).await;
    peer.push(
        &Push::v2()
            .with("apns-id", OTHER_ID)
            .with("apns-priority", "7"),
    )
    .await;
    let filter = push_sim::ReceivedFilter {
        push_token: Some(TOKEN.into()),
        ..push_sim::ReceivedFilter::default()
    };
    let page = sim.received(&filter);
    assert_eq!((page.received.len(), page.total, page.dropped), (2, 2, 0));
    let first = &page.received[0];
    assert_eq!(
        (first.status, first.answer),
        (200, push_sim::AnswerFate::Answered)
    );
    assert_eq!(first.effect, Some(Effect::Shown));
    assert_eq!(first.expiration, Some(1_700_003_600));
    assert_eq!(first.collapse_id.as_deref(), Some("inc-4711"));
    assert_eq!(first.payload.as_deref(), Some(crate::support::V2_BODY));
    assert_eq!(
        (first.at_ms, first.connection, first.stream),
        (NOW * 1000, 1, 1)
    );
    let second = &page.received[1];
    assert_eq!(
        (second.status, second.reason.as_deref()),
        (400, Some("BadPriority"))
    );
    assert_eq!((second.priority, second.effect), (Some(7), None));
    let filter = push_sim::ReceivedFilter {
        apns_id: Some(OTHER_ID.to_uppercase().parse().unwrap()),
        ..push_sim::ReceivedFilter::default()
    };
    assert_eq!(&sim.received(&filter).received[0], second);
    let json = serde_json::to_string(&page).unwrap();
    assert!(!json.contains(V1_TOKEN), "provider tokens are not recorded");
}
