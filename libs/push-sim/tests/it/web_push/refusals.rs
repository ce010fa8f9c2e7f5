//! What each push service refuses, and in which words.

use push_sim::{NewBrowsers, WebPushService, WebPushSettings};
use serde_json::{Value, json};

use super::sender::{CONTACT, Scene, Vapid, claims, encrypt, path_of};
use crate::support::{NOW, Push, Reply};

use WebPushService::{Apple, Fcm, Mozilla, Wns};

/// The words of a refusal: status, and what the service's own clients read.
fn words(service: WebPushService, reply: &Reply) -> (u16, String) {
    let text = match service {
        Mozilla => {
            let body = reply.json();
            assert_eq!(body["code"], reply.status);
            assert!(body["message"].is_string() && body["error"].is_string());
            assert_eq!(reply.header("content-type"), Some("application/json"));
            body.get("errno").map_or(String::new(), Value::to_string)
        }
        Apple => {
            assert!(reply.header("apns-id").is_some());
            reply.verdict().1
        }
        Fcm => String::from_utf8(reply.body.to_vec())
            .unwrap()
            .trim()
            .to_owned(),
        Wns => {
            assert!(reply.body.is_empty());
            assert!(reply.header("x-wns-msg-id").is_some());
            assert!(reply.header("x-wns-status").is_some());
            reply.header("x-wns-error-description").unwrap().to_owned()
        }
    };
    (reply.status, text)
}

#[tokio::test]
async fn bad_headers_are_refused_in_the_words_of_the_service() {
    type Change = fn(Push) -> Push;
    let cases: [(Change, u16, &str, &str); 9] = [
        (|push| push.without("ttl"), 400, "111", "BadTtl"),
        (|push| push.with("ttl", "1h"), 400, "111", "BadTtl"),
        (|push| push.with("ttl", "-1"), 400, "114", "BadTtl"),
        (
            |push| push.with("topic", &"t".repeat(33)),
            400,
            "113",
            "BadWebPushTopic",
        ),
        (
            |push| push.with("topic", "a b"),
            400,
            "113",
            "BadWebPushTopic",
        ),
        (|push| push.with("urgency", "now"), 400, "", "BadUrgency"),
        (
            |push| push.with("urgency", "low").and("urgency", "high"),
            400,
            "",
            "BadUrgency",
        ),
        (
            |push| push.with("content-encoding", "aesgcm"),
            400,
            "110",
            "BadWebPushRequest",
        ),
        (
            |push| push.body(vec![0; 4097]).with("content-length", "4097"),
            413,
            "104",
            "PayloadTooLarge",
        ),
    ];
    for service in WebPushService::ALL {
        let scene = Scene::new(service);
        let mut peer = scene.connect().await;
        for (change, status, errno, reason) in &cases {
            let reply = peer.push(&change(scene.push("x"))).await;
            let (found, text) = words(service, &reply);
            assert_eq!(found, *status, "{service} {reason}: {text}");
            match service {
                Mozilla => assert_eq!(text, *errno),
                Apple => assert_eq!(text, *reason),
                Fcm | Wns => assert!(!text.is_empty()),
            }
        }
        assert!(scene.titles().is_empty(), "{service}");
        // Exactly as much as every service has to take.
        let largest = encrypt(&scene.subscription, &[b'a'; 3993], 0);
        assert_eq!(largest.len(), 4096);
        assert_eq!(peer.push(&scene.push_body(largest)).await.status, 201);
    }
}

#[tokio::test]
async fn an_authorization_that_is_not_believed() {
    for service in WebPushService::ALL {
        let scene = Scene::new(service);
        let origin = scene.sim.web_push_origin();
        let with = |name: &str, value: Value| {
            let mut claims = claims(&origin);
            claims[name] = value;
            scene.vapid.header(&claims)
        };
        let good = with("sub", json!(CONTACT));
        let (t, k) = good.split_once(", ").unwrap();
        let other = Vapid::fresh();
        let cases = [
            (with("aud", json!(format!("{origin}/"))), "BadJwtToken"),
            (
                with("aud", json!("https://web.push.apple.com")),
                "BadJwtToken",
            ),
            (with("exp", json!(NOW)), "BadJwtToken"),
            (with("exp", json!(NOW + 24 * 3600 + 1)), "BadJwtToken"),
            (with("exp", json!("soon")), "BadJwtToken"),
            (format!("{t}A, {k}"), "BadJwtToken"),
            (format!("{t}, k={}", other.public_key()), "BadJwtToken"),
            (format!("{t}, k=AAAA"), "BadVapidPublicKey"),
            (t.to_owned(), "BadAuthorizationHeader"),
            (t.replace("vapid t=", "WebPush "), "BadAuthorizationHeader"),
        ];
        let mut peer = scene.connect().await;
        for (header, reason) in cases {
            let reply = peer
                .push(&scene.push("x").with("authorization", &header))
                .await;
            let (status, text) = words(service, &reply);
            match service {
                Mozilla => assert_eq!((status, text.as_str()), (401, "109"), "{header}"),
                Apple => assert_eq!((status, text.as_str()), (403, reason), "{header}"),
                Fcm | Wns => assert_eq!(status, 403, "{header}: {text}"),
            }
        }
        let missing = peer.push(&scene.push("x").without("authorization")).await;
        let expected = match service {
            Apple => (403, "BadAuthorizationHeader"),
            Mozilla => (401, "109"),
            Fcm | Wns => (401, "the Authorization header is missing"),
        };
        let (status, text) = words(service, &missing);
        assert_eq!((status, text.as_str()), expected);

        // The longest time that is allowed.
        let day = with("exp", json!(NOW + 24 * 3600));
        let reply = peer
            .push(&scene.push("x").with("authorization", &day))
            .await;
        assert_eq!(reply.status, 201, "{service}");
    }
}

#[tokio::test]
async fn another_key_than_the_subscriptions_is_no_reason_to_delete_it() {
    for service in WebPushService::ALL {
        let scene = Scene::new(service);
        let other = Vapid::fresh().header(&claims(&scene.sim.web_push_origin()));
        let reply = scene
            .send(&scene.push("x").with("authorization", &other))
            .await;
        let expected = match service {
            Mozilla => (403, "109"),
            Apple => (400, "VapidPkHashMismatch"),
            Fcm | Wns => (
                403,
                "the VAPID credentials do not correspond to those used to make the subscription",
            ),
        };
        let (status, text) = words(service, &reply);
        assert_eq!((status, text.as_str()), expected);
    }
}

#[tokio::test]
async fn a_subscription_without_a_key_takes_every_sender() {
    for service in WebPushService::ALL {
        let scene = Scene::new(service);
        let new = NewBrowsers {
            service,
            ..NewBrowsers::default()
        };
        let made = scene.sim.make_browsers(&new).unwrap().remove(0);
        let push = Push {
            path: made.subscription.endpoint.clone(),
            ..scene.push_body(encrypt(&made.subscription, b"hello", 0))
        };
        let mut peer = scene.connect().await;
        assert_eq!(peer.push(&push).await.status, 201, "{service}");
        let anonymous = peer.push(&push.without("authorization")).await.status;
        let expected = match service {
            Mozilla => 201,
            Apple => 403,
            Fcm | Wns => 401,
        };
        assert_eq!(anonymous, expected, "{service}");
    }
}

#[tokio::test]
async fn apple_looks_at_the_contact() {
    for (contact, apple) in [
        (json!("mailto:x@localhost"), 403),
        (json!("mailto: <push@example.com>"), 403),
        (json!("push@example.com"), 403),
        (Value::Null, 403),
        (json!("https://example.com/contact"), 201),
    ] {
        for (service, expected) in [(Apple, apple), (Mozilla, 201), (Fcm, 201)] {
            let scene = Scene::new(service);
            let mut claims = claims(&scene.sim.web_push_origin());
            claims["sub"] = contact.clone();
            let push = scene
                .push("x")
                .with("authorization", &scene.vapid.header(&claims));
            let reply = scene.send(&push).await;
            assert_eq!(reply.status, expected, "{service}: {contact}");
            if expected == 403 {
                assert_eq!(reply.verdict().1, "BadJwtToken");
            }
        }
    }
}

#[tokio::test]
async fn wns_says_everything_in_headers() {
    let scene = Scene::new(Wns);
    let mut peer = scene.connect().await;
    let reply = peer.push(&scene.push("x")).await;
    assert_eq!(reply.status, 201);
    assert_eq!(reply.header("x-wns-status"), Some("received"));
    assert_eq!(reply.header("x-wns-notificationstatus"), Some("received"));

    let reply = peer.push(&scene.push("x").with("ttl", "0")).await;
    assert_eq!(reply.status, 400);
    assert_eq!(
        reply.header("x-wns-error-description"),
        Some("Ttl value conflicts with X-WNS-Cache-Policy.")
    );
    assert_eq!(reply.header("x-wns-notificationstatus"), Some("dropped"));
    let now = scene
        .push("now")
        .with("ttl", "0")
        .with("x-wns-cache-policy", "no-cache");
    assert_eq!(peer.push(&now).await.status, 201);
    scene.online(false);
    let reply = peer.push(&now).await;
    assert_eq!(reply.status, 201);
    assert_eq!(reply.header("x-wns-notificationstatus"), Some("dropped"));

    let reply = peer.push(&scene.push("x").without("content-length")).await;
    assert_eq!(reply.status, 411);
    let gone = push_sim::BrowserPatch {
        subscribed: Some(false),
        ..Default::default()
    };
    scene.sim.patch_browser(scene.browser, &gone).unwrap();
    let reply = peer.push(&scene.push("x")).await;
    assert_eq!(reply.status, 410);
    assert_eq!(reply.header("x-wns-notificationstatus"), Some("revoked"));
}

#[tokio::test]
async fn more_pushes_than_a_minute_takes() {
    for service in WebPushService::ALL {
        let settings = WebPushSettings {
            pushes_per_minute: Some(2),
            ..WebPushSettings::default()
        };
        let scene = Scene::with(service, settings);
        let mut peer = scene.connect().await;
        assert_eq!(peer.push(&scene.push("1")).await.status, 201);
        scene.sim.advance(std::time::Duration::from_millis(20_500));
        assert_eq!(peer.push(&scene.push("2")).await.status, 201);
        let reply = peer.push(&scene.push("3")).await;
        let retry_after = match service {
            Apple => None,
            Mozilla | Fcm | Wns => Some("40"),
        };
        assert_eq!(
            (reply.status, reply.header("retry-after")),
            (429, retry_after)
        );
        if service == Wns {
            let state = reply.header("x-wns-notificationstatus");
            assert_eq!(state, Some("channelThrottled"));
        }
        scene.sim.advance(std::time::Duration::from_millis(39_500));
        assert_eq!(peer.push(&scene.push("4")).await.status, 201);
        assert_eq!(scene.titles(), ["1", "2", "4"]);
    }
}

#[tokio::test]
async fn the_pause_after_too_many_can_be_chosen() {
    let settings = WebPushSettings {
        pushes_per_minute: Some(0),
        retry_after_secs: Some(120),
        ..WebPushSettings::default()
    };
    let scene = Scene::with(Mozilla, settings);
    let reply = scene.send(&scene.push("x")).await;
    assert_eq!(
        (reply.status, reply.header("retry-after")),
        (429, Some("120"))
    );
    assert_eq!(reply.json()["errno"], 201);
}

#[tokio::test]
async fn paths_and_methods() {
    let scene = Scene::new(Apple);
    let mut peer = scene.connect().await;
    let path = scene.path();
    let get = Push {
        method: http::Method::GET,
        ..scene.push("x")
    };
    let reply = peer.push(&get).await;
    assert_eq!(reply.verdict(), (405, "MethodNotAllowed".to_owned()));
    let unknown = scene.push("x").path(&format!("{path}0"));
    assert_eq!(peer.push(&unknown).await.verdict().0, 404);
    // The same id at another service is nobody's.
    let id = scene.view().push_token;
    for path in [
        format!("/wpush/v2/{id}"),
        format!("/fcm/send/{id}"),
        "/".to_owned(),
    ] {
        let reply = peer.push(&scene.push("x").path(&path)).await;
        assert_eq!(reply.status, 404, "{path}");
    }
    assert_eq!(path_of(&scene.sim, &scene.subscription), path);
}
