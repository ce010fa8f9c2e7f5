//! A lesson on the lock screen of an iPhone whose app uses Firebase: everything goes through Google. Beside it a phone that
//! Apple reaches directly.

use crate::activity_world::{ALONE, PROJECT, TYPE, World, at};
use crate::support::{Home, until};
use push_sim::{ActivityChange, Environment};
use serde_json::json;

const LESSON: &str = "lesson-42";
const PARENT: &str = "parent-7";

#[test]
fn a_lesson_through_fcm() {
    let mut home = Home::new();
    World::prepare(&mut home);
    let google = home.simulator.google_url();
    let google = google.trim_start_matches("https://");
    let ca_file = home.path().join("ca.pem").display().to_string();
    home.set("FCM__TOKEN_ENDPOINT", google);
    home.set("FCM__ENDPOINT", google);
    home.set("FCM__CA_FILE", ca_file);
    let mut world = World::start(&home, ALONE, "15:59:00");
    let account = home.simulator.service_account_json(PROJECT).unwrap();
    std::fs::write(home.path().join("google.json"), account).unwrap();
    let put = ["credential", "put", "shop", "google"];
    let google = ["--service-account", "google.json"];
    world.api().json(&[&put[..], &google].concat());
    world.add_phone_of_firebase(PARENT);
    world.add_phone(PARENT, Environment::Sandbox);
    let plan = json!({
        "recipient": {"user": PARENT}, "attributes_type": TYPE, "attributes": {"childId": "7"},
        "content_state": {"status": "active"}, "alert": {"title": "Lesson", "body": "It begins"},
        "starts_at": at("16:00:00"), "ends_at": at("17:00:00"),
        "phases": [{"name": "ending", "at": "ends_at - 15m", "content_state": {"status": "ending"}}],
        "end": {"content_state": {"status": "ended"}, "dismiss_after": "5m"},
    });
    world.call("PUT", LESSON, &plan, 201);

    world.travel("16:00:00");
    world.until_shown("active");
    assert_eq!(world.tell_tokens(LESSON), 2);
    let phones = world.read(LESSON)["phones"].clone();
    let through: Vec<_> = phones.as_array().unwrap().iter().collect();
    let through = through.iter().filter(|one| one["through_fcm"] == true);
    assert_eq!(through.count(), 1, "{phones}");
    world.travel("16:45:00");
    world.until_shown("ending");
    world.travel("16:50:00");
    world.rotate(0);
    // What is pushed to the old token is refused by Apple, and Google says so.
    let late = json!({"content_state": {"status": "late"}});
    world.call("PATCH", LESSON, &late, 200);
    until("the old token is known to be dead", || {
        let read = world.read(LESSON);
        let phones = read["phones"].as_array().unwrap();
        phones.iter().any(|one| one["gone_because"] == "token_dead")
    });
    assert_eq!(world.tell_tokens(LESSON), 1);
    world.until_shown("late");
    world.travel("17:00:00");
    world.until_shown("ended");
    let told: Vec<_> = world.told(0).into_iter().map(|(_, what, _)| what).collect();
    use ActivityChange::{Ended, Started, Updated};
    assert_eq!(told, [Started, Updated, Updated, Ended]);
    world.end();
}
