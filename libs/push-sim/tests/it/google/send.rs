//! `messages:send`: what is taken, what is refused, and in which words.

use std::time::Duration;

use push_sim::{
    ApnsCredentials, FcmPhonePatch, FcmSettings, Gateway, IosDeath, NewFcmPhones, Platform,
    ProjectSettings, ReceivedFilter,
};
use serde_json::{Value, json};

use super::stage::{PROJECT, Stage, seen, send_request};

#[tokio::test]
async fn a_message_reaches_the_phone_and_the_books() {
    let mut stage = Stage::new().await;
    let phone = stage.phone(NewFcmPhones::default());
    let message = json!({
        "token": phone.registration_token,
        "data": {"order": "17", "paid": "true"},
        "notification": {"title": "Hi", "body": "Order 17"},
        "android": {"priority": "HIGH", "ttl": "3.5s", "collapse_key": "orders", "notification":
            {"channel_id": "c1", "color": "#00ff7f", "notification_priority": "PRIORITY_HIGH",
             "notification_count": 2}},
        "apns": {"headers": {"apns-priority": "10", "apns-expiration": "1767323045"},
            "payload": {"aps": {"sound": "default"}, "k": 1}},
        "webpush": {"headers": {"TTL": "60", "Urgency": "high"},
            "fcm_options": {"link": "https://shop.example/17"}},
    });
    let reply = stage.send(&message).await;
    assert_eq!(reply.status, 200, "{}", reply.json());
    let body = reply.json();
    let name = body["name"].as_str().unwrap();
    assert!(name.starts_with("projects/pager-1/messages/0:"), "{name}");

    let view = stage.view(&phone);
    assert_eq!(view.shown.len(), 1);
    assert_eq!(view.shown[0].title.as_deref(), Some("Hi"));
    assert_eq!(view.shown[0].notification["channel_id"], "c1");
    assert_eq!(view.shown[0].data["order"], "17");
    assert_eq!(view.shown[0].name, name);

    let page = stage.sim.received(&ReceivedFilter {
        gateway: Some(Gateway::Fcm),
        push_token: Some(phone.registration_token.clone()),
        ..ReceivedFilter::default()
    });
    let record = &page.received[0];
    assert_eq!(record.project.as_deref(), Some(PROJECT));
    assert_eq!(record.message_name.as_deref(), Some(name));
    assert_eq!((record.push_type.as_str(), record.status), ("token", 200));
    assert!(record.payload.as_ref().unwrap().contains("Order 17"));
}

#[tokio::test]
async fn an_installation_id_is_a_target_as_well() {
    let mut stage = Stage::new().await;
    let phone = stage.phone(NewFcmPhones::default());
    let reply = stage
        .send(&json!({"fid": phone.fid, "data": {"a": "b"}}))
        .await;
    assert_eq!(reply.status, 200);
    assert_eq!(stage.view(&phone).shown.len(), 1);
}

#[tokio::test]
async fn camel_case_is_read_too() {
    let mut stage = Stage::new().await;
    let phone = stage.phone(NewFcmPhones::default());
    let message = json!({
        "token": phone.registration_token,
        "android": {"collapseKey": "x", "notification": {"channelId": "c2", "title": "T"}},
    });
    assert_eq!(stage.send(&message).await.status, 200);
    assert_eq!(stage.view(&phone).shown[0].notification["channel_id"], "c2");
}

#[tokio::test]
async fn validation_delivers_nothing() {
    let mut stage = Stage::new().await;
    let phone = stage.phone(NewFcmPhones::default());
    let message = json!({"token": phone.registration_token, "data": {"a": "b"}});
    let body = json!({"message": message, "validate_only": true});
    let reply = stage.peer.push(&send_request(&stage.bearer, &body)).await;
    assert_eq!(
        reply.json()["name"],
        "projects/pager-1/messages/fake_message_id"
    );
    assert_eq!(stage.view(&phone).shown.len(), 0);
}

#[tokio::test]
async fn the_schema_is_held_before_the_rules() {
    let mut stage = Stage::new().await;
    let phone = stage.phone(NewFcmPhones::default());
    let cases = [
        (json!({"colour": "x"}), "message", "Unknown name \"colour\""),
        (
            json!({"data": {"a": 17}}),
            "message.data[0].value",
            "TYPE_STRING",
        ),
        (
            json!({"android": {"ttl": "3600"}}),
            "message.android.ttl",
            "must end with 's'",
        ),
        (
            json!({"android": {"ttl": 3600}}),
            "message.android.ttl",
            "Duration",
        ),
        (
            json!({"android": {"priority": "urgent"}}),
            "message.android.priority",
            "AndroidMessagePriority",
        ),
        (
            json!({"apns": {"headers": {"apns-priority": 10}}}),
            "message.apns.headers[0].value",
            "TYPE_STRING",
        ),
        (json!({"topic": "news"}), "message", "already set"),
    ];
    for (mut message, field, text) in cases {
        message["token"] = phone.registration_token.as_str().into();
        let found = seen(&stage.send(&message).await);
        assert_eq!(
            (found.http, found.status.as_str()),
            (400, "INVALID_ARGUMENT")
        );
        assert_eq!(found.code, None, "{message}");
        assert_eq!(found.field.as_deref(), Some(field), "{message}");
        assert!(found.message.contains(text), "{message}: {}", found.message);
    }
    for body in ["{", "[]", "{\"messages\":{}}"] {
        let request = stage.request(&Value::Null).body(body);
        assert_eq!(seen(&stage.peer.push(&request).await).http, 400, "{body}");
    }
}

#[tokio::test]
async fn the_rules_name_the_field() {
    let mut stage = Stage::new().await;
    let phone = stage.phone(NewFcmPhones::default());
    let android = |notification: Value| json!({"android": {"notification": notification}});
    let light = json!({"color": {"red": 1, "green": 0, "blue": 0, "alpha": 2},
        "light_on_duration": "1s", "light_off_duration": "1s"});
    let cases = [
        (json!({"data": {"from": "x"}}), "message.data"),
        (json!({"data": {"google.x": "x"}}), "message.data"),
        (
            json!({"android": {"data": {"gcm_x": "x"}}}),
            "message.android.data",
        ),
        (
            json!({"android": {"ttl": "2419201s"}}),
            "message.android.ttl",
        ),
        (json!({"android": {"ttl": "-1s"}}), "message.android.ttl"),
        (
            android(json!({"color": "red"})),
            "message.android.notification.color",
        ),
        (
            android(json!({"body_loc_args": ["x"]})),
            "message.android.notification.body_loc_args",
        ),
        (
            android(json!({"light_settings": {}})),
            "message.android.notification.light_settings",
        ),
        (
            android(json!({"light_settings": light})),
            "message.android.notification.light_settings.color",
        ),
        (
            json!({"webpush": {"fcm_options": {"link": "http://x"}}}),
            "message.webpush.fcm_options.link",
        ),
        (
            json!({"fcm_options": {"analytics_label": "a b"}}),
            "message.fcm_options.analytics_label",
        ),
        (
            json!({"android": {"restricted_package_name": "net.example.other"}}),
            "message.android.restricted_package_name",
        ),
    ];
    for (mut message, field) in cases {
        message["token"] = phone.registration_token.as_str().into();
        let found = seen(&stage.send(&message).await);
        assert_eq!(found.http, 400, "{message}");
        assert_eq!(found.code.as_deref(), Some("INVALID_ARGUMENT"), "{message}");
        assert_eq!(found.field.as_deref(), Some(field), "{message}");
    }
    let six = ["'a' in topics"; 6].join(" || ");
    for (message, field) in [
        (json!({"data": {"a": "b"}}), "message"),
        (json!({"token": ""}), "message.token"),
        (json!({"topic": "/topics/news"}), "message.topic"),
        (json!({"condition": "\"a\" in topics"}), "message.condition"),
        (json!({"condition": six}), "message.condition"),
    ] {
        let found = seen(&stage.send(&message).await);
        assert_eq!(found.field.as_deref(), Some(field), "{message}");
    }
}

#[tokio::test]
async fn too_much_is_too_big() {
    let mut stage = Stage::new().await;
    let phone = stage.phone(NewFcmPhones::default());
    for (target, bytes) in [
        (json!({"token": phone.registration_token}), 4096),
        (json!({"topic": "news"}), 2048),
    ] {
        for (more, status) in [(0, 200), (1, 400)] {
            let mut message = target.clone();
            message["data"] = json!({"k": "x".repeat(bytes - 1 + more)});
            let reply = stage.send(&message).await;
            assert_eq!(reply.status, status);
            if status == 400 {
                let found = seen(&reply);
                assert_eq!(found.code.as_deref(), Some("INVALID_ARGUMENT"));
                assert_eq!(found.field, None);
                assert_eq!(found.message, "Android message is too big");
            }
        }
    }
}

#[tokio::test]
async fn registrations_die_in_three_ways() {
    let mut stage = Stage::new().await;
    let gone = stage.phone(NewFcmPhones {
        installed: false,
        ..NewFcmPhones::default()
    });
    let foreign = stage.phone(NewFcmPhones {
        project: "pager-2".into(),
        ..NewFcmPhones::default()
    });
    for (token, http, status, code) in [
        (
            gone.registration_token.as_str(),
            404,
            "NOT_FOUND",
            "UNREGISTERED",
        ),
        (
            foreign.registration_token.as_str(),
            403,
            "PERMISSION_DENIED",
            "SENDER_ID_MISMATCH",
        ),
        ("nonsense", 400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
    ] {
        let found = seen(
            &stage
                .send(&json!({"token": token, "data": {"a": "b"}}))
                .await,
        );
        assert_eq!((found.http, found.status.as_str()), (http, status));
        assert_eq!(found.code.as_deref(), Some(code));
    }
    let phone = stage.phone(NewFcmPhones::default());
    let patch = FcmPhonePatch {
        rotate_registration: true,
        ..FcmPhonePatch::default()
    };
    let view = stage.sim.patch_fcm_phone(phone.id, &patch).unwrap();
    assert_ne!(view.registration_token, phone.registration_token);
    let old = json!({"token": phone.registration_token});
    assert_eq!(stage.send(&old).await.status, 404);
    let new = json!({"token": view.registration_token});
    assert_eq!(stage.send(&new).await.status, 200);
}

#[tokio::test]
async fn iphones_answer_with_apples_word() {
    let mut stage = Stage::new().await;
    let ios = |installed| NewFcmPhones {
        platform: Platform::Ios,
        installed,
        ..NewFcmPhones::default()
    };
    let (alive, gone) = (stage.phone(ios(true)), stage.phone(ios(false)));
    let message = json!({"token": alive.registration_token,
        "apns": {"payload": {"aps": {"alert": {"title": "T", "body": "B"}}, "k": 1}}});
    assert_eq!(stage.send(&message).await.status, 200);
    let shown = &stage.view(&alive).shown[0];
    assert_eq!(
        (shown.title.as_deref(), shown.data["k"].as_str()),
        (Some("T"), "1")
    );
    let large = json!({"token": alive.registration_token,
        "apns": {"payload": {"aps": {}, "k": "x".repeat(4096)}}});
    let found = seen(&stage.send(&large).await);
    assert_eq!(found.apns, Some((413, "PayloadTooLarge".into())));

    let dead = json!({"token": gone.registration_token});
    assert_eq!(
        seen(&stage.send(&dead).await).code.as_deref(),
        Some("UNREGISTERED")
    );
    let set = |settings| stage.sim.set_project(PROJECT, settings);
    set(ProjectSettings {
        ios_death: IosDeath::ApnsError,
        ..ProjectSettings::default()
    });
    let found = seen(&stage.send(&dead).await);
    assert_eq!(found.code.as_deref(), Some("INVALID_ARGUMENT"));
    assert_eq!(found.apns, Some((410, "Unregistered".into())));
    for (apns_credentials, reason) in [
        (ApnsCredentials::Refused, "InvalidProviderToken"),
        (
            ApnsCredentials::WrongEnvironment,
            "BadEnvironmentKeyInToken",
        ),
    ] {
        stage.sim.set_project(
            PROJECT,
            ProjectSettings {
                apns_credentials,
                ..ProjectSettings::default()
            },
        );
        let found = seen(&stage.send(&message).await);
        assert_eq!(
            (found.http, found.status.as_str()),
            (401, "UNAUTHENTICATED")
        );
        assert_eq!(found.code.as_deref(), Some("THIRD_PARTY_AUTH_ERROR"));
        assert_eq!(found.apns, Some((403, reason.into())));
    }
}

#[tokio::test]
async fn quotas_of_the_project_and_of_a_phone() {
    let mut stage = Stage::with(FcmSettings {
        sends_per_minute: 5,
        device_sends_per_minute: Some(2),
        retry_after_secs: Some(7),
        ..FcmSettings::default()
    })
    .await;
    let phone = stage.phone(NewFcmPhones::default());
    let message = json!({"token": phone.registration_token});
    for _ in 0..2 {
        assert_eq!(stage.send(&message).await.status, 200);
    }
    let reply = stage.send(&message).await;
    let found = seen(&reply);
    assert_eq!(
        (found.http, found.code.as_deref()),
        (429, Some("QUOTA_EXCEEDED"))
    );
    assert_eq!(reply.header("retry-after"), Some("7"));
    for _ in 0..2 {
        assert_eq!(stage.send(&json!({"topic": "news"})).await.status, 200);
    }
    let reply = stage.send(&json!({"topic": "news"})).await;
    let found = seen(&reply);
    assert_eq!(found.status, "RESOURCE_EXHAUSTED");
    assert_eq!(
        (found.code, found.info.as_deref()),
        (None, Some("RATE_LIMIT_EXCEEDED"))
    );
    let details = &reply.json()["error"]["details"][0];
    assert_eq!(
        details["metadata"]["quota_limit"],
        "SendsPerMinutePerProject"
    );
    stage.sim.advance(Duration::from_secs(60));
    assert_eq!(stage.send(&message).await.status, 200);
}

#[tokio::test]
async fn what_is_dead_says_so() {
    let mut stage = Stage::new().await;
    let request = stage.request(&json!({})).path("/fcm/send");
    let reply = stage.peer.push(&request).await;
    assert_eq!(reply.status, 404);
    assert!(
        reply.json()["error"]
            .as_str()
            .unwrap()
            .starts_with("Deprecated endpoint")
    );
    let reply = stage.peer.push(&request.path("/nowhere")).await;
    assert_eq!(reply.status, 404);
    assert!(
        reply
            .header("content-type")
            .unwrap()
            .starts_with("text/html")
    );
}
