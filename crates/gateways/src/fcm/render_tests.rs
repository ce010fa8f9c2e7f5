//! What each portable field and option becomes, and how raw parts win.

use super::super::prepare::written;
use carillon_model::content::Content;
use carillon_model::lane::Class;
use carillon_model::notification::{Priority, SendOptions};
use carillon_model::push_type::{OnUnknown, PushType, TokenKind};
use fcm::DataRule;
use serde_json::{Value, json};

fn options(push_type: PushType, change: impl FnOnce(&mut SendOptions)) -> SendOptions {
    let mut options = SendOptions {
        push_type,
        token_kind: TokenKind::Alert,
        priority: Priority::High,
        store_offline: true,
        on_unknown: OnUnknown::Resend,
        class: Class::Normal,
        collapse_id: None,
        apns_topic: None,
        channel: None,
        category: None,
        is_critical: false,
    };
    change(&mut options);
    options
}

fn content(json: &str) -> Content {
    serde_json::from_str(json).unwrap()
}

fn rendered_with(options: &SendOptions, json: &str) -> Value {
    let bytes = written(&content(json), options, DataRule::Stringify).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn alert(json: &str) -> Value {
    rendered_with(&options(PushType::Alert, |_| {}), json)
}

#[test]
fn every_portable_field_of_an_alert() {
    let all = r#"{"title":"t","subtitle":"s","body":"b \"q\"","badge":3,"sound":"ping.caf","image":"https://x/y.png",
        "link":"https://z/1","data":{"k":"v"},"thread":"th","category":"c","urgency":"time_sensitive"}"#;
    assert_eq!(
        alert(all),
        json!({
            "android": {
                "notification": {"sound": "ping.caf", "notification_count": 3, "notification_priority": "PRIORITY_HIGH"},
                "priority": "HIGH",
            },
            "webpush": {"headers": {"Urgency": "high"}, "fcm_options": {"link": "https://z/1"}},
            "apns": {
                "headers": {"apns-push-type": "alert", "apns-priority": "10"},
                "payload": {"aps": {
                    "alert": {"title": "t", "subtitle": "s", "body": "b \"q\""},
                    "badge": 3, "sound": "ping.caf", "thread-id": "th", "category": "c",
                    "interruption-level": "time-sensitive", "mutable-content": 1,
                }},
                "fcm_options": {"image": "https://x/y.png"},
            },
            "notification": {"title": "t", "body": "b \"q\"", "image": "https://x/y.png"},
            "data": {"k": "v", "link": "https://z/1"},
        })
    );
}

#[test]
fn what_is_not_said_is_not_written() {
    assert_eq!(
        alert(r#"{"body":"b","badge":0}"#),
        json!({
            "android": {"notification": {}, "priority": "HIGH"},
            "webpush": {"headers": {"Urgency": "high"}},
            "apns": {
                "headers": {"apns-push-type": "alert", "apns-priority": "10"},
                "payload": {"aps": {"badge": 0}},
            },
            "notification": {"body": "b"},
        })
    );
    let link = alert(r#"{"body":"b","link":"app://z"}"#);
    assert_eq!(link["data"]["link"], "app://z");
    assert_eq!(
        link["webpush"].get("fcm_options"),
        None,
        "browsers take https only"
    );
}

#[test]
fn a_critical_alert_has_a_critical_sound_at_apples() {
    let critical = alert(r#"{"body":"b","urgency":"critical"}"#);
    let aps = &critical["apns"]["payload"]["aps"];
    assert_eq!(
        aps["sound"],
        json!({"critical": 1, "name": "default", "volume": 1.0})
    );
    assert_eq!(aps["interruption-level"], "critical");
}

#[test]
fn what_shows_nothing_wakes_the_app_and_no_more() {
    let background = options(PushType::Background, |options| {
        options.priority = Priority::Normal
    });
    for (json, data) in [
        ("{}", None),
        (r#"{"data":{"a":"1"}}"#, Some(json!({"a": "1"}))),
    ] {
        let message = rendered_with(&background, json);
        assert_eq!(message["android"], json!({"priority": "NORMAL"}));
        assert_eq!(
            message["apns"],
            json!({
                "headers": {"apns-push-type": "background", "apns-priority": "5"},
                "payload": {"aps": {"content-available": 1}},
            })
        );
        assert_eq!(message.get("data").cloned(), data);
        assert_eq!(message.get("notification"), None);
    }
    // An alert that the app itself is to show: at once on Android, quietly on an iPhone.
    let data_only = alert(r#"{"data":{"a":"1"}}"#);
    assert_eq!(data_only["android"], json!({"priority": "HIGH"}));
    assert_eq!(data_only["apns"]["headers"]["apns-priority"], "5");
}

#[test]
fn data_values_become_strings_or_are_refused_by_the_named_rule() {
    let data = r#"{"body":"b","data":{"s":"a\u0041\"","n":7,"f":-1.50,"t":true,"z":null,"o":{"a":[1, "x"]}}}"#;
    assert_eq!(
        alert(data)["data"],
        json!({"s": "aA\"", "n": "7", "f": "-1.50", "t": "true", "z": "null", "o": "{\"a\":[1, \"x\"]}"})
    );
    let refused = written(
        &content(data),
        &options(PushType::Alert, |_| {}),
        DataRule::Refuse,
    )
    .unwrap_err();
    let found: Vec<_> = refused
        .iter()
        .map(|problem| (&*problem.pointer, problem.code))
        .collect();
    assert_eq!(
        found,
        ["n", "f", "t", "z", "o"]
            .map(|key| format!("/content/data/{key}"))
            .iter()
            .map(|pointer| (pointer.as_str(), "fcm.wrong_type"))
            .collect::<Vec<_>>()
    );
}

#[test]
fn a_collapse_id_replaces_on_every_platform() {
    let with = |id: &str| {
        let options = options(PushType::Alert, |options| {
            options.collapse_id = Some(id.into())
        });
        rendered_with(&options, r#"{"body":"b"}"#)
    };
    let message = with("order-17");
    assert_eq!(message["android"]["collapse_key"], "order-17");
    assert_eq!(message["android"]["notification"]["tag"], "order-17");
    assert_eq!(message["webpush"]["headers"]["Topic"], "order-17");
    assert_eq!(message["apns"]["headers"]["apns-collapse-id"], "order-17");
    let topic = with("Bestellung für Zoë, Nr. 17");
    let topic = topic["webpush"]["headers"]["Topic"].as_str().unwrap();
    assert_eq!(topic.len(), 32, "hashed to fit: {topic}");
}

#[test]
fn now_or_never_and_priorities_hold_everywhere() {
    let low = options(PushType::Alert, |options| {
        options.store_offline = false;
        options.priority = Priority::Low;
    });
    let message = rendered_with(&low, r#"{"body":"b"}"#);
    assert_eq!(message["android"]["ttl"], "0s");
    assert_eq!(message["android"]["priority"], "NORMAL");
    assert_eq!(
        message["webpush"]["headers"],
        json!({"Urgency": "low", "TTL": "0"})
    );
    assert_eq!(
        message["apns"]["headers"],
        json!({"apns-push-type": "alert", "apns-priority": "1", "apns-expiration": "0"})
    );
}

#[test]
fn raw_parts_win_field_by_field() {
    let both = r#"{"title":"t","body":"b","sound":"s","data":{"a":1,"b":2},"fcm":{
        "notification":{"title":"raw"},
        "android":{"ttl":"60s","notification":{"sound":"loud","channelId":"c1"}},
        "apns":{"headers":{"Apns-Priority":"5"},"payload":{"aps":{"sound":"x"},"own":[1]}},
        "webpush":{"fcmOptions":{"link":"https://w/"}},
        "data":{"b":"raw","n":7},
        "fcmOptions":{"analyticsLabel":"l1"}}}"#;
    assert_eq!(
        alert(both),
        json!({
            "android": {"notification": {"sound": "loud", "channel_id": "c1"}, "priority": "HIGH", "ttl": "60s"},
            "webpush": {"headers": {"Urgency": "high"}, "fcm_options": {"link": "https://w/"}},
            "apns": {
                "headers": {"apns-push-type": "alert", "Apns-Priority": "5"},
                "payload": {"aps": {"sound": "x"}, "own": [1]},
            },
            "notification": {"title": "raw", "body": "b"},
            "data": {"a": "1", "b": "raw", "n": "7"},
            "fcm_options": {"analytics_label": "l1"},
        })
    );
    let alone = alert(r#"{"fcm":{"notification":{"body":"b"},"android":{"priority":"normal"}}}"#);
    assert_eq!(
        alone["android"],
        json!({"notification": {}, "priority": "normal"})
    );
    assert_eq!(alone["notification"], json!({"body": "b"}));
}

#[test]
fn a_live_activity_is_the_callers_alone() {
    let live = r#"{"fcm":{"apns":{"live_activity_token":"80f1","headers":{"apns-priority":"10"},
        "payload":{"aps":{"event":"update","timestamp":1,"content-state":{}}}}}}"#;
    assert_eq!(
        alert(live)["apns"],
        json!({
            "headers": {"apns-priority": "10"},
            "live_activity_token": "80f1",
            "payload": {"aps": {"event": "update", "timestamp": 1, "content-state": {}}},
        })
    );
}

proptest::proptest! {
    /// Whatever the portable fields hold, the message is JSON in which each of them can be read again.
    #[test]
    fn any_text_survives(title in "\\PC{0,40}", body in "(?s).{0,40}", key in "[a-z]{1,6}", badge in 1_u32..1_000_000) {
        let data = serde_json::value::to_raw_value(&json!({ format!("x{key}"): body })).unwrap();
        let content = Content {
            title: Some(title.clone()),
            body: Some(body.clone()),
            badge: Some(badge),
            data: Some(data),
            ..Content::default()
        };
        let options = options(PushType::Alert, |_| {});
        let message = written(&content, &options, DataRule::Stringify).unwrap();
        let read: Value = serde_json::from_slice(&message).unwrap();
        proptest::prop_assert_eq!(&read["notification"]["title"], &title);
        proptest::prop_assert_eq!(&read["notification"]["body"], &body);
        proptest::prop_assert_eq!(&read["data"][format!("x{key}")], &body);
        let wishes = super::super::seams::Wishes {
            expires: true,
            is_replaceable: true,
            is_live: false,
        };
        let all = super::super::seams::find(&message, wishes);
        proptest::prop_assert_eq!(all.len(), 6);
    }
}

#[test]
fn a_live_activity_is_its_timelines_own_at_apples() {
    let raw = r#"{"fcm":{"android":{"collapse_key":"l","data":{"event":"update"}},
        "apns":{"payload":{"aps":{"event":"update","timestamp":1,"content-state":{"n":1},"alert":{"title":"t"}}}}}}"#;
    let live = |priority| {
        options(PushType::LiveActivity, |options| {
            options.priority = priority
        })
    };
    for (priority, word) in [(Priority::High, "10"), (Priority::Normal, "5")] {
        let message = rendered_with(&live(priority), raw);
        assert_eq!(
            message["apns"],
            json!({
                "headers": {"apns-priority": word},
                "payload": {"aps": {"event": "update", "timestamp": 1, "content-state": {"n": 1}, "alert": {"title": "t"}}},
            })
        );
        assert_eq!(message["android"]["data"]["event"], "update");
    }
}
