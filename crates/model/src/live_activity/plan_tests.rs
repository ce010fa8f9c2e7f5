//! What is refused, with its place; what is worked out.

use super::super::ActivityRequest;
use super::*;
use jiff::Timestamp;
use serde_json::json;

fn ms(text: &str) -> UnixMs {
    text.parse::<Timestamp>().unwrap().as_millisecond()
}

fn lesson(with: Value) -> ActivityRequest {
    let mut body = json!({
        "recipient": {"user": "parent-7"},
        "attributes_type": "LessonAttributes",
        "attributes": {"childId": "7", "academyName": "Seoul Piano"},
        "content_state": {"status": "active", "endTime": {"$date": "2026-12-01T17:00:00+09:00"}},
        "alert": {"title": "Lesson", "body": "It begins"},
        "starts_at": "2026-12-01T16:00:00+09:00",
        "ends_at": "2026-12-01T17:00:00+09:00",
        "stale_after": "5m",
        "phases": [{"name": "ending", "at": "ends_at - 15m", "content_state": {"status": "ending"}}],
        "end": {"content_state": {"status": "ended"}, "dismiss_after": "5m"}
    });
    for (key, value) in with.as_object().unwrap() {
        body[key] = value.clone();
    }
    serde_json::from_value(body).unwrap()
}

#[test]
fn a_lesson_is_worked_out() {
    let Checked { plan, warnings } = lesson(json!({})).plan(0).unwrap();
    assert_eq!(warnings, []);
    assert_eq!(plan.starts_at, ms("2026-12-01T07:00:00Z"));
    assert_eq!(plan.ends_at, Some(ms("2026-12-01T08:00:00Z")));
    assert_eq!(plan.phases[0].at, ms("2026-12-01T07:45:00Z"));
    // Seconds since 2001, not since 1970.
    assert_eq!(plan.content_state["endTime"], json!(817_804_800));
    assert_eq!(
        (plan.stale_after_ms, plan.end.dismiss_after_ms),
        (Some(300_000), Some(300_000))
    );
}

#[test]
fn what_is_left_out_starts_now_and_is_written_as_it_was() {
    let body = json!({
        "recipient": {"device": "phone-1"}, "attributes_type": "Ride", "content_state": {"eta": 5},
        "start": "app"
    });
    let read: ActivityRequest = serde_json::from_value(body.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), body);
    let plan = read.plan(77).unwrap().plan;
    assert_eq!((plan.starts_at, plan.ends_at), (77, None));
}

#[test]
fn bad_input_is_refused_with_its_place() {
    let phase = |at: Value| json!({"phases": [{"name": "p", "at": at}]});
    let large = "x".repeat(5_000);
    for (with, pointer, code) in [
        (
            phase(json!("starts_at - 1m")),
            "/phases/0/at",
            "live_activity.phase_outside",
        ),
        (
            phase(json!("ends_at + 1m")),
            "/phases/0/at",
            "live_activity.phase_outside",
        ),
        (
            phase(json!("phases.p + 1m")),
            "/phases/0/at",
            "live_activity.cycle",
        ),
        (
            phase(json!(1_796_112_000_000_i64)),
            "/phases/0/at",
            "live_activity.time",
        ),
        (
            json!({"starts_at": 1_796_112_000_000_i64}),
            "/starts_at",
            "live_activity.time",
        ),
        (
            json!({"ends_at": "phases.ending + 15m"}),
            "/ends_at",
            "live_activity.cycle",
        ),
        (
            json!({"ends_at": "2026-12-01T07:00:00Z"}),
            "/ends_at",
            "live_activity.ends_before_start",
        ),
        (
            json!({"alert": null}),
            "/alert",
            "live_activity.alert_missing",
        ),
        (
            json!({"recipient": {"channel": "c"}}),
            "/start",
            "live_activity.start",
        ),
        (
            json!({"recipient": {"user": ""}}),
            "/recipient/user",
            "live_activity.recipient",
        ),
        (
            json!({"attributes": {"photo": large}}),
            "/attributes/photo",
            "live_activity.too_large",
        ),
        (
            json!({"content_state": {"text": large}}),
            "/content_state",
            "live_activity.too_large",
        ),
        (
            json!({"phases": [{"name": "p", "at": "ends_at", "content_state": {"text": large}}]}),
            "/phases/0/content_state",
            "live_activity.too_large",
        ),
        (
            json!({"end": {"content_state": {"text": large}}}),
            "/end/content_state",
            "live_activity.too_large",
        ),
        (
            json!({"end": {"dismiss_after": "5h"}}),
            "/end/dismiss_after",
            "live_activity.dismiss_after",
        ),
        (
            json!({"stale_after": "soon"}),
            "/stale_after",
            "live_activity.duration",
        ),
        (
            json!({"on_silence": "0s"}),
            "/on_silence",
            "live_activity.duration",
        ),
        (
            json!({"relevance": 101}),
            "/relevance",
            "live_activity.relevance",
        ),
        (
            json!({"attributes_type": ""}),
            "/attributes_type",
            "live_activity.attributes_type",
        ),
        (
            json!({"content_state": {"a": {"$date": 5}}}),
            "/content_state/a",
            "live_activity.date",
        ),
        (
            json!({"phases": [{"name": "a b", "at": "ends_at"}]}),
            "/phases/0/name",
            "live_activity.phase_name",
        ),
        (
            json!({"phases": [{"name": "a", "at": "ends_at"}, {"name": "a", "at": "ends_at"}]}),
            "/phases/1/name",
            "live_activity.phase_name",
        ),
    ] {
        let problems = lesson(with.clone()).plan(0).unwrap_err();
        let found: Vec<_> = problems
            .iter()
            .map(|found| (found.pointer.as_str(), found.code))
            .collect();
        assert!(
            found.contains(&(pointer, code)),
            "{}: {found:?}",
            with.to_string().get(..80).unwrap_or_default()
        );
    }
}

#[test]
fn a_wrong_time_is_told_once_and_not_at_what_hangs_on_it() {
    for (with, told) in [
        (
            json!({"starts_at": "morgen", "ends_at": "starts_at + 1h"}),
            "/starts_at",
        ),
        (json!({"ends_at": "soon"}), "/ends_at"),
        (json!({"ends_at": null}), "/phases/0/at"),
    ] {
        let problems = lesson(with.clone()).plan(0).unwrap_err();
        let found: Vec<_> = problems
            .iter()
            .map(|found| (found.pointer.as_str(), found.code))
            .collect();
        assert_eq!(found, [(told, "live_activity.time")], "{with}");
    }
}

#[test]
fn the_largest_part_is_named_also_where_only_the_sum_is_too_large() {
    let half = "x".repeat(2_100);
    let with = json!({"attributes": {"photo": half}, "content_state": {"text": half, "room": 4}});
    let problems = lesson(with).plan(0).unwrap_err();
    assert!(
        problems[0].message.contains("/attributes/photo")
            || problems[0].message.contains("/content_state/text"),
        "{}",
        problems[0]
    );
    assert!(
        problems[0].message.contains("2102 bytes"),
        "{}",
        problems[0]
    );
}

#[test]
fn suspicious_numbers_are_told_and_kept() {
    let with = json!({"content_state": {"endTime": 1_796_112_000}});
    let Checked { plan, warnings } = lesson(with).plan(0).unwrap();
    assert_eq!(plan.content_state["endTime"], json!(1_796_112_000));
    assert_eq!(
        (warnings[0].pointer.as_str(), warnings[0].code),
        ("/content_state/endTime", "live_activity.unix_time")
    );
}

#[test]
fn one_that_lasts_longer_than_the_system_lets_it_is_told() {
    for (ends_at, found) in [
        ("starts_at + 10h", Some("10h")),
        ("starts_at + 8h", Some("8h")),
        ("starts_at + 7h55m", None),
    ] {
        let Checked { plan, warnings } = lesson(json!({"ends_at": ends_at})).plan(0).unwrap();
        assert!(plan.ends_at.is_some());
        let told: Vec<_> = warnings
            .iter()
            .map(|told| (told.pointer.as_str(), told.code, told.message.as_str()))
            .collect();
        let message = found.map(|found| {
            format!("expected an instant at most 7h55m after starts_at, found {found}: the system ends an activity 8h after its start, so this one is ended by then, without its later phases; end it earlier, or declare another that follows it")
        });
        let expected = message
            .iter()
            .map(|message| ("/ends_at", "live_activity.too_long", message.as_str()));
        assert_eq!(told, expected.collect::<Vec<_>>(), "{ends_at}");
    }
}

#[test]
fn payloads_are_what_the_phone_expects() {
    let plan = lesson(json!({"relevance": 50})).plan(0).unwrap().plan;
    let alert = plan.alert.clone();
    let start = ActivityPush::example(&plan, PushKind::Start, json!({"status": "active"}), alert);
    assert_eq!(
        start.payload(&plan),
        json!({"aps": {
            "timestamp": 1_700_000_000, "event": "start", "content-state": {"status": "active"},
            "attributes-type": "LessonAttributes",
            "attributes": {"childId": "7", "academyName": "Seoul Piano"},
            "input-push-token": 1, "stale-date": 1_700_000_000, "relevance-score": 50.0,
            "alert": {"title": "Lesson", "body": "It begins"}
        }})
    );
    let end = ActivityPush::example(&plan, PushKind::End, json!({"status": "ended"}), None);
    assert_eq!(
        end.payload(&plan),
        json!({"aps": {
            "timestamp": 1_700_000_000, "event": "end", "content-state": {"status": "ended"},
            "dismissal-date": 1_700_000_000
        }})
    );
}
