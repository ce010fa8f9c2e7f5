//! Rows into declarations.

use super::{ActivityRequest, Recipient, StartBy, TableDefinition, TableReader, Wish};
use crate::environment::TokenEnvironment;
use crate::time_zone;
use serde_json::{Value, json};

const NAMES: [&str; 9] = [
    "id",
    "child",
    "title",
    "seats",
    "starts_at",
    "ends_at",
    "status",
    "push_token",
    "apns_environment",
];
/// 2026-12-01T15:00:00+09:00.
const NOW: i64 = 1_796_104_800_000;

fn definition(change: impl FnOnce(&mut Value)) -> TableDefinition {
    let mut written = json!({
        "columns": {
            "id": "id", "starts_at": "starts_at", "ends_at": "ends_at", "status": "status",
            "push_token": "push_token", "environment": "apns_environment"
        },
        "ended": ["ended", "cancelled"],
        "plan": {
            "attributes_type": "LessonAttributes",
            "attributes": {"childId": "{{ id }}"},
            "content_state": {
                "child": "{{ child }}", "title": "{{ title or 'Lesson' }}", "status": "active",
                "seats": {"$json": "{{ seats }}"}, "end": {"$date": "{{ ends_at }}"}
            },
            "phases": [{"name": "ending", "at": "ends_at - 15m", "content_state": {"status": "ending"}}],
            "end": {"content_state": {"status": "ended"}, "dismiss_after": "5m"}
        }
    });
    change(&mut written);
    TableDefinition {
        columns: serde_json::from_value(written["columns"].clone()).unwrap(),
        zone: Some(time_zone::parse("Asia/Seoul").unwrap()),
        ended: serde_json::from_value(written["ended"].clone()).unwrap(),
        plan: written["plan"].clone(),
    }
}

fn names() -> Vec<String> {
    NAMES.map(str::to_owned).to_vec()
}

fn reader(change: impl FnOnce(&mut Value)) -> TableReader {
    let definition = definition(change);
    definition.check().unwrap();
    TableReader::new(&definition, "Academy", &names()).unwrap()
}

type Row = Vec<Option<String>>;

fn row(change: &[(&str, Option<&str>)]) -> Row {
    let usual = [
        ("id", "lesson-7"),
        ("child", "Minji \"M\""),
        ("title", "Piano"),
        ("seats", "4"),
        ("starts_at", "2026-12-01 16:00:00"),
        ("ends_at", "2026-12-01 17:00:00"),
        ("status", "active"),
        ("push_token", "aabb"),
        ("apns_environment", "sandbox"),
    ];
    let usual = usual.map(|(name, text)| {
        let changed = change.iter().find(|(of, _)| *of == name);
        changed
            .map_or(Some(text), |(_, text)| *text)
            .map(str::to_owned)
    });
    usual.to_vec()
}

fn run(reader: &TableReader, row: &Row) -> ActivityRequest {
    match reader.wish(row, NOW).unwrap() {
        Wish::Run { request, .. } => *request,
        other => panic!("{other:?}"),
    }
}

fn refused(reader: &TableReader, row: &Row) -> String {
    reader.wish(row, NOW).unwrap_err()
}

#[test]
fn a_row_with_a_token_is_an_activity_that_the_app_started() {
    let reader = reader(|_| ());
    let request = run(&reader, &row(&[]));
    let Recipient::PushToken(told) = &request.recipient else {
        panic!("{:?}", request.recipient);
    };
    assert_eq!(
        (&*told.push_token, told.environment),
        ("aabb", TokenEnvironment::Sandbox)
    );
    assert_eq!(request.start, StartBy::App);
    assert_eq!(request.attributes["childId"], "lesson-7");
    assert_eq!(
        Value::Object(request.content_state.clone()),
        json!({
            "child": "Minji \"M\"", "title": "Piano", "status": "active", "seats": 4,
            "end": {"$date": "2026-12-01T17:00:00+09:00"}
        })
    );
    let plan = request.plan(NOW).unwrap().plan;
    assert_eq!(plan.starts_at, NOW + 3_600_000);
    assert_eq!(plan.phases[0].at, NOW + 2 * 3_600_000 - 900_000);
    // NULL is an empty text, and no JSON at all.
    let bare = run(
        &reader,
        &row(&[("title", None), ("seats", None), ("apns_environment", None)]),
    );
    assert_eq!(bare.content_state["title"], "Lesson");
    assert_eq!(bare.content_state["seats"], Value::Null);
    assert!(
        matches!(bare.recipient, Recipient::PushToken(told) if told.environment == TokenEnvironment::Auto)
    );
}

#[test]
fn rows_say_that_they_are_over_or_wait() {
    let reader = reader(|_| ());
    let wish = |change: &[(&str, Option<&str>)]| reader.wish(&row(change), NOW).unwrap();
    assert_eq!(wish(&[("status", Some("ended"))]), Wish::End);
    // Whatever else is wrong with it.
    assert_eq!(
        wish(&[("status", Some(" cancelled ")), ("ends_at", Some("?"))]),
        Wish::End
    );
    assert_eq!(wish(&[("push_token", None)]), Wish::Wait);
    assert_eq!(wish(&[("push_token", Some("  "))]), Wish::Wait);
    assert!(matches!(wish(&[("status", None)]), Wish::Run { .. }));
}

#[test]
fn users_and_devices_are_started_by_push() {
    for (key, is_user) in [("user", true), ("device", false)] {
        let reader = reader(|written| {
            written["columns"] = json!({"id": "id", "ends_at": "ends_at", key: "child"});
            written["ended"] = json!([]);
            written["plan"]["alert"] = json!({"title": "{{ title }}", "body": "It begins"});
        });
        let request = run(&reader, &row(&[("child", Some("u7"))]));
        assert_eq!(request.start, StartBy::Push);
        assert_eq!(request.recipient == Recipient::User("u7".into()), is_user);
        assert_eq!(request.alert.unwrap().title, "Piano");
        assert_eq!(request.starts_at, None, "when it is first seen");
    }
}

#[test]
fn one_that_is_seen_late_began_before_its_phases() {
    let reader = reader(|written| written["columns"]["starts_at"] = Value::Null);
    let late = NOW + 110 * 60_000;
    let Wish::Run { request, .. } = reader.wish(&row(&[]), late).unwrap() else {
        panic!("it runs");
    };
    let plan = request.plan(late).unwrap().plan;
    assert!(plan.starts_at < plan.phases[0].at && plan.phases[0].at < late);
    // What is wrong beside that stays wrong.
    let phase = |at: &str| {
        let at = at.to_owned();
        self::reader(|written| {
            written["columns"]["starts_at"] = Value::Null;
            written["plan"]["phases"][0]["at"] = json!(at);
        })
    };
    let why = phase("ends_at - 9h").wish(&row(&[]), late).unwrap_err();
    assert!(why.contains("before starts_at"), "{why}");
}

#[test]
fn what_is_wrong_with_a_row_is_said_with_its_place() {
    let reader = reader(|_| ());
    for (change, place, part) in [
        (("ends_at", Some("soon")), "ends_at", "found \"soon\""),
        (
            ("ends_at", Some("2026-12-01 15:30:00")),
            "/ends_at",
            "before it begins",
        ),
        (
            ("apns_environment", Some("sandbx")),
            "apns_environment",
            "did you mean `sandbox`",
        ),
        (("seats", Some("four")), "/content_state/seats", "$json"),
    ] {
        let why = refused(&reader, &row(&[change]));
        assert!(why.starts_with(&format!("{place}: ")), "{place}: {why}");
        assert!(why.contains(part), "{part}: {why}");
    }
    let huge = "x".repeat(4_097);
    let why = refused(&reader, &row(&[("title", Some(&huge))]));
    assert!(why.starts_with("/content_state"), "{why}");
    let ids = |id: Option<&str>| reader.id(&row(&[("id", id)])).map(str::to_owned);
    assert_eq!(ids(Some("lesson-7")).unwrap(), "lesson-7");
    assert!(ids(None).unwrap_err().contains("found nothing"));
    assert!(ids(Some("a b")).unwrap_err().contains("\"a b\""));
}

#[test]
fn a_hash_is_another_for_another_row_or_plan() {
    let reader = reader(|_| ());
    let mut seen = vec![reader.hash(&row(&[]))];
    assert_eq!(reader.hash(&row(&[])), seen[0]);
    for change in [
        ("child", Some("")),
        ("child", None),
        ("child", Some("Minji")),
        ("push_token", Some("aabc")),
    ] {
        seen.push(reader.hash(&row(&[change])));
    }
    let other = self::reader(|written| written["plan"]["stale_after"] = json!("5m"));
    seen.push(other.hash(&row(&[])));
    let renamed = TableReader::new(&definition(|_| ()), "Other", &names()).unwrap();
    seen.push(renamed.hash(&row(&[])));
    let count = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), count);
    assert!(!seen.contains(&0));
}

#[test]
fn what_is_wrong_with_a_definition_is_said_before_a_row_is_read() {
    let check = |change: &dyn Fn(&mut Value)| definition(|written| change(written)).check();
    for (change, part) in [
        (
            &(|w: &mut Value| w["columns"]["id"] = Value::Null) as &dyn Fn(&mut Value),
            "columns.id",
        ),
        (&|w| w["columns"]["user"] = json!("child"), "exactly one"),
        (&|w| w["columns"]["push_token"] = Value::Null, "exactly one"),
        (&|w| w["columns"]["status"] = Value::Null, "ended"),
        (&|w| w["plan"]["ends_at"] = json!("x"), "plan.ends_at"),
        (&|w| w["plan"]["start"] = json!("push"), "plan.start"),
        (&|w| w["plan"]["phase"] = json!([]), "unknown field `phase`"),
        (&|w| w["plan"] = json!([]), "plan"),
    ] {
        let why = check(change).unwrap_err();
        assert!(why.contains(part), "{part}: {why}");
    }
    let of_device = check(&|w| {
        w["columns"] = json!({"id": "id", "device": "child", "environment": "child"});
        w["ended"] = json!([]);
    });
    assert!(of_device.unwrap_err().contains("columns.environment"));
}

#[test]
fn columns_that_are_not_there_are_named() {
    let new = |change: &dyn Fn(&mut Value)| {
        TableReader::new(&definition(|written| change(written)), "Academy", &names()).unwrap_err()
    };
    let why = new(&|w| w["columns"]["ends_at"] = json!("end_at"));
    assert!(
        why.contains("columns.ends_at") && why.contains("did you mean `ends_at`"),
        "{why}"
    );
    let why = new(&|w| w["plan"]["content_state"]["title"] = json!("{{ titel }}"));
    assert!(
        why.contains("plan.content_state.title") && why.contains("titel"),
        "{why}"
    );
    // A column whose name no template can have harms nobody who does not use it.
    let mut odd = names();
    odd.extend(["count(*)".to_owned(), "user".to_owned()]);
    TableReader::new(&definition(|_| ()), "Academy", &odd).unwrap();
}
