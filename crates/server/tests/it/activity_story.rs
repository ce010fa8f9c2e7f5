//! A child's lesson on its parents' lock screens, as O1 did it every minute and Carillon does it once: declared, ending soon,
//! extended, ending soon again, over, gone. Over a token that rotates, schedulers that are killed and two that run.

use crate::activity_world::{ALONE, STILL, TWO_SCHEDULERS, TYPE, World, at, ms};
use crate::support::Home;
use carillon_store_sql::testing::Scratch;
use push_sim::{ActivityChange, Environment};
use serde_json::{Value, json};

const LESSON: &str = "lesson-42";
const PARENT: &str = "parent-7";

#[test]
fn started_by_push_with_one_process() {
    story(None, ALONE, "push");
}

#[test]
fn started_by_the_app_with_one_process() {
    story(None, ALONE, "app");
}

#[test]
fn started_by_push_with_two_schedulers_on_postgres() {
    if let Some(scratch) = Scratch::postgres() {
        story(Some(&scratch), TWO_SCHEDULERS, "push");
    }
}

#[test]
fn started_by_the_app_with_two_schedulers_on_mariadb() {
    if let Some(scratch) = Scratch::mariadb() {
        story(Some(&scratch), TWO_SCHEDULERS, "app");
    }
}

/// What the back end declares, once.
fn lesson(start: &str) -> Value {
    json!({
        "recipient": {"user": PARENT},
        "attributes_type": TYPE,
        "attributes": {"childId": "7", "academyName": "Seoul Piano"},
        "content_state": {"status": "active", "endTime": {"$date": at("17:00:00")}},
        "alert": {"title": "Lesson", "body": "It begins"},
        "start": start,
        "starts_at": at("16:00:00"),
        "ends_at": at("17:00:00"),
        "stale_after": "5m",
        "phases": [{"name": "ending", "at": "ends_at - 15m", "content_state": {"status": "ending"}}],
        "end": {"content_state": {"status": "ended"}, "dismiss_after": "5m"},
    })
}

fn story(scratch: Option<&Scratch>, layout: &'static [&'static str], start: &str) {
    let mut home = Home::new();
    World::prepare(&mut home);
    for (name, value) in scratch.into_iter().flat_map(Scratch::environment) {
        home.set(name.trim_start_matches("CARILLON_"), value);
    }
    let mut world = World::start(&home, layout, "15:59:00");
    world.add_phone(PARENT, Environment::Production);
    world.add_phone(PARENT, Environment::Sandbox);
    world.call("PUT", LESSON, &lesson(start), 201);
    assert_eq!(world.shown(), ["", ""], "not before its time");

    world.travel("16:00:00");
    if start == "app" {
        // As the app decodes it: a date is seconds since 2001.
        let plan = lesson(start);
        let end = ms("17:00:00") / 1000 - 978_307_200;
        let state = json!({"status": "active", "endTime": end});
        world.start_by_app(
            plan["attributes"].as_object().unwrap(),
            state.as_object().unwrap(),
        );
    }
    world.until_shown("active");
    assert_eq!(world.tell_tokens(LESSON), 2);
    assert_eq!(world.read(LESSON)["state"], "active");

    // One phone's token rotates, and the app tells the new one.
    world.rotate(1);
    assert_eq!(world.tell_tokens(LESSON), 1);

    // The plug is pulled one second before the phase, and nobody is there when it is due.
    world.travel("16:44:59");
    assert_eq!(
        world.kill_schedulers(),
        layout.len().saturating_sub(1).max(1)
    );
    assert_eq!(world.shown(), ["active", "active"]);
    world.travel("16:45:30");
    world.until_shown("ending");

    // It is not told again, though minutes pass.
    world.travel_on("16:45:31", 60.0);
    world.wait_for("16:49:30");
    world.travel("16:50:00");
    assert_eq!(world.shown(), ["ending", "ending"]);
    let longer = json!({
        "ends_at": at("17:20:00"),
        "content_state": {"endTime": {"$date": at("17:20:00")}},
    });
    let changed = world.call("PATCH", LESSON, &longer, 200);
    assert_eq!(changed["shows"]["status"], "active");
    world.until_shown("active");

    // Of two schedulers one is enough.
    if layout == TWO_SCHEDULERS {
        world.travel_on("17:04:55", 1.0);
        world.kill_leading_scheduler();
    } else {
        world.travel("17:04:59");
        assert_eq!(world.shown(), ["active", "active"]);
        world.travel("17:05:00");
    }
    world.until_shown("ending");

    world.travel("17:19:59");
    assert_eq!(world.shown(), ["ending", "ending"]);
    world.travel("17:20:00");
    world.until_shown("ended");
    assert_eq!(world.read(LESSON)["state"], "ended");
    let clock = home.simulator.clock();
    clock.set_ms(ms("17:24:59"));
    assert_eq!(world.shown(), ["ended", "ended"]);
    clock.set_ms(ms("17:25:00"));
    assert_eq!(world.shown(), ["", ""], "off the lock screen");

    told(&world, start);
    let late = json!({"content_state": {"status": "late"}});
    let refused = world.call("PATCH", LESSON, &late, 409);
    assert_eq!(refused["code"], "live_activity.ended");
    world.end();
    assert!((clock.speed() - STILL).abs() < f64::EPSILON);
}

/// What each phone was told, by itself and by our books: each thing once.
fn told(world: &World<'_>, start: &str) {
    use ActivityChange::{Ended, Left, Started, Updated};
    for phone in 0..2 {
        let mut told = world.told(phone);
        // Where a scheduler was killed on the way it is a few seconds later.
        let again = &mut told[3].0;
        assert!(
            again.as_str() >= "17:05:00" && again.as_str() < "17:06:00",
            "{again}"
        );
        "17:05:00".clone_into(again);
        let expected = [
            ("16:00:00", Started, "active"),
            ("16:45:30", Updated, "ending"),
            ("16:50:00", Updated, "active"),
            ("17:05:00", Updated, "ending"),
            ("17:20:00", Ended, "ended"),
            ("17:25:00", Left, "ended"),
        ];
        let expected =
            expected.map(|(hour, change, status)| (hour.to_owned(), change, status.to_owned()));
        assert_eq!(told, expected, "phone {phone}");
        let history = world.history(phone);
        let end_time = |at: usize| history[at].content_state["endTime"].as_i64();
        let swift = |hour: &str| Some(ms(hour) / 1000 - 978_307_200);
        assert_eq!(end_time(1), swift("17:00:00"));
        assert_eq!(end_time(2), swift("17:20:00"));
        let timestamps: Vec<i64> = history[..5].iter().map(|one| one.timestamp).collect();
        assert!(timestamps.is_sorted_by(|a, b| a < b), "{timestamps:?}");
    }
    assert_eq!(world.shown_at(Some("16:45:29")), ["active", "active"]);
    assert_eq!(world.shown_at(Some("16:46:00")), ["ending", "ending"]);
    assert_eq!(world.shown_at(Some("17:04:59")), ["active", "active"]);

    let records = world.records(LESSON);
    let short = |record: &Value| {
        let word = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
        (
            word("what"),
            word("phase"),
            record["phones"].as_u64().unwrap(),
        )
    };
    let short: Vec<_> = records.iter().map(short).collect();
    let mut expected = vec![
        ("phase", "ending", 2),
        ("updated", "", 2),
        ("phase", "ending", 2),
        ("ended", "", 2),
    ];
    if start == "push" {
        expected.insert(0, ("started", "", 2));
    }
    let expected: Vec<_> = expected
        .into_iter()
        .map(|(what, phase, phones)| (what.to_owned(), phase.to_owned(), phones))
        .collect();
    assert_eq!(short, expected);
    let sent = records.iter().map(|record| &record["notification"]);
    for notification in sent {
        let id = notification.as_str().unwrap();
        let said = world
            .api()
            .get(&format!("/v1/apps/shop/notifications/{id}"));
        let said: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(said["deliveries"]["accepted"], 2, "{said}");
    }
}
