//! Defaults of each push type, and what is wrong said in the caller's words.

use super::*;
use carillon_model::lane::Class;
use carillon_model::push_type::OnUnknown;

const DEVICE: &str = r#"{"devices":["d"]}"#;

fn prepared(target: &str, content: &str, options: &str) -> Result<Prepared, Vec<FieldProblem>> {
    let (target, content, options) = (
        serde_json::from_str(target).unwrap(),
        serde_json::from_str(content).unwrap(),
        serde_json::from_str(options).unwrap(),
    );
    prepare(&target, &content, &options, DataRule::Stringify)
}

fn problems(content: &str, options: &str) -> Vec<(String, &'static str)> {
    prepared(DEVICE, content, options)
        .unwrap_err()
        .into_iter()
        .map(|problem| (problem.pointer, problem.code))
        .collect()
}

#[test]
fn both_push_types_fill_in_their_defaults() {
    for (content, options, priority) in [
        (r#"{"body":"b"}"#, "{}", Priority::High),
        ("{}", r#"{"push_type":"background"}"#, Priority::Normal),
    ] {
        let options = prepared(DEVICE, content, options).unwrap().options;
        assert_eq!(options.priority, priority);
        assert_eq!(
            (options.store_offline, options.on_unknown, options.class),
            (true, OnUnknown::Resend, Class::Normal)
        );
    }
}

#[test]
fn other_push_types_are_apples() {
    for (push_type, part) in [
        ("voip", "VoIP"),
        ("liveactivity", "Live Activity"),
        ("widgets", "widgets"),
        ("mdm", "mdm"),
    ] {
        let found =
            prepared(DEVICE, "{}", &format!(r#"{{"push_type":"{push_type}"}}"#)).unwrap_err();
        assert_eq!(found.len(), 1);
        assert_eq!(
            (&*found[0].pointer, found[0].code),
            ("/options/push_type", "fcm.push_type")
        );
        assert!(found[0].message.contains(part), "{}", found[0].message);
    }
}

#[test]
fn problems_point_at_what_the_caller_wrote() {
    let large = format!(r#"{{"body":"{}"}}"#, "x".repeat(4_097));
    let many = [
        (
            r#"{"body":"b","data":{"from":"x"}}"#,
            "/content/data/from",
            "fcm.reserved_key",
        ),
        (
            r#"{"body":"b","data":{"google.x":1}}"#,
            "/content/data/google.x",
            "fcm.reserved_key",
        ),
        (
            r#"{"body":"b","data":{"a/b":1,"a/b":2}}"#,
            "/content/data/a~1b",
            "fcm.duplicate_key",
        ),
        (
            r#"{"body":"b","data":[1]}"#,
            "/content/data",
            "fcm.not_an_object",
        ),
        (
            r#"{"body":"b","link":"l","data":{"link":1}}"#,
            "/content/data/link",
            "fcm.reserved_key",
        ),
        (
            r#"{"body":"b","badge":4294967295}"#,
            "/content/badge",
            "fcm.out_of_range",
        ),
        (
            r#"{"body":"b","fcm":{"android":{"ttl":3600}}}"#,
            "/content/fcm/android/ttl",
            "fcm.wrong_type",
        ),
        (
            r#"{"body":"b","fcm":{"colour":1}}"#,
            "/content/fcm/colour",
            "fcm.unknown_key",
        ),
        (
            r#"{"body":"b","fcm":{"token":"t"}}"#,
            "/content/fcm/token",
            "fcm.target_in_message",
        ),
        (r#"{"fcm":[1]}"#, "/content/fcm", "fcm.not_an_object"),
        (
            r#"{"body":"b","data":{"a":"1"},"fcm":{"data":{"gcm.n":"1"}}}"#,
            "/content/fcm/data/gcm.n",
            "fcm.reserved_key",
        ),
        (&large, "/content", "fcm.too_large"),
    ];
    for (content, pointer, code) in many {
        assert_eq!(
            problems(content, "{}"),
            [(pointer.to_owned(), code)],
            "{content}"
        );
    }
    // One picture, shown in two places.
    let picture = problems(r#"{"body":"b","image":"http://x/y.png"}"#, "{}");
    assert_eq!(
        picture,
        vec![("/content/image".to_owned(), "fcm.bad_url"); 1]
    );
}

#[test]
fn a_background_push_shows_nothing() {
    let found = problems(
        r#"{"title":"t","badge":1,"fcm":{"notification":{"body":"b"}}}"#,
        r#"{"push_type":"background"}"#,
    );
    let pointers: Vec<&str> = found.iter().map(|problem| &*problem.0).collect();
    assert_eq!(
        pointers,
        [
            "/content/title",
            "/content/badge",
            "/content/fcm/notification"
        ]
    );
    assert!(
        found
            .iter()
            .all(|problem| problem.1 == "fcm.field_for_push_type")
    );
}

#[test]
fn bad_options_are_named_together_with_bad_content() {
    let long = "x".repeat(65);
    let found = problems(
        r#"{"body":"b","data":{"gcm":1}}"#,
        &format!(r#"{{"collapse_id":"{long}"}}"#),
    );
    assert_eq!(
        found,
        [
            ("/options/collapse_id".to_owned(), "fcm.collapse_id"),
            ("/content/data/gcm".to_owned(), "fcm.reserved_key"),
        ]
    );
    assert_eq!(
        problems(r#"{"body":"b"}"#, r#"{"collapse_id":"a\nb"}"#)[0].1,
        "fcm.collapse_id"
    );
    let channel = prepared(r#"{"channel":"c2lt"}"#, r#"{"body":"b"}"#, "{}").unwrap_err();
    assert_eq!(channel[0].code, "fcm.channel");
}

#[test]
fn a_live_activity_is_data_for_android_phones() {
    let options = r#"{"push_type":"liveactivity","priority":"high"}"#;
    let data = r#"{"fcm":{"android":{"collapse_key":"lesson-42"},"data":{"carillon_live_activity":"lesson-42","event":"start"}}}"#;
    let made = prepared(DEVICE, data, options).unwrap();
    let message: serde_json::Value = serde_json::from_slice(&made.payload).unwrap();
    assert_eq!(
        message["android"],
        serde_json::json!({"priority": "HIGH", "collapse_key": "lesson-42"})
    );
    assert_eq!(message["data"]["event"], "start");
    assert!(message.get("notification").is_none());
    for shown in [
        r#"{"title":"Lesson","fcm":{"data":{"event":"start"}}}"#,
        r#"{"fcm":{"notification":{"title":"Lesson"}}}"#,
    ] {
        prepared(DEVICE, shown, options).unwrap_err();
    }
}
