//! The rules of messages, by table.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{Condition, FcmTopic, InstallationId, PushToken, Ttl};

fn problems(json: &str) -> Vec<(String, &'static str)> {
    check(json.as_bytes())
        .into_iter()
        .map(|problem| (problem.pointer.into(), problem.rule))
        .collect()
}

/// The protocol sheet's request.
fn whole() -> Content {
    let webpush = json!({"headers": {"TTL": "60", "Urgency": "high"},
        "fcm_options": {"link": "https://shop.example/17"}});
    Content::new()
        .data("order", "17")
        .data("paid", "true")
        .notification(Notification::new("Hi", "Order 17"))
        .android(Android {
            priority: Some(AndroidPriority::High),
            ttl: Some(Ttl::new(Duration::from_millis(3_500)).unwrap()),
            collapse_key: Some("orders".to_owned()),
            notification: Some(AndroidNotification {
                channel_id: Some("c1".to_owned()),
                color: Some("#00ff7f".to_owned()),
                notification_priority: Some(NotificationPriority::High),
                notification_count: Some(2),
                ..AndroidNotification::default()
            }),
            ..Android::default()
        })
        .apns(
            Apns::default()
                .header("apns-priority", "10")
                .header("apns-expiration", "1767323045")
                .payload(json!({"aps": {"sound": "default"}, "k": 1})),
        )
        .webpush(serde_json::from_value(webpush).unwrap())
}

const WHOLE: &str = r##"{"message":{"token":"tok-A","data":{"order":"17","paid":"true"},
 "notification":{"title":"Hi","body":"Order 17"},
 "android":{"priority":"HIGH","ttl":"3.5s","collapse_key":"orders","notification":{"channel_id":"c1","color":"#00ff7f","notification_priority":"PRIORITY_HIGH","notification_count":2}},
 "apns":{"headers":{"apns-priority":"10","apns-expiration":"1767323045"},"payload":{"aps":{"sound":"default"},"k":1}},
 "webpush":{"headers":{"TTL":"60","Urgency":"high"},"fcm_options":{"link":"https://shop.example/17"}}}}"##;

#[test]
fn the_whole_request_is_written_as_google_shows_it() {
    let target = PushToken::new("tok-A").unwrap().into();
    let body = whole().to_message().unwrap().body(&target, false);
    let (ours, theirs): (Value, Value) = (
        serde_json::from_slice(&body).unwrap(),
        serde_json::from_str(WHOLE).unwrap(),
    );
    assert_eq!(ours, theirs);
    // And read back.
    let mut message = theirs["message"].clone();
    message.as_object_mut().unwrap().remove("token");
    assert_eq!(serde_json::from_value::<Content>(message).unwrap(), whole());
}

#[test]
fn a_typed_message_does_not_lose_what_it_does_not_know() {
    for json in [
        r#"{"notfication":{}}"#,
        r#"{"android":{"time_to_live":1}}"#,
        r#"{"android":{"notification":{"channel":"c"}}}"#,
        r#"{"apns":{"aps":{}}}"#,
        r#"{"webpush":{"fcm_options":{"url":"x"}}}"#,
    ] {
        let error = serde_json::from_str::<Content>(json).unwrap_err();
        assert!(
            error.to_string().contains("unknown field"),
            "{json}: {error}"
        );
    }
}

#[test]
fn every_target_stands_under_its_own_key() {
    let message = Message::raw("{}", DataRule::Refuse).unwrap();
    let condition = Condition::new("'a' in topics").unwrap();
    for (target, expected) in [
        (
            PushToken::new("t\"\\ü").unwrap().into(),
            r#"{"message":{"token":"t\"\\ü"}}"#,
        ),
        (
            InstallationId::new("f").unwrap().into(),
            r#"{"message":{"fid":"f"}}"#,
        ),
        (
            FcmTopic::new("/topics/news").unwrap().into(),
            r#"{"message":{"topic":"news"}}"#,
        ),
        (
            condition.into(),
            r#"{"message":{"condition":"'a' in topics"}}"#,
        ),
    ] {
        assert_eq!(message.body(&target, false), expected);
        let dry = message.body(&target, true);
        assert!(dry.starts_with(br#"{"validate_only":true,"message":{"#));
        serde_json::from_slice::<Value>(&dry).unwrap();
    }
}

#[test]
fn every_broken_rule_is_named_with_its_place() {
    let table: &[(&str, &[(&str, &str)])] = &[
        ("", &[("", "not_an_object")]),
        ("[]", &[("", "not_an_object")]),
        ("{} x", &[("", "not_an_object")]),
        (r#"{"token":"t"}"#, &[("/token", "target_in_message")]),
        (
            r#"{"topic":"t","condition":"c","fid":"f"}"#,
            &[
                ("/topic", "target_in_message"),
                ("/condition", "target_in_message"),
                ("/fid", "target_in_message"),
            ],
        ),
        (r#"{"name":"n"}"#, &[("/name", "output_only")]),
        (r#"{"android_v2":{}}"#, &[("/android_v2", "preview")]),
        (
            r#"{"to":"t","priority":"high"}"#,
            &[("/to", "legacy_key"), ("/priority", "legacy_key")],
        ),
        (r#"{"notfication":{}}"#, &[("/notfication", "unknown_key")]),
        (
            r#"{"notification":{"sound":"x"}}"#,
            &[("/notification/sound", "unknown_key")],
        ),
        (
            r#"{"notification":"x"}"#,
            &[("/notification", "wrong_type")],
        ),
        (
            r#"{"notification":{"title":null}}"#,
            &[("/notification/title", "wrong_type")],
        ),
        (
            r#"{"notification":{"image":"http://a.example/x.png"}}"#,
            &[("/notification/image", "bad_url")],
        ),
        (
            r#"{"data":{"a":1,"b":true,"c":{},"d":null,"e":["x"]}}"#,
            &[
                ("/data/a", "wrong_type"),
                ("/data/b", "wrong_type"),
                ("/data/c", "wrong_type"),
                ("/data/d", "wrong_type"),
                ("/data/e", "wrong_type"),
            ],
        ),
        (
            r#"{"data":{"from":"x","message_type":"x","google.x":"x","gcmx":"x","collapse_key":"x","fromx":"x"}}"#,
            &[
                ("/data/from", "reserved_key"),
                ("/data/message_type", "reserved_key"),
                ("/data/google.x", "reserved_key"),
                ("/data/gcmx", "reserved_key"),
                ("/data/collapse_key", "reserved_key"),
            ],
        ),
        (
            r#"{"data":{"a":"1","a":"2"}}"#,
            &[("/data/a", "duplicate_key")],
        ),
        (r#"{"data":{},"data":{}}"#, &[("/data", "duplicate_key")]),
        (
            r#"{"android":{"collapse_key":"a","collapseKey":"b"}}"#,
            &[("/android/collapse_key", "duplicate_key")],
        ),
        (r#"{"data":"x"}"#, &[("/data", "wrong_type")]),
        (
            r#"{"android":{"priority":"urgent"}}"#,
            &[("/android/priority", "unknown_value")],
        ),
        (
            r#"{"android":{"ttl":"3600"}}"#,
            &[("/android/ttl", "bad_duration")],
        ),
        (
            r#"{"android":{"ttl":"2419201s"}}"#,
            &[("/android/ttl", "out_of_range")],
        ),
        (
            r#"{"android":{"direct_boot_ok":"yes"}}"#,
            &[("/android/direct_boot_ok", "wrong_type")],
        ),
        (
            r#"{"android":{"fcm_options":{"analytics_label":"a b"}}}"#,
            &[("/android/fcm_options/analytics_label", "bad_label")],
        ),
        (
            r##"{"android":{"notification":{"color":"#00ff7"}}}"##,
            &[("/android/notification/color", "bad_colour")],
        ),
        (
            r#"{"android":{"notification":{"event_time":"2026-01-02 03:04:05"}}}"#,
            &[("/android/notification/event_time", "bad_time")],
        ),
        (
            r#"{"android":{"notification":{"notification_count":-1}}}"#,
            &[("/android/notification/notification_count", "out_of_range")],
        ),
        (
            r#"{"android":{"notification":{"notification_count":2147483648}}}"#,
            &[("/android/notification/notification_count", "out_of_range")],
        ),
        (
            r#"{"android":{"notification":{"visibility":"public"}}}"#,
            &[("/android/notification/visibility", "unknown_value")],
        ),
        (
            r#"{"android":{"notification":{"title_loc_args":["x"],"body_loc_args":[7]}}}"#,
            &[
                ("/android/notification/body_loc_args/0", "wrong_type"),
                ("/android/notification/title_loc_args", "needs_key"),
                ("/android/notification/body_loc_args", "needs_key"),
            ],
        ),
        (
            r#"{"android":{"notification":{"vibrate_timings":["1s",2]}}}"#,
            &[("/android/notification/vibrate_timings/1", "wrong_type")],
        ),
        (
            r#"{"android":{"notification":{"light_settings":{"color":{"red":2,"green":0,"blue":0},"light_on_duration":"1s"}}}}"#,
            &[
                (
                    "/android/notification/light_settings/color/red",
                    "out_of_range",
                ),
                (
                    "/android/notification/light_settings/light_off_duration",
                    "required",
                ),
                (
                    "/android/notification/light_settings/color/alpha",
                    "required",
                ),
            ],
        ),
        (
            r#"{"webpush":{"headers":{"TTL":60}}}"#,
            &[("/webpush/headers/TTL", "wrong_type")],
        ),
        (
            r#"{"webpush":{"fcm_options":{"link":"/17"}}}"#,
            &[("/webpush/fcm_options/link", "bad_url")],
        ),
        (
            r#"{"webpush":{"notification":[]}}"#,
            &[("/webpush/notification", "wrong_type")],
        ),
        (
            r#"{"apns":{"headers":{"apns-priority":10}}}"#,
            &[("/apns/headers/apns-priority", "wrong_type")],
        ),
        (
            r#"{"apns":{"headers":{"apns-priority":"7"}}}"#,
            &[("/apns/headers/apns-priority", "unknown_value")],
        ),
        (
            r#"{"apns":{"headers":{"apns-push-type":"voip"}}}"#,
            &[("/apns/headers", "voip")],
        ),
        (
            r#"{"apns":{"headers":{"APNS-Topic":"a.b.voip"}}}"#,
            &[("/apns/headers", "voip")],
        ),
        (
            r#"{"apns":{"payload":{"aps":{"content-available":true}}}}"#,
            &[("/apns/payload/aps/content-available", "wrong_type")],
        ),
        (
            r#"{"apns":{"headers":{"apns-priority":"10"},"payload":{"aps":{"content-available":1}}}}"#,
            &[("/apns/headers/apns-priority", "silent_priority")],
        ),
        (
            r#"{"apns":{"live_activity_token":"t"}}"#,
            &[("/apns/payload/aps", "required")],
        ),
        (
            r#"{"apns":{"live_activity_token":"t","payload":{"aps":{"event":"begin"}}}}"#,
            &[("/apns/payload/aps/event", "required")],
        ),
        (
            r#"{"apns":{"live_activity_token":"t","payload":{"aps":{"event":"update","timestamp":1}}}}"#,
            &[("/apns/payload/aps/content-state", "required")],
        ),
    ];
    for (json, expected) in table {
        let found = problems(json);
        let found: Vec<_> = found
            .iter()
            .map(|(at, rule)| (at.as_str(), *rule))
            .collect();
        assert_eq!(found, *expected, "{json}");
        assert!(Message::raw(json, DataRule::Refuse).is_err(), "{json}");
    }
}

#[test]
fn what_fcm_takes_is_let_through() {
    for json in [
        "{}",
        r#" {"data":{}} "#,
        r#"{"android":{"priority":"high","ttl":"0s"}}"#,
        r#"{"android":{"notification":{"event_time":"2026-01-02T03:04:05.000Z"}}}"#,
        r#"{"android":{"notification":{"event_time":"2026-01-02T03:04:05+09:00","vibrate_timings":["0.1s"]}}}"#,
        r#"{"apns":{"headers":{"apns-priority":"5"},"payload":{"aps":{"content-available":1},"mine":[true]}}}"#,
        r#"{"notification":{"title":"x"},"apns":{"headers":{"apns-priority":"10"},"payload":{"aps":{"content-available":1}}}}"#,
        r#"{"apns":{"live_activity_token":"t","headers":{"apns-priority":"10"},
            "payload":{"aps":{"event":"end","timestamp":1,"content-state":{}}}}}"#,
        r#"{"webpush":{"notification":{"requireInteraction":true,"vibrate":[1,2],"data":{"a":1}}}}"#,
        r#"{"fcmOptions":{"analyticsLabel":"a-_.~%"}}"#,
    ] {
        assert_eq!(problems(json), [], "{json}");
    }
}

#[test]
fn values_of_data_are_refused_or_made_texts_by_the_named_rule() {
    let json = r#"{"data":{"a":1.5,"b":true,"c":{"d":[1,"x"]},"e":null,"f":"g"},"android":{"data":{"n":7}},"webpush":{"data":{"n":8}}}"#;
    assert_eq!(
        Message::raw(json, DataRule::default())
            .unwrap_err()
            .problems()
            .len(),
        6
    );
    let message = Message::raw(json, DataRule::Stringify).unwrap();
    let expected = r#"{"data":{"a":"1.5","b":"true","c":"{\"d\":[1,\"x\"]}","e":"null","f":"g"},"android":{"data":{"n":"7"}},"webpush":{"data":{"n":"8"}}}"#;
    assert_eq!(message.json(), expected);
    // Reserved keys stay a problem.
    assert!(Message::raw(r#"{"data":{"from":1}}"#, DataRule::Stringify).is_err());
}

#[test]
fn devices_take_4096_bytes_and_topics_2048() {
    let of = |bytes: usize| {
        let value = "x".repeat(bytes - 1);
        Content::new().data("k", value).to_message()
    };
    let device = PushToken::new("t").unwrap().into();
    let topic = FcmTopic::new("t").unwrap().into();
    assert_eq!(of(4096).unwrap().counted_bytes(), Some(4096));
    assert_eq!(of(4096).unwrap().problem_for(&device), None);
    let error = of(4097).unwrap_err();
    assert_eq!(error.problems()[0].rule, "too_large");
    assert!(
        error
            .to_string()
            .contains("4097 bytes, 1 more than the 4096"),
        "{error}"
    );
    assert_eq!(of(2048).unwrap().problem_for(&topic), None);
    let problem = of(2049).unwrap().problem_for(&topic).unwrap();
    assert!(
        problem.message.contains("1 more than the 2048"),
        "{problem}"
    );
}

#[test]
fn a_prechecked_message_is_taken_as_it_is() {
    let checked = whole().to_message().unwrap();
    let again = Message::prechecked(checked.json().clone()).unwrap();
    let target = PushToken::new("t").unwrap().into();
    assert_eq!(again.body(&target, false), checked.body(&target, false));
    assert_eq!(
        (again.counted_bytes(), again.problem_for(&target)),
        (None, None)
    );
    for bad in ["", "{", "[]", "\"x\""] {
        assert!(Message::prechecked(bad).is_err(), "{bad}");
    }
}

#[test]
fn debug_shows_nothing_of_the_message() {
    let text = format!("{:?}", whole().to_message().unwrap());
    assert!(!text.contains("Order"), "{text}");
}

proptest! {
    #[test]
    fn no_text_panics(json in "[{}\\[\\]\":,a-z0-9]{0,60}") {
        drop(check(json.as_bytes()));
    }

    #[test]
    fn any_target_and_data_make_json(address in "[^\\s\\p{Cc}]{1,40}", value in "\\PC{0,40}") {
        let message = Content::new().data("k", value.clone()).to_message().unwrap();
        let target = PushToken::new(&address).unwrap().into();
        let body: Value = serde_json::from_slice(&message.body(&target, false)).unwrap();
        prop_assert_eq!(body["message"]["token"].as_str(), Some(address.as_str()));
        prop_assert_eq!(body["message"]["data"]["k"].as_str(), Some(value.as_str()));
    }
}
