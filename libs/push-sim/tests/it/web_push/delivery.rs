//! What a browser shows of what was sent, and what became of it while it was offline.

use std::time::Duration;

use push_sim::{
    BrowserPatch, Effect, Gateway, NewBrowsers, ReceivedFilter, Urgency, WebPushService,
    WebPushSettings,
};
use serde_json::{Value, json};

use super::sender::{Scene, encrypt, path_of};
use crate::support::{NOW, Push};

#[tokio::test]
async fn every_service_takes_a_push_and_its_browser_shows_it() {
    for service in WebPushService::ALL {
        let scene = Scene::new(service);
        let reply = scene.send(&scene.push("안녕하세요")).await;
        assert_eq!(reply.status, 201, "{service}: {:?}", reply.json());
        assert!(reply.ended_with_headers);
        let location = reply.header("location").unwrap();
        assert!(location.starts_with(&scene.sim.web_push_origin()));
        assert_eq!(reply.header("ttl"), Some("60"));
        assert_eq!(
            reply.header("apns-id").is_some(),
            service == WebPushService::Apple
        );
        let view = scene.view();
        assert_eq!(scene.titles(), ["안녕하세요"]);
        assert!(location.ends_with(&view.shown[0].message_id.to_string()));
        assert_eq!(view.effects, [(Effect::Shown, 1)].into());
        assert_eq!(scene.sim.counters().effects[&Effect::Shown], 1);
    }
}

#[tokio::test]
async fn the_record_keeps_what_the_browser_read() {
    let scene = Scene::new(WebPushService::Fcm);
    let body = encrypt(&scene.subscription, br#"{"title":"a"}"#, 100);
    let bytes = body.len() as u32;
    let push = scene
        .push_body(body)
        .with("topic", "news")
        .with("urgency", "high");
    scene.send(&push).await;
    let refused = scene.push("x").with("ttl", "soon");
    scene.send(&refused).await;
    let page = scene.sim.received(&ReceivedFilter {
        gateway: Some(Gateway::WebPush),
        ..ReceivedFilter::default()
    });
    let [taken, refused] = &page.received[..] else {
        panic!("{page:?}")
    };
    assert_eq!(taken.payload.as_deref(), Some(r#"{"title":"a"}"#));
    assert_eq!(taken.payload_bytes, bytes);
    assert_eq!(taken.topic, "fcm");
    assert_eq!(taken.push_type, "high");
    assert_eq!(taken.collapse_id.as_deref(), Some("news"));
    assert_eq!(taken.expiration, Some(60));
    assert_eq!(taken.push_token, scene.view().push_token);
    assert_eq!(taken.apns_id, Some(scene.view().shown[0].message_id));
    assert_eq!((taken.status, taken.effect), (201, Some(Effect::Shown)));
    assert_eq!(
        (refused.status, refused.reason.as_deref()),
        (400, Some("BadTtl"))
    );
    let nothing = scene.sim.received(&ReceivedFilter {
        gateway: Some(Gateway::Apns),
        ..ReceivedFilter::default()
    });
    assert!(nothing.received.is_empty());
}

#[tokio::test]
async fn a_declarative_message_is_shown_without_a_service_worker() {
    let scene = Scene::new(WebPushService::Apple);
    let message = |title: &str| {
        json!({"web_push": 8030, "app_badge": 3, "mutable": true, "notification": {
            "title": title, "navigate": "https://shop.example/17", "body": "Packed", "tag": "o17"}})
        .to_string()
    };
    let mut peer = scene.connect().await;
    assert_eq!(
        peer.push(&scene.push(&message("Order 17"))).await.status,
        201
    );
    let view = scene.view();
    let shown = &view.shown[0];
    assert!(shown.declarative && shown.mutable);
    assert_eq!(shown.body.as_deref(), Some("Packed"));
    assert_eq!(shown.navigate.as_deref(), Some("https://shop.example/17"));
    assert_eq!(view.app_badge, 3);
    assert_eq!(shown.effect, Effect::Shown);

    // The same tag takes its place.
    peer.push(&scene.push(&message("Order 17 is packed"))).await;
    let view = scene.view();
    assert_eq!(scene.titles(), ["Order 17 is packed"]);
    assert_eq!(view.shown[0].effect, Effect::Replaced);

    // A browser that does not know it hands the same JSON to its service worker.
    let old = Scene::new(WebPushService::Fcm);
    old.send(&old.push(&message("Order 17"))).await;
    let view = old.view();
    assert_eq!(view.shown[0].title, "Order 17");
    assert!(!view.shown[0].declarative);
}

#[tokio::test]
async fn a_push_that_shows_nothing_is_counted_and_may_cost_the_subscription() {
    let settings = WebPushSettings {
        silent_pushes_allowed: Some(3),
        ..WebPushSettings::default()
    };
    let scene = Scene::with(WebPushService::Apple, settings);
    let mut peer = scene.connect().await;
    let silent = json!({"sync": true}).to_string();
    for times in 1..=3 {
        assert!(scene.view().subscribed);
        assert_eq!(peer.push(&scene.push(&silent)).await.status, 201);
        assert_eq!(scene.view().silent_pushes, times);
    }
    assert_eq!(scene.view().effects, [(Effect::Woken, 3)].into());
    assert!(!scene.view().subscribed);
    let reply = peer.push(&scene.push("late")).await;
    assert_eq!(reply.status, 410);
    assert!(scene.titles().is_empty());
}

#[tokio::test]
async fn a_push_without_a_body_needs_no_encryption() {
    let scene = Scene::new(WebPushService::Mozilla);
    let push = scene.push_body(vec![]).without("content-encoding");
    assert_eq!(scene.send(&push).await.status, 201);
    assert_eq!(scene.view().silent_pushes, 1);
}

#[tokio::test]
async fn what_was_encrypted_for_somebody_else_is_taken_and_unreadable() {
    let scene = Scene::new(WebPushService::Mozilla);
    let other = scene.sim.make_browsers(&NewBrowsers::default()).unwrap();
    let body = encrypt(&other[0].subscription, b"secret", 0);
    assert_eq!(scene.send(&scene.push_body(body)).await.status, 201);
    let view = scene.view();
    assert_eq!(view.effects, [(Effect::Unreadable, 1)].into());
    assert!(view.unreadable.unwrap().contains("tag"));
}

#[tokio::test]
async fn a_topic_replaces_what_still_waits() {
    let scene = Scene::new(WebPushService::Mozilla);
    scene.online(false);
    let mut peer = scene.connect().await;
    for (text, topic) in [
        ("one", Some("score")),
        ("two", None),
        ("three", Some("score")),
        ("four", Some("other")),
        ("five", None),
    ] {
        let mut push = scene.push(text).with("urgency", "low");
        if let Some(topic) = topic {
            push = push.with("topic", topic);
        }
        assert_eq!(peer.push(&push).await.status, 201);
    }
    let view = scene.view();
    let topics: Vec<_> = view
        .waiting
        .iter()
        .map(|one| one.topic.as_deref())
        .collect();
    assert_eq!(topics, [None, Some("score"), Some("other"), None]);
    assert_eq!(view.waiting[0].urgency, Urgency::Low);
    assert_eq!(view.waiting[0].expires_at_ms, (NOW + 60) * 1000);
    assert!(view.shown.is_empty());
    let view = scene.online(true);
    assert!(view.waiting.is_empty());
    assert_eq!(scene.titles(), ["two", "three", "four", "five"]);
    let expected = [
        (Effect::Shown, 4),
        (Effect::Stored, 4),
        (Effect::StoredOver, 1),
    ];
    assert_eq!(view.effects, expected.into());

    // What was shown already is not replaced by its topic.
    let again = scene.push("six").with("topic", "score");
    peer.push(&again).await;
    assert_eq!(scene.titles().len(), 5);
}

#[tokio::test]
async fn ttl_ends_the_waiting() {
    let scene = Scene::new(WebPushService::Mozilla);
    scene.online(false);
    let mut peer = scene.connect().await;
    for (text, ttl) in [("now or never", "0"), ("short", "10"), ("long", "3600")] {
        let reply = peer.push(&scene.push(text).with("ttl", ttl)).await;
        assert_eq!((reply.status, reply.header("ttl")), (201, Some(ttl)));
    }
    assert_eq!(scene.view().waiting.len(), 2);
    scene.sim.advance(Duration::from_millis(9_999));
    assert_eq!(scene.view().waiting.len(), 2);
    scene.sim.advance(Duration::from_millis(1));
    assert_eq!(scene.view().waiting.len(), 1);
    scene.online(true);
    assert_eq!(scene.titles(), ["long"]);
    assert_eq!(scene.view().effects[&Effect::Missed], 2);
    assert_eq!(scene.sim.counters().effects[&Effect::Missed], 2);

    // A service keeps nothing for ever, and says so.
    let forever = scene.push("x").with("ttl", "99999999999");
    let reply = peer.push(&forever).await;
    assert_eq!(reply.header("ttl"), Some("2592000"));
}

#[tokio::test]
async fn only_so_many_messages_wait_for_one_browser() {
    let settings = WebPushSettings {
        max_waiting: 2,
        ..WebPushSettings::default()
    };
    let scene = Scene::with(WebPushService::Mozilla, settings);
    scene.online(false);
    let mut peer = scene.connect().await;
    for text in ["one", "two", "three"] {
        peer.push(&scene.push(text)).await;
    }
    scene.online(true);
    assert_eq!(scene.titles(), ["two", "three"]);
    assert_eq!(scene.sim.counters().effects[&Effect::Missed], 1);
}

#[tokio::test]
async fn a_message_that_waits_can_be_cancelled_once() {
    let scene = Scene::new(WebPushService::Mozilla);
    scene.online(false);
    let mut peer = scene.connect().await;
    let location = |reply: &crate::support::Reply| reply.header("location").unwrap().to_owned();
    let first = location(&peer.push(&scene.push("one")).await);
    let second = location(&peer.push(&scene.push("two").with("ttl", "10")).await);
    let delete = |url: &str| Push {
        method: http::Method::DELETE,
        path: url.to_owned(),
        headers: vec![],
        body: Default::default(),
    };
    assert_eq!(peer.push(&delete(&first)).await.status, 204);
    assert_eq!(peer.push(&delete(&first)).await.status, 404);
    scene.sim.advance(Duration::from_secs(10));
    assert_eq!(peer.push(&delete(&second)).await.status, 404, "it is over");
    scene.online(true);
    assert!(scene.titles().is_empty());
    let delivered = location(&peer.push(&scene.push("three")).await);
    assert_eq!(peer.push(&delete(&delivered)).await.status, 404);
    let read = Push {
        method: http::Method::GET,
        ..delete(&delivered)
    };
    assert_eq!(peer.push(&read).await.status, 405);
}

#[tokio::test]
async fn subscriptions_end_and_begin() {
    let mut scene = Scene::new(WebPushService::Mozilla);
    let patch = |scene: &Scene, patch: BrowserPatch| {
        scene.sim.patch_browser(scene.browser, &patch).unwrap()
    };
    let (subscribed, forget) = (Some(false), true);
    let ended = BrowserPatch {
        subscribed,
        ..BrowserPatch::default()
    };
    let mut peer = scene.connect().await;
    assert!(!patch(&scene, ended).subscribed);
    let reply = peer.push(&scene.push("x")).await;
    assert_eq!(reply.status, 410);
    assert_eq!(reply.json()["errno"], 106);
    assert_eq!(reply.header("cache-control"), Some("max-age=86400"));

    // A new subscription has another endpoint and other keys.
    let renewed = BrowserPatch {
        subscribed: Some(true),
        ..BrowserPatch::default()
    };
    let old = scene.subscription.clone();
    scene.subscription = patch(&scene, renewed).subscription;
    assert_ne!(scene.subscription.endpoint, old.endpoint);
    assert_ne!(scene.subscription.keys, old.keys);
    assert_eq!(peer.push(&scene.push("new")).await.status, 201);
    let at_old = Push {
        path: old.endpoint.clone(),
        ..scene.push("old")
    };
    assert_eq!(peer.push(&at_old).await.status, 410);
    assert_eq!(scene.titles(), ["new"]);
    assert!(scene.sim.browser_of_endpoint(&old.endpoint).is_none());
    let found = scene.sim.browser_of_endpoint(&scene.subscription.endpoint);
    assert_eq!(found.unwrap().id, scene.browser);

    // It ends by itself at its time.
    let end = BrowserPatch {
        expiration_time: Some((NOW + 5) * 1000),
        ..BrowserPatch::default()
    };
    assert!(patch(&scene, end).subscribed);
    assert_eq!(peer.push(&scene.push("y")).await.status, 201);
    scene.sim.advance(Duration::from_secs(5));
    assert_eq!(peer.push(&scene.push("z")).await.status, 410);

    let forgotten = BrowserPatch {
        forget,
        ..BrowserPatch::default()
    };
    patch(&scene, forgotten);
    let reply = peer.push(&scene.push("w")).await;
    assert_eq!((reply.status, &reply.json()["errno"]), (404, &json!(102)));
}

#[tokio::test]
async fn given_keys_make_the_subscription_of_the_rfc() {
    let scene = Scene::new(WebPushService::Mozilla);
    let new = NewBrowsers {
        private_key: Some("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94".into()),
        auth: Some("BTBZMqHH6r4Tts7J_aSIgg".into()),
        ..NewBrowsers::default()
    };
    let made = scene.sim.make_browsers(&new).unwrap().remove(0);
    let body = concat!(
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8w",
        "EqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    );
    use base64::Engine;
    let body = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(body);
    // Mozilla's service asks for VAPID only where the subscription names a key.
    let push = Push {
        path: format!(
            "{}{}",
            scene.sim.web_push_origin(),
            path_of(&scene.sim, &made.subscription)
        ),
        ..scene.push_body(body.unwrap())
    };
    assert_eq!(scene.send(&push.without("authorization")).await.status, 201);
    let view = scene.sim.browser(made.id).unwrap();
    assert_eq!(
        view.shown[0].title,
        "When I grow up, I want to be a watermelon"
    );
}

#[test]
fn orders_that_make_no_sense_are_named() {
    let scene = Scene::new(WebPushService::Mozilla);
    let cases: [(Value, &str); 6] = [
        (json!({"count": 0}), "count"),
        (
            json!({"application_server_key": "AAAA"}),
            "application_server_key",
        ),
        (json!({"auth": "BTBZMqHH6r4Tts7J_aSIgg"}), "private_key"),
        (json!({"auth": "a", "private_key": "b"}), "private_key"),
        (
            json!({"auth": "a", "private_key": "b", "count": 2}),
            "count",
        ),
        (
            json!({"auth": "a", "private_key": "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"}),
            "auth",
        ),
    ];
    for (order, word) in cases {
        let order: NewBrowsers = serde_json::from_value(order).unwrap();
        let error = scene.sim.make_browsers(&order).unwrap_err();
        assert!(error.contains(word), "{error}");
    }
    let error = scene.sim.patch_browser(9, &BrowserPatch::default());
    assert!(error.unwrap_err().contains('9'));
}
