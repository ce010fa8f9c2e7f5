//! Golden bodies of every builder, and every rule of the check.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::broadcast::ChannelId;
use crate::push_type::PushType;

fn value(payload: &Payload) -> Value {
    serde_json::from_slice(payload.body()).unwrap()
}

/// (pointer, rule) of every problem.
fn found(push_type: PushType, body: &str) -> Vec<(String, &'static str)> {
    check(push_type, body.as_bytes())
        .into_iter()
        .map(|problem| {
            assert!(
                !problem.message.is_empty() && !problem.message.ends_with('.'),
                "{problem}"
            );
            (problem.pointer.into_string(), problem.rule)
        })
        .collect()
}

const V2: &str = r#"{"aps":{"alert":{"title":"db-3 down","body":"no heartbeat for 90 s"},"sound":"default","thread-id":"db","interruption-level":"time-sensitive","relevance-score":0.9},"incident":4711}"#;
const V5_START: &str = r#"{"aps":{"timestamp":1700000100,"event":"start","attributes-type":"IncidentAttributes","attributes":{"service":"db-3"},"content-state":{"state":"down","since":1700000010},"input-push-token":1,"alert":{"title":"db-3 down","body":"Tap to follow","sound":"default"}}}"#;
const V5_UPDATE: &str = r#"{"aps":{"timestamp":1700000160,"event":"update","content-state":{"state":"degraded","since":1700000010},"stale-date":1700000760,"relevance-score":50}}"#;
const V5_END: &str = r#"{"aps":{"timestamp":1700000400,"event":"end","content-state":{"state":"up","since":1700000010},"dismissal-date":1700000700}}"#;

// === Builders ===

#[test]
fn v2_the_builder_writes_the_vector_byte_for_byte() {
    let payload = AlertPayload::new(Alert::new("db-3 down").body("no heartbeat for 90 s"))
        .sound("default")
        .thread_id("db")
        .interruption_level(InterruptionLevel::TimeSensitive)
        .relevance_score(0.9)
        .custom("incident", 4711)
        .to_payload()
        .unwrap();
    assert_eq!(payload.body(), V2);
    assert_eq!(payload.push_type(), PushType::Alert);
}

#[test]
fn v5_start_update_and_end() {
    let start = LiveActivityStart::new(
        1_700_000_100,
        "IncidentAttributes",
        json!({"service": "db-3"}),
        json!({"state": "down", "since": 1_700_000_010}),
        LiveActivityAlert::new("db-3 down", "Tap to follow").sound("default"),
    )
    .ask_for_update_token();
    let update = LiveActivityUpdate::new(
        1_700_000_160,
        json!({"state": "degraded", "since": 1_700_000_010}),
    )
    .stale_date(1_700_000_760)
    .relevance_score(50.0);
    let end = LiveActivityEnd::new(1_700_000_400)
        .content_state(json!({"state": "up", "since": 1_700_000_010}))
        .dismissal_date(1_700_000_700);
    for (payload, vector) in [
        (start.to_payload(), V5_START),
        (update.to_payload(), V5_UPDATE),
        (end.to_payload(), V5_END),
    ] {
        let payload = payload.unwrap();
        let vector: Value = serde_json::from_str(vector).unwrap();
        // 50.0 and 50 are one number to a decoder and two to serde_json.
        let mut ours = value(&payload);
        if ours["aps"]["relevance-score"] == json!(50.0) {
            ours["aps"]["relevance-score"] = json!(50);
        }
        assert_eq!(ours, vector);
        let read: LiveActivityPayload = serde_json::from_slice(payload.body()).unwrap();
        assert_eq!(read.to_payload().unwrap(), payload);
    }
    for vector in [V5_START, V5_UPDATE, V5_END] {
        assert_eq!(found(PushType::LiveActivity, vector), []);
    }
}

#[test]
fn a_start_may_name_a_channel_and_localise() {
    let alert = LiveActivityAlert::new(
        Text::Localized {
            loc_key: "DOWN".into(),
            loc_args: vec!["db-3".into()],
        },
        "Tap to follow",
    )
    .sound(Sound::critical("siren.caf", 1.0));
    let start = LiveActivityStart::new(1, "A", json!({}), json!({}), alert)
        .subscribe(ChannelId::new("c2lt").unwrap())
        .stale_date(2);
    let payload = start.clone().to_payload().unwrap();
    assert_eq!(value(&payload)["aps"]["input-push-channel"], "c2lt");
    assert_eq!(
        value(&payload)["aps"]["alert"],
        json!({"title": {"loc-key": "DOWN", "loc-args": ["db-3"]}, "body": "Tap to follow",
               "sound": {"critical": 1, "name": "siren.caf", "volume": 1.0}})
    );
    let error = start.ask_for_update_token().to_payload().unwrap_err();
    assert_eq!(error.problems()[0].rule, "conflict");
}

#[test]
fn every_key_of_an_alert() {
    let alert = Alert::new("t")
        .subtitle("s")
        .body("b")
        .launch_image("l")
        .localized_title("T", ["1"])
        .localized_subtitle("S", ["2"])
        .localized_body("B", ["3", "4"]);
    let built = AlertPayload::new(alert)
        .badge(0)
        .sound(Sound::critical("siren.caf", 0.5))
        .thread_id("thread")
        .category("category")
        .content_available()
        .mutable_content()
        .target_content_id("window")
        .interruption_level(InterruptionLevel::Critical)
        .relevance_score(1.0)
        .filter_criteria("work");
    let payload = built.to_payload().unwrap();
    assert_eq!(
        value(&payload),
        json!({"aps": {
            "alert": {"title": "t", "subtitle": "s", "body": "b", "launch-image": "l",
                "title-loc-key": "T", "title-loc-args": ["1"], "subtitle-loc-key": "S", "subtitle-loc-args": ["2"],
                "loc-key": "B", "loc-args": ["3", "4"]},
            "badge": 0, "sound": {"critical": 1, "name": "siren.caf", "volume": 0.5}, "thread-id": "thread",
            "category": "category", "content-available": 1, "mutable-content": 1, "target-content-id": "window",
            "interruption-level": "critical", "relevance-score": 1.0, "filter-criteria": "work"}})
    );
    assert_eq!(
        serde_json::from_slice::<AlertPayload>(payload.body()).unwrap(),
        built
    );
    assert_eq!(
        AlertPayload::badge_only(0).to_payload().unwrap().body(),
        r#"{"aps":{"badge":0}}"#
    );
    assert_eq!(
        AlertPayload::new("x").to_payload().unwrap().body(),
        r#"{"aps":{"alert":"x"}}"#
    );
    assert_eq!(
        serde_json::from_str::<Alert>(r#"{"body":"x","new-key":[1]}"#).unwrap(),
        Alert::from("x")
    );
    assert_eq!(
        serde_json::from_str::<Sound>(r#"{"critical":0,"name":"a"}"#).unwrap(),
        Sound::named("a")
    );
}

#[test]
fn the_bodies_that_show_nothing() {
    let table: [(Payload, &str); 9] = [
        (
            BackgroundPayload::default()
                .custom("a", 1)
                .to_payload()
                .unwrap(),
            r#"{"aps":{"content-available":1},"a":1}"#,
        ),
        (
            VoipPayload::default()
                .custom("call", "c")
                .to_payload()
                .unwrap(),
            r#"{"call":"c"}"#,
        ),
        (
            ComplicationPayload::default()
                .custom("temp", 21)
                .to_payload()
                .unwrap(),
            r#"{"temp":21}"#,
        ),
        (
            LocationPayload::default().to_payload().unwrap(),
            r#"{"aps":{}}"#,
        ),
        (
            PushToTalkPayload::default()
                .custom("speaker", "Ada")
                .to_payload()
                .unwrap(),
            r#"{"aps":{},"speaker":"Ada"}"#,
        ),
        (
            FileProviderPayload::new("root").to_payload().unwrap(),
            r#"{"container-identifier":"root"}"#,
        ),
        (
            MdmPayload::new("magic").to_payload().unwrap(),
            r#"{"mdm":"magic"}"#,
        ),
        (
            ControlsPayload::default().to_payload().unwrap(),
            r#"{"aps":{"content-changed":true}}"#,
        ),
        (
            WidgetsPayload::default().to_payload().unwrap(),
            r#"{"aps":{"content-changed":true}}"#,
        ),
    ];
    for (payload, expected) in table {
        assert_eq!(payload.body(), expected);
    }
    let update = PushToTalkPayload::default()
        .service_update()
        .to_payload()
        .unwrap();
    assert_eq!(
        update.body(),
        r#"{"aps":{"ptt-push-type":"service-update"}}"#
    );
}

#[test]
fn your_own_aps_cannot_hide_apples() {
    let error = AlertPayload::new("x")
        .custom("aps", json!({"alert": "y"}))
        .to_payload()
        .unwrap_err();
    assert_eq!(error.problems()[0].rule, "duplicate_key");
}

#[test]
fn not_a_number_is_refused() {
    let error = AlertPayload::new("x")
        .relevance_score(f64::NAN)
        .to_payload()
        .unwrap_err();
    assert_eq!(&*error.problems()[0].pointer, "/aps/relevance-score");
}

// === Size ===

#[test]
fn v3k_v3l_sizes_are_counted_in_bytes() {
    let alert = |length: usize| format!(r#"{{"aps":{{"alert":"{}"}}}}"#, "A".repeat(length));
    assert_eq!(alert(4076).len(), 4096);
    assert_eq!(found(PushType::Alert, &alert(4076)), []);
    assert_eq!(
        found(PushType::Alert, &alert(4077)),
        [(String::new(), "too_large")]
    );
    let call = |length: usize| format!(r#"{{"c":"{}"}}"#, "A".repeat(length));
    assert_eq!(found(PushType::Voip, &call(5112)), []);
    assert_eq!(
        found(PushType::Voip, &call(5113)),
        [(String::new(), "too_large")]
    );
    assert_eq!(
        found(
            PushType::Alert,
            &format!(r#"{{"aps":{{"alert":"{}"}}}}"#, "é".repeat(2039))
        )
        .len(),
        1
    );
}

proptest! {
    #[test]
    fn a_cut_alert_always_fits_and_fills(body in proptest::collection::vec("[a-zé漢😀\"\\\\\n\u{1}]{1,40}", 100..400)) {
        let body = body.concat();
        let long = AlertPayload::new(Alert::new("log").body(body.as_str())).custom("k", "v");
        let cut = long.to_payload_cut_to_fit().unwrap();
        prop_assert!(cut.body().len() <= 4096);
        let read: AlertPayload = serde_json::from_slice(cut.body()).unwrap();
        let kept = read.aps.alert.unwrap().body.unwrap();
        if json(&long).len() > 4096 {
            prop_assert!(cut.body().len() > 4096 - 50, "{}", cut.body().len());
            prop_assert!(body.starts_with(kept.trim_end_matches('…')));
        } else {
            prop_assert_eq!(kept, body);
        }
    }

    #[test]
    fn no_bytes_panic_the_check(body in proptest::collection::vec(any::<u8>(), 0..60)) {
        for push_type in PushType::ALL {
            prop_assert!(!check(push_type, &body).is_empty() || serde_json::from_slice::<Value>(&body).is_ok());
        }
    }

    /// Any JSON under any documented key: judged, never a panic, and every pointer leads to a key that is there or is missing.
    #[test]
    fn any_value_of_any_key_is_judged(
        key in proptest::sample::select(vec!["alert", "badge", "sound", "event", "content-state", "timestamp",
            "interruption-level", "url-args", "relevance-score", "content_available", "x~/y"]),
        value in proptest::sample::select(vec!["null", "true", "-1", "1.5", "1e999", "\"\"", "[]", "[1]", "{}",
            "{\"a\":{}}", "{\"title\":{}}", "{\"loc-args\":[\"\",2]}", "{\"name\":1}"]),
    ) {
        let key_json = serde_json::to_string(key).unwrap();
        let body = format!("{{\"aps\":{{{key_json}:{value}}}}}");
        for push_type in PushType::ALL {
            for problem in check(push_type, body.as_bytes()) {
                prop_assert!(problem.pointer.is_empty() || problem.pointer.starts_with('/'));
            }
        }
    }
}

// === Rules ===

#[test]
fn what_is_no_object_is_refused_for_every_push_type() {
    for push_type in PushType::ALL {
        for body in [
            "[]",
            "\"x\"",
            "7",
            "null",
            "{",
            "{\"a\":1}x",
            "<html>",
            "{\"a\":nope}",
            "\u{feff}{}",
        ] {
            assert_eq!(
                found(push_type, body),
                [(String::new(), "not_an_object")],
                "{push_type} {body}"
            );
        }
        assert_eq!(found(push_type, ""), [(String::new(), "empty")]);
    }
    assert_eq!(
        check(PushType::Voip, b"{\"a\":\"\xff\"}")[0].rule,
        "not_an_object"
    );
}

#[test]
fn aps_is_an_object_and_needed_where_apple_needs_it() {
    for push_type in PushType::ALL {
        let body = match push_type {
            PushType::Mdm => r#"{"mdm":"m"}"#,
            PushType::FileProvider => r#"{"container-identifier":"c"}"#,
            _ => r#"{"call":"c"}"#,
        };
        let needed = matches!(
            push_type,
            PushType::Alert
                | PushType::Background
                | PushType::LiveActivity
                | PushType::Controls
                | PushType::Widgets
        );
        let expected = if needed {
            vec![("/aps".to_owned(), "required")]
        } else {
            vec![]
        };
        assert_eq!(found(push_type, body), expected, "{push_type}");
        if !matches!(push_type, PushType::Mdm | PushType::FileProvider) {
            assert_eq!(
                found(push_type, r#"{"aps":"x"}"#),
                [("/aps".to_owned(), "wrong_type")]
            );
        }
    }
}

#[test]
fn every_key_of_an_alert_push() {
    // What stands in aps beside an alert, and what the check says of it.
    let table: &[(&str, &str, &str)] = &[
        (r#""badge":0"#, "", ""),
        (r#""badge":-1"#, "/aps/badge", "wrong_type"),
        (r#""badge":1.5"#, "/aps/badge", "wrong_type"),
        (r#""badge":"1""#, "/aps/badge", "wrong_type"),
        (r#""sound":"default""#, "", ""),
        (
            r#""sound":{"critical":1,"name":"a.caf","volume":0.5}"#,
            "",
            "",
        ),
        (
            r#""sound":{"critical":true,"name":"a"}"#,
            "/aps/sound/critical",
            "wrong_type",
        ),
        (
            r#""sound":{"name":"a","volume":2}"#,
            "/aps/sound/volume",
            "out_of_range",
        ),
        (
            r#""sound":{"name":"a","volume":"loud"}"#,
            "/aps/sound/volume",
            "wrong_type",
        ),
        (r#""sound":{"critical":1}"#, "/aps/sound/name", "required"),
        (r#""sound":{"name":7}"#, "/aps/sound/name", "wrong_type"),
        (r#""sound":1"#, "/aps/sound", "wrong_type"),
        (r#""thread-id":7"#, "/aps/thread-id", "wrong_type"),
        (r#""category":null"#, "/aps/category", "wrong_type"),
        (
            r#""target-content-id":{}"#,
            "/aps/target-content-id",
            "wrong_type",
        ),
        (
            r#""filter-criteria":[]"#,
            "/aps/filter-criteria",
            "wrong_type",
        ),
        (r#""content-available":1"#, "", ""),
        (
            r#""content-available":true"#,
            "/aps/content-available",
            "wrong_type",
        ),
        (r#""mutable-content":1"#, "", ""),
        (
            r#""mutable-content":"1""#,
            "/aps/mutable-content",
            "wrong_type",
        ),
        (r#""interruption-level":"time-sensitive""#, "", ""),
        (
            r#""interruption-level":"loud""#,
            "/aps/interruption-level",
            "out_of_range",
        ),
        (
            r#""interruption-level":2"#,
            "/aps/interruption-level",
            "wrong_type",
        ),
        (r#""relevance-score":1"#, "", ""),
        (
            r#""relevance-score":1.1"#,
            "/aps/relevance-score",
            "out_of_range",
        ),
        (
            r#""relevance-score":"1""#,
            "/aps/relevance-score",
            "wrong_type",
        ),
        (r#""url-args":["a"]"#, "", ""),
        (r#""url-args":"a""#, "/aps/url-args", "wrong_type"),
        (r#""key-of-tomorrow":{"a":1}"#, "", ""),
        (
            r#""content_available":1"#,
            "/aps/content_available",
            "misspelt",
        ),
        (r#""threadId":"a""#, "/aps/threadId", "misspelt"),
        (r#""title":"a""#, "/aps/title", "misplaced"),
        (r#""event":"start""#, "/aps/event", "not_allowed"),
        (r#""content-state":{}"#, "/aps/content-state", "not_allowed"),
    ];
    for (key, pointer, rule) in table {
        let body = format!(r#"{{"aps":{{"alert":"x",{key}}},"own":{{"aps":1}}}}"#);
        let expected = if rule.is_empty() {
            vec![]
        } else {
            vec![((*pointer).to_owned(), *rule)]
        };
        assert_eq!(found(PushType::Alert, &body), expected, "{key}");
    }
}

#[test]
fn every_key_inside_alert() {
    let table: &[(&str, &str, &str)] = &[
        (r#""x""#, "", ""),
        (
            r#"{"title":"a","subtitle":"b","body":"c","launch-image":"d"}"#,
            "",
            "",
        ),
        (
            r#"{"title-loc-key":"a","title-loc-args":["b"],"loc-key":"c"}"#,
            "",
            "",
        ),
        ("7", "/aps/alert", "wrong_type"),
        ("null", "/aps/alert", "wrong_type"),
        (r#"["x"]"#, "/aps/alert", "wrong_type"),
        (r#"{"title":7}"#, "/aps/alert/title", "wrong_type"),
        (
            r#"{"title":{"loc-key":"a"}}"#,
            "/aps/alert/title",
            "wrong_type",
        ),
        (
            r#"{"loc-key":"a","loc-args":"b"}"#,
            "/aps/alert/loc-args",
            "wrong_type",
        ),
        (
            r#"{"loc-key":"a","loc-args":["b",7]}"#,
            "/aps/alert/loc-args",
            "wrong_type",
        ),
        (
            r#"{"body":"a","loc-args":["b"]}"#,
            "/aps/alert/loc-args",
            "without_key",
        ),
        (
            r#"{"body":"a","subtitle-loc-args":[]}"#,
            "/aps/alert/subtitle-loc-args",
            "without_key",
        ),
        (
            r#"{"body":"a","sound":"default"}"#,
            "/aps/alert/sound",
            "misplaced",
        ),
        (
            r#"{"body":"a","body":"b"}"#,
            "/aps/alert/body",
            "duplicate_key",
        ),
        (r#"{"body":"a","action-loc-key":"b"}"#, "", ""),
    ];
    for (alert, pointer, rule) in table {
        let expected = if rule.is_empty() {
            vec![]
        } else {
            vec![((*pointer).to_owned(), *rule)]
        };
        assert_eq!(
            found(
                PushType::Alert,
                &format!(r#"{{"aps":{{"alert":{alert}}}}}"#)
            ),
            expected,
            "{alert}"
        );
    }
}

#[test]
fn an_alert_push_shows_something() {
    let aps = "/aps".to_owned();
    assert_eq!(
        found(PushType::Alert, r#"{"aps":{}}"#),
        [(aps.clone(), "nothing_to_show")]
    );
    assert_eq!(
        found(PushType::Alert, r#"{"aps":{"content-available":1}}"#),
        [(aps, "nothing_to_show")]
    );
    for key in [r#""alert":"x""#, r#""badge":0"#, r#""sound":"default""#] {
        assert_eq!(
            found(PushType::Alert, &format!(r#"{{"aps":{{{key}}}}}"#)),
            []
        );
    }
    assert_eq!(
        found(
            PushType::Alert,
            r#"{"aps":{"badge":1,"mutable-content":1}}"#
        ),
        [("/aps/mutable-content".to_owned(), "needs_alert")]
    );
}

#[test]
fn background_holds_content_available_alone() {
    assert_eq!(
        found(
            PushType::Background,
            r#"{"aps":{"content-available":1},"a":1}"#
        ),
        []
    );
    for body in [r#"{"aps":{}}"#, r#"{"aps":{"content-available":0}}"#] {
        assert_eq!(
            found(PushType::Background, body),
            [("/aps/content-available".to_owned(), "required")]
        );
    }
    for key in [
        r#""alert":"x""#,
        r#""badge":1"#,
        r#""sound":"default""#,
        r#""something":1"#,
    ] {
        let problems = found(
            PushType::Background,
            &format!(r#"{{"aps":{{"content-available":1,{key}}}}}"#),
        );
        assert_eq!(problems.len(), 1, "{key}");
        assert_eq!(problems[0].1, "not_allowed");
    }
}

#[test]
fn the_small_push_types() {
    let problem = |pointer: &str, rule| vec![(pointer.to_owned(), rule)];
    let table = [
        (PushType::Mdm, r#"{"mdm":"m"}"#, vec![]),
        (PushType::Mdm, r#"{"mdm":7}"#, problem("/mdm", "wrong_type")),
        (
            PushType::Mdm,
            r#"{"aps":{},"mdm":"m"}"#,
            problem("/aps", "not_allowed"),
        ),
        (PushType::Mdm, "{}", problem("/mdm", "required")),
        (
            PushType::FileProvider,
            r#"{"container-identifier":"c","domain":"d"}"#,
            vec![],
        ),
        (
            PushType::FileProvider,
            r#"{"domain":"d"}"#,
            problem("/container-identifier", "required"),
        ),
        (
            PushType::FileProvider,
            r#"{"container-identifier":"c","domain":7}"#,
            problem("/domain", "wrong_type"),
        ),
        (
            PushType::Controls,
            r#"{"aps":{"content-changed":true}}"#,
            vec![],
        ),
        (
            PushType::Widgets,
            r#"{"aps":{}}"#,
            problem("/aps/content-changed", "required"),
        ),
        (
            PushType::Widgets,
            r#"{"aps":{"content-changed":false}}"#,
            problem("/aps/content-changed", "required"),
        ),
        (PushType::Voip, "{}", vec![]),
        (PushType::Complication, r#"{"a":[1,{"b":null}]}"#, vec![]),
        (PushType::Location, r#"{"aps":{}}"#, vec![]),
        (
            PushType::PushToTalk,
            r#"{"aps":{"ptt-push-type":7}}"#,
            problem("/aps/ptt-push-type", "wrong_type"),
        ),
        (
            PushType::Voip,
            r#"{"a":1,"a":2}"#,
            problem("/a", "duplicate_key"),
        ),
        (
            PushType::Voip,
            r#"{"a/b~":1,"a/b~":2}"#,
            problem("/a~1b~0", "duplicate_key"),
        ),
    ];
    for (push_type, body, expected) in table {
        assert_eq!(found(push_type, body), expected, "{push_type} {body}");
    }
}

/// A vector without one of its keys, or with another value there.
fn changed(vector: &str, key: &str, new: Option<Value>) -> String {
    let mut body: Value = serde_json::from_str(vector).unwrap();
    let aps = body["aps"].as_object_mut().unwrap();
    match new {
        Some(new) => drop(aps.insert(key.to_owned(), new)),
        None => assert!(aps.remove(key).is_some()),
    }
    body.to_string()
}

#[test]
fn every_event_has_its_required_keys() {
    let table: [(&str, &[&str]); 3] = [
        (
            V5_START,
            &[
                "timestamp",
                "event",
                "attributes-type",
                "attributes",
                "content-state",
                "alert",
            ],
        ),
        (V5_UPDATE, &["timestamp", "event", "content-state"]),
        (V5_END, &["timestamp", "event"]),
    ];
    for (vector, required) in table {
        let vector_value: Value = serde_json::from_str(vector).unwrap();
        for key in vector_value["aps"].as_object().unwrap().keys() {
            let problems = found(PushType::LiveActivity, &changed(vector, key, None));
            if required.contains(&&**key) {
                assert_eq!(problems, [(format!("/aps/{key}"), "required")], "{key}");
            } else {
                assert_eq!(problems, [], "{key}");
            }
        }
    }
}

#[test]
fn every_rule_of_a_live_activity() {
    let table: [(&str, &str, Value, &str, &str); 22] = [
        (
            V5_UPDATE,
            "event",
            json!("stop"),
            "/aps/event",
            "out_of_range",
        ),
        (
            V5_UPDATE,
            "timestamp",
            json!("now"),
            "/aps/timestamp",
            "wrong_type",
        ),
        (
            V5_UPDATE,
            "timestamp",
            json!(1_700_000_160_000_u64),
            "/aps/timestamp",
            "out_of_range",
        ),
        (
            V5_UPDATE,
            "stale-date",
            json!(-1),
            "/aps/stale-date",
            "out_of_range",
        ),
        (
            V5_END,
            "dismissal-date",
            json!(1_700_000_160_000_u64),
            "/aps/dismissal-date",
            "out_of_range",
        ),
        (
            V5_UPDATE,
            "content-state",
            json!("down"),
            "/aps/content-state",
            "wrong_type",
        ),
        (
            V5_START,
            "attributes",
            json!([]),
            "/aps/attributes",
            "wrong_type",
        ),
        (
            V5_START,
            "attributes-type",
            json!(7),
            "/aps/attributes-type",
            "wrong_type",
        ),
        (
            V5_START,
            "input-push-token",
            json!(true),
            "/aps/input-push-token",
            "wrong_type",
        ),
        (V5_START, "alert", json!("down"), "/aps/alert", "wrong_type"),
        (
            V5_START,
            "alert",
            json!({"title": {"loc-args": []}}),
            "/aps/alert/title/loc-key",
            "required",
        ),
        (
            V5_START,
            "alert",
            json!({"title": {"loc-key": 7}}),
            "/aps/alert/title/loc-key",
            "wrong_type",
        ),
        (
            V5_START,
            "alert",
            json!({"body": {"loc-key": "a", "loc-args": 7}}),
            "/aps/alert/body/loc-args",
            "wrong_type",
        ),
        (
            V5_START,
            "alert",
            json!({"title": "a", "sound": 7}),
            "/aps/alert/sound",
            "wrong_type",
        ),
        (
            V5_START,
            "dismissal-date",
            json!(1_700_000_160),
            "/aps/dismissal-date",
            "not_allowed",
        ),
        (
            V5_START,
            "input-push-channel",
            json!("c2lt"),
            "/aps/input-push-token",
            "conflict",
        ),
        (
            V5_UPDATE,
            "attributes",
            json!({}),
            "/aps/attributes",
            "not_allowed",
        ),
        (
            V5_UPDATE,
            "attributes-type",
            json!("A"),
            "/aps/attributes-type",
            "not_allowed",
        ),
        (
            V5_UPDATE,
            "input-push-token",
            json!(1),
            "/aps/input-push-token",
            "not_allowed",
        ),
        (
            V5_UPDATE,
            "input-push-channel",
            json!("c"),
            "/aps/input-push-channel",
            "not_allowed",
        ),
        (
            V5_UPDATE,
            "relevance-score",
            json!("high"),
            "/aps/relevance-score",
            "wrong_type",
        ),
        (
            V5_UPDATE,
            "contentState",
            json!({}),
            "/aps/contentState",
            "misspelt",
        ),
    ];
    for (vector, key, new, pointer, rule) in table {
        let body = changed(vector, key, Some(new));
        assert_eq!(
            found(PushType::LiveActivity, &body),
            [(pointer.to_owned(), rule)],
            "{body}"
        );
    }
    for score in [json!(50), json!(-2.5), json!(1000)] {
        assert_eq!(
            found(
                PushType::LiveActivity,
                &changed(V5_UPDATE, "relevance-score", Some(score))
            ),
            []
        );
    }
    let localised =
        json!({"title": {"loc-key": "a", "loc-args": ["b"]}, "body": "c", "sound": "default"});
    assert_eq!(
        found(
            PushType::LiveActivity,
            &changed(V5_UPDATE, "alert", Some(localised))
        ),
        []
    );
}

#[test]
fn a_broadcast_is_an_update_or_an_end() {
    assert!(check_broadcast(V5_UPDATE.as_bytes()).is_empty());
    assert!(check_broadcast(V5_END.as_bytes()).is_empty());
    let problems = check_broadcast(V5_START.as_bytes());
    assert_eq!(
        (&*problems[0].pointer, problems[0].rule),
        ("/aps/event", "not_allowed")
    );
}

#[test]
fn an_error_tells_a_person_everything_at_once() {
    let error = Payload::raw(
        PushType::Alert,
        r#"{"aps":{"alert":"x","badge":-1,"relevance-score":7}}"#,
    )
    .unwrap_err();
    assert_eq!(error.push_type(), PushType::Alert);
    assert_eq!(error.problems().len(), 2);
    let text = error.to_string();
    assert!(
        text.contains("push type alert") && text.contains("/aps/badge: must be a whole number"),
        "{text}"
    );
    assert!(
        text.contains("/aps/relevance-score: must lie between 0 and 1"),
        "{text}"
    );
    let json = serde_json::to_value(&error.problems()[1]).unwrap();
    assert_eq!(json["rule"], "out_of_range");
}
