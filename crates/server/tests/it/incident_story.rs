//! A service stops at night: whoever is on call is alerted, then rung; he sleeps; the next one is rung and takes it in hand by
//! the link that came with the call; nobody is paged any more; it runs again, and everybody hears so. Over `kill -9` between
//! the steps, with a phone that cannot be rung, and without one app that iOS would have killed.

use crate::incident_world::{ALONE, APART, Phone, Service, World};
use crate::support::{Home, until};
use carillon_model::monitor::Instead;
use carillon_store_sql::testing::Scratch;
use push_sim::Effect;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

const ALL: &[&str] = &["voip_call_ui", "critical_alerts", "time_sensitive"];
/// An app that was written before there was a call screen.
const OLD: &[&str] = &["critical_alerts", "time_sensitive"];

#[test]
fn somebody_wakes_up_with_one_process() {
    story(None, ALONE);
}

#[test]
fn somebody_wakes_up_with_roles_apart_on_postgres() {
    if let Some(scratch) = Scratch::postgres() {
        story(Some(&scratch), APART);
    }
}

/// Who is on call, and how they are paged.
fn set_up(world: &World<'_>, service: &Service) {
    let rotation = json!({
        "time_zone": "Asia/Seoul",
        "layers": [{"members": ["ann", "bob"], "turn": "7d", "starts_on": "2026-11-30"}],
    });
    world.call("PUT", "rotations/web", &rotation, 201);
    let ladder = json!({"steps": [
        {"whom": {"on_call": "web"}},
        {"after": "2m", "whom": {"on_call": "web"}, "how": "ring"},
        {"after": "2m", "whom": {"next": "web"}, "how": "ring"},
        {"after": "5m", "whom": {"everybody": "web"}, "how": "critical"},
    ]});
    world.call("PUT", "ladders/night", &ladder, 201);
    let monitor = json!({
        "check": {"http": {"url": service.url()}},
        "private_target": true,
        "interval": "10s",
        "ladder": "night",
    });
    world.call("PUT", "monitors/web", &monitor, 201);
}

fn story(scratch: Option<&Scratch>, layout: &'static [&'static str]) {
    let mut home = Home::new();
    World::prepare(&mut home);
    for (name, value) in scratch.into_iter().flat_map(Scratch::environment) {
        home.set(name.trim_start_matches("CARILLON_"), value);
    }
    let mut service = Service::start();
    let mut world = World::start(&home, layout);
    let anns = world.add_phone("ann", ALL);
    let anns_old = world.add_phone("ann", OLD);
    let bobs = world.add_phone("bob", ALL);
    world.wakes_up_when_it_rings(&bobs);
    set_up(&world, &service);
    until("the monitor is ok", || state(&world) == "ok");

    service.down();
    world.until_read(&anns, "web is down");
    world.until_read(&anns_old, "web is down");
    // The plug is pulled in the middle of the ladder, twice: it goes on where it was.
    world.kill();
    world.until_rung(&anns);
    world.kill();

    world.until_rung(&bobs);
    until("bob has it in hand", || state(&world) == "acknowledged");
    let incident = world.read("incidents/web/1");
    assert_eq!(incident["acknowledged"]["by"], "bob", "{incident}");
    world.until_read(&anns, "web: bob is on it");

    // Long after the next step would have been due, and looked at again: nobody is paged any more.
    world.travel(Duration::from_secs(20 * 60));
    let arrived = world.now();
    until("it is looked at again", || {
        let seen = world.read("monitors/web");
        let at = seen["last"]["at"].as_str().unwrap_or_default();
        at.parse::<jiff::Timestamp>().is_ok_and(|at| at > arrived)
    });
    assert_eq!(pages(&world).len(), 3);

    service.up();
    until("it is over", || state(&world) == "ok");
    for phone in [&anns, &anns_old, &bobs] {
        world.until_read(phone, "web is up again");
    }
    recorded(&world, &anns, &anns_old, &bobs);
    received(&world, &anns, &anns_old, &bobs);
    assert_eq!(world.effects(Effect::Killed), 0, "no app was killed");
    assert_eq!(world.effects(Effect::Call), 2);
    let list = world.read("incidents");
    assert_eq!(
        list["data"].as_array().unwrap().len(),
        1,
        "one incident: {list}"
    );
    world.end();
}

fn state(world: &World<'_>) -> String {
    let monitor = world.read("monitors/web");
    monitor["state"].as_str().unwrap().to_owned()
}

fn entries(world: &World<'_>) -> Vec<Value> {
    let mut incident = world.read("incidents/web/1");
    serde_json::from_value(incident["entries"].take()).unwrap()
}

/// The steps that were taken.
fn pages(world: &World<'_>) -> Vec<Value> {
    let mut entries = entries(world);
    entries.retain(|entry| entry["what"] == "paged");
    entries
}

/// What the incident's record says.
fn recorded(world: &World<'_>, anns: &Phone, anns_old: &Phone, bobs: &Phone) {
    let entries = entries(world);
    let what: Vec<&str> = entries
        .iter()
        .filter_map(|entry| entry["what"].as_str())
        .collect();
    let expected = [
        "opened",
        "paged",
        "paged",
        "paged",
        "acknowledged",
        "resolved",
    ];
    assert_eq!(what, expected, "{entries:#?}");
    assert_eq!(entries[4]["by"], "bob");

    // Who was told how, and why not louder.
    let told = |entry: &Value| -> BTreeSet<[String; 4]> {
        let list = entry["told"].as_array().unwrap().iter();
        let word = |one: &Value, name: &str| one[name].as_str().unwrap_or_default().to_owned();
        list.map(|one| ["user", "device", "how", "instead"].map(|name| word(one, name)))
            .collect()
    };
    let row = |user: &str, phone: &Phone, how: &str, instead: &str| {
        [user, &phone.device, how, instead].map(str::to_owned)
    };
    let pages = pages(world);
    let steps: Vec<_> = pages
        .iter()
        .map(|page| page["page"]["step"].as_u64().unwrap())
        .collect();
    assert_eq!(steps, [0, 1, 2], "each step once, in order");
    assert_eq!(
        told(&pages[0]),
        [
            row("ann", anns, "alert", ""),
            row("ann", anns_old, "alert", "")
        ]
        .into()
    );
    let instead = row(
        "ann",
        anns_old,
        "critical",
        Instead::NoCallScreen.sentence(),
    );
    assert_eq!(
        told(&pages[1]),
        [row("ann", anns, "ring", ""), instead].into()
    );
    assert_eq!(told(&pages[2]), [row("bob", bobs, "ring", "")].into());
    let at = |entry: &Value| -> jiff::Timestamp { entry["at"].as_str().unwrap().parse().unwrap() };
    for pair in pages.windows(2) {
        let waited = at(&pair[1]).duration_since(at(&pair[0]));
        assert!(waited.as_secs() >= 120, "two minutes to answer: {waited:?}");
    }
}

/// What came for the phones: each thing once, whatever was sent again because nobody knew.
fn received(world: &World<'_>, anns: &Phone, anns_old: &Phone, bobs: &Phone) {
    for (phone, expected, rings) in [
        (
            anns,
            &["web is down", "web: bob is on it", "web is up again"][..],
            1,
        ),
        (
            anns_old,
            &[
                "web is down",
                "web is down",
                "web: bob is on it",
                "web is up again",
            ],
            0,
        ),
        (bobs, &["web is up again"], 1),
    ] {
        let [alerts, calls] = world.received(phone);
        let mut seen = BTreeSet::new();
        let mut titles = Vec::new();
        let mut levels = Vec::new();
        for push in alerts.iter().filter(|push| seen.insert(push.apns_id)) {
            let payload: Value = serde_json::from_str(push.payload.as_deref().unwrap()).unwrap();
            let aps = &payload["aps"];
            titles.push(
                aps["alert"]["title"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
            );
            levels.push(
                aps["interruption-level"]
                    .as_str()
                    .unwrap_or("active")
                    .to_owned(),
            );
            assert_eq!(
                push.collapse_id, alerts[0].collapse_id,
                "they replace each other"
            );
        }
        assert_eq!(titles, expected, "{}", phone.device);
        if rings == 0 {
            assert_eq!(levels[..2], ["time-sensitive", "critical"]);
        }
        // A call is never sent twice, not even when in doubt, and never kept.
        assert_eq!(calls.len(), rings, "{}: {calls:?}", phone.device);
        assert!(calls.iter().all(|call| call.expiration == Some(0)));
    }
}

#[test]
fn nonsense_is_refused_and_says_why() {
    let mut home = Home::new();
    World::prepare(&mut home);
    let world = World::start(&home, ALONE);
    world.add_phone("ann", OLD);
    let rotation = |body: Value| ("rotations/web", body);
    let ladder = |body: Value| ("ladders/night", body);
    let monitor = |change: Value| {
        let mut body = json!({"check": {"http": {"url": "https://example.com/"}}});
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        ("monitors/web", body)
    };
    let layers = json!([{"members": ["ann"], "hours": {"from": "09:00", "to": "18:00"}}]);
    let blows_up = json!({"http": {"url": "https://example.com/", "expect": {"body": {"matches": "(a{1000}){1000}"}}}});
    let ring = json!({"steps": [{"whom": {"users": ["ann"]}, "how": "ring"}]});
    for ((path, body), pointer, part) in [
        (
            monitor(json!({"interval": "500ms"})),
            "/interval",
            "expected 1s",
        ),
        (monitor(json!({"ladder": "none"})), "/ladder", "none"),
        (
            monitor(json!({"depends_on": ["web"]})),
            "/depends_on",
            "web",
        ),
        (
            monitor(json!({"check": blows_up})),
            "/check/http/expect/body",
            "",
        ),
        (
            monitor(json!({"check": {"http": {"url": "http://127.0.0.1:1/"}}})),
            "/check/http/url",
            "private_target",
        ),
        (
            rotation(json!({"time_zone": "Asia/Seoul", "layers": layers})),
            "/layers",
            "found a gap",
        ),
        (
            rotation(json!({"time_zone": "Mars/Olympus", "layers": []})),
            "/time_zone",
            "Mars",
        ),
        (ladder(json!({"steps": []})), "/steps", "1 to 20 steps"),
        (
            ladder(json!({"steps": [{"whom": {"on_call": "none"}}]})),
            "/steps/0/whom",
            "none",
        ),
        (
            ladder(ring),
            "/steps/0/how",
            "iOS ends an app that gets a VoIP push",
        ),
    ] {
        let said = world.call("PUT", path, &body, 422);
        let errors = said["errors"].as_array().unwrap();
        let found = errors.iter().any(|error| {
            let text = |name: &str| error[name].as_str().unwrap_or_default();
            text("pointer").starts_with(pointer) && text("message").contains(part)
        });
        assert!(found, "{body}: {pointer} and {part:?} are not in {said}");
    }
    let nobody = json!({"by": "ann"});
    let (status, _) = world
        .api()
        .call("POST", "/v1/heartbeats/guessed", None, &Value::Null);
    assert_eq!(status, 404);
    let (status, _) = world
        .api()
        .call("POST", "/i/guessed", None, &json!({"do": "acknowledge"}));
    assert_eq!(status, 410, "a link that is none of ours");
    world.call("POST", "incidents/web/1/acknowledge", &nobody, 404);
    world.end();
}
