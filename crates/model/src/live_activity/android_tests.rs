//! One timeline on both kinds of phones.

use super::*;
use serde_json::{Value, json};

const MIN: i64 = 60_000;

fn request(with: Value) -> ActivityRequest {
    let mut body = json!({
        "recipient": {"user": "kim"}, "attributes_type": "Lesson", "attributes": {"childId": "7"}, "android": true,
        "content_state": {"status": "active"}, "alert": {"title": "Lesson", "body": "It begins", "sound": "bell"},
        "starts_at": "1970-01-01T00:00:00Z", "ends_at": "1970-01-01T01:00:00Z", "stale_after": "5m",
        "phases": [{"name": "ending", "at": "ends_at - 15m", "content_state": {"status": "ending"}}],
        "end": {"dismiss_after": "5m"}
    });
    for (key, value) in with.as_object().unwrap() {
        body[key] = value.clone();
    }
    serde_json::from_value(body).unwrap()
}

fn plan(with: Value) -> Plan {
    request(with).plan(0).unwrap().plan
}

fn pushed(run: &mut Run, plan: &Plan, now: i64, startable: &[i64]) -> ActivityPush {
    let stored = serde_json::to_string(run).unwrap();
    *run = serde_json::from_str(&stored).unwrap();
    let turn = run.turn(plan, now, &Look::startable(startable), &Rules::default());
    turn.push.expect("a push")
}

#[test]
fn both_phones_are_told_together() {
    let plan = plan(json!({}));
    let mut run = Run::new(-MIN);
    run.add_androids(&[2]);
    let start = pushed(&mut run, &plan, 0, &[1]);
    assert_eq!((start.kind, &*start.phones), (PushKind::Start, &[1, 2][..]));
    assert_eq!(run.state, ActivityState::Active, "it needs no token");
    // The iPhone has told no token yet.
    let update = pushed(&mut run, &plan, 45 * MIN, &[]);
    assert_eq!(update.phones, [2]);
    run.tell_update_token(1, None, 46 * MIN);
    assert_eq!(pushed(&mut run, &plan, 46 * MIN, &[]).phones, [1]);
    let end = pushed(&mut run, &plan, 60 * MIN, &[]);
    assert_eq!(end.phones, [1, 2]);
    let asked: Vec<_> = run.phones.values().map(|phone| phone.is_reported).collect();
    assert_eq!(asked, [true, false]);
}

#[test]
fn a_data_message_is_whole_in_itself() {
    let plan = plan(json!({}));
    let mut run = Run::new(-MIN);
    run.add_androids(&[2]);
    let start = pushed(&mut run, &plan, 0, &[]);
    assert_eq!(
        start.fcm(&plan, "lesson-42", FcmPhones::android()),
        json!({
            "android": {"collapse_key": "lesson-42", "data": {
                "carillon_live_activity": "lesson-42", "event": "start", "attributes_type": "Lesson",
                "attributes": "{\"childId\":\"7\"}", "content_state": "{\"status\":\"active\"}", "timestamp": "1",
                "stale_date": "3900", "alert_title": "Lesson", "alert_body": "It begins", "alert_sound": "bell"
            }}
        })
    );
    pushed(&mut run, &plan, 45 * MIN, &[]);
    let end = pushed(&mut run, &plan, 60 * MIN, &[]);
    let end = end.fcm(&plan, "l", FcmPhones::android());
    let data = &end["android"]["data"];
    assert_eq!(
        (&data["event"], &data["dismissal_date"], &data["attributes"]),
        (&json!("end"), &json!("3900"), &json!("{\"childId\":\"7\"}"))
    );
    assert!(data.get("stale_date").is_none() && data.get("alert_title").is_none());
}

#[test]
fn an_iphone_behind_fcm_gets_apples_payload_beside_the_data_of_android_phones() {
    let plan = plan(json!({}));
    let mut run = Run::new(-MIN);
    run.add_androids(&[2]);
    let start = pushed(&mut run, &plan, 0, &[1]);
    let both = FcmPhones {
        android: true,
        iphones: true,
    };
    let message = start.fcm(&plan, "lesson-42", both);
    assert_eq!(message["apns"]["payload"], start.payload(&plan));
    assert_eq!(message["android"]["data"]["event"], "start");
    assert!(message.get("data").is_none(), "iPhones would get it too");
    let iphones = FcmPhones {
        android: false,
        ..both
    };
    let message = start.fcm(&plan, "lesson-42", iphones);
    assert!(message.get("android").is_none());
    run.tell_update_token(1, None, MIN);
    run.keep_push_token(1, 70, true);
    let stored = serde_json::to_string(&run).unwrap();
    let read: Run = serde_json::from_str(&stored).unwrap();
    assert!(read.phones[&1].is_through_fcm && !read.phones[&2].is_through_fcm);
    // Its next token is Apple's own again.
    run.keep_push_token(1, 71, false);
    assert!(!run.phones[&1].is_through_fcm);
}

#[test]
fn an_android_phone_whose_registration_died_is_told_by_its_next_one() {
    let plan = plan(json!({}));
    let mut run = Run::new(-MIN);
    run.add_androids(&[2]);
    pushed(&mut run, &plan, 0, &[]);
    let look = Look {
        refused: vec![RefusedPush {
            push_token_of: 2,
            pushed_at: 0,
            is_start: false,
            reason: "push_token_retired".into(),
        }],
        ..Look::default()
    };
    let turn = run.turn(&plan, MIN, &look, &Rules::default());
    assert_eq!(turn.notices, []);
    assert_eq!(pushed(&mut run, &plan, 45 * MIN, &[]).phones, [2]);
}

#[test]
fn a_phone_that_comes_with_the_end_is_not_told_it() {
    let plan = plan(json!({}));
    let mut run = Run::new(-MIN);
    run.add_androids(&[2]);
    pushed(&mut run, &plan, 0, &[]);
    run.add_androids(&[2, 3]);
    assert_eq!(pushed(&mut run, &plan, 45 * MIN, &[]).phones, [2, 3]);
    run.add_androids(&[2, 3, 4]);
    assert_eq!(pushed(&mut run, &plan, 60 * MIN, &[]).phones, [2, 3]);
}

#[test]
fn an_app_that_starts_it_on_iphones_has_it_started_on_android() {
    let plan = plan(json!({"start": "app", "alert": null}));
    let mut run = Run::new(-MIN);
    // The iPhone was there before.
    run.tell_update_token(1, None, -MIN);
    run.add_androids(&[2, 1]);
    let push = pushed(&mut run, &plan, 0, &[]);
    assert_eq!((push.kind, &*push.phones), (PushKind::Update, &[1, 2][..]));
    assert!(!run.phones[&1].is_android);
    let mut alone = Run::new(-MIN);
    alone.add_androids(&[2]);
    let push = pushed(&mut alone, &plan, 0, &[]);
    assert_eq!((push.kind, &*push.phones), (PushKind::Start, &[2][..]));
    // What was taken for an Android phone tells a token of Apple's.
    alone.tell_update_token(2, None, MIN);
    alone.keep_push_token(2, 70, false);
    assert!(!alone.phones[&2].is_android);
}

#[test]
fn what_does_not_fit_or_has_no_phones_is_refused() {
    let codes = |with: Value| -> Vec<_> {
        let problems = request(with).plan(0).unwrap_err();
        let said = problems
            .into_iter()
            .map(|problem| (problem.pointer, problem.code));
        said.collect()
    };
    let channel = json!({"recipient": {"channel": "c"}, "start": "app"});
    let android = ("/android".to_owned(), "live_activity.android");
    assert_eq!(codes(channel), [android]);
    // It fits into Apple's push, and not into FCM's message beside the names of its parts.
    let state = json!({"status": "a", "note": "x".repeat(3_800)});
    let long = json!({"content_state": state, "phases": []});
    let mut apple = long.clone();
    apple["android"] = json!(false);
    assert!(request(apple).plan(0).is_ok());
    let large = ("/content_state".to_owned(), "live_activity.too_large");
    assert_eq!(codes(long), [large]);
}
