//! An incident on lock screens while it lasts: it begins with the first page, follows each step, and ends with the incident,
//! also where the process dies in between.

use crate::watched::{SHOP, step};
use crate::world::World;
use carillon_engine::live_activity::ToldToken;
use carillon_model::definition::Definition;
use carillon_model::environment::TokenEnvironment;
use carillon_model::live_activity::ActivityState;
use carillon_model::monitor::{Entry, ResolvedBy, Watch, WatchState, What};
use carillon_ports::clock::Clock as _;
use carillon_ports::live_activity::{LiveActivityStore as _, StoredActivity};
use carillon_ports::registry::Registry as _;
use carillon_ports::watch::{WatchClaim, WatchEntry, WatchStep};
use serde_json::{Value, json};
use std::time::Duration;

/// A service that breaks, with somebody on call whose app shows incidents.
async fn firing(world: &World) -> Definition {
    world.phone(1, "ann", true).await;
    world.can_start(1, 0xaa).await;
    let steps = json!([step(&["ann"], "alert", "0s"), step(&["ann"], "alert", "1h")]);
    world.ladder("night", steps).await;
    let with = json!({"ladder": "night", "live_activity": "Lesson"});
    let shop = world.monitor("shop", SHOP, with).await;
    world.until_state(&shop, WatchState::Ok).await;
    world.checker.break_down(SHOP);
    world.until_state(&shop, WatchState::Firing).await;
    shop
}

/// Event and state of each push of a Live Activity, in order.
fn screens(world: &World) -> Vec<(String, String)> {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of = |payload: &[u8]| {
        let payload: Value = serde_json::from_slice(payload).ok()?;
        let aps = &payload["aps"];
        aps["event"]
            .is_string()
            .then(|| (word(&aps["event"]), word(&aps["content-state"]["state"])))
    };
    let written = world.gateway.written();
    written
        .iter()
        .filter_map(|push| of(&push.payload))
        .collect()
}

async fn until_screens(world: &World, expected: &[(&str, &str)]) {
    let is_so = async || screens(world).len() >= expected.len();
    world.until(Duration::from_secs(3_600), is_so).await;
    let found = screens(world);
    let found: Vec<_> = found
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    assert_eq!(found, expected);
}

async fn activity(world: &World) -> StoredActivity {
    let found = world.store.live_activities(world.app, None, None, 10).await;
    let mut found = found.unwrap();
    assert_eq!(found.len(), 1, "one for the one who is paged");
    found.remove(0)
}

/// The app tells the token of what was started on its phone.
async fn is_shown(world: &World) {
    let id = activity(world).await.id;
    let device = world.store.device(world.app, "d1".into()).await;
    let device = device.unwrap().unwrap();
    let told = ToldToken {
        push_token: "01".repeat(32),
        environment: TokenEnvironment::Production,
        fcm_token: None,
        attributes_type: "Lesson".into(),
        content_state: None,
        frequent_pushes: None,
        attributes: None,
    };
    let answer = world
        .engine
        .tell_update_token(world.app, &id, &device, &told);
    answer.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_incident_is_on_lock_screens_while_it_lasts() {
    let world = World::new().await;
    let shop = firing(&world).await;
    until_screens(&world, &[("start", "firing")]).await;
    is_shown(&world).await;
    world.acknowledge(&shop, 1, "bob").await;
    until_screens(&world, &[("start", "firing"), ("update", "acknowledged")]).await;
    world.checker.mend(SHOP);
    let all = [
        ("start", "firing"),
        ("update", "acknowledged"),
        ("end", "resolved"),
    ];
    until_screens(&world, &all).await;
    assert_eq!(activity(&world).await.state, ActivityState::Ended);
    world.pass(3_600_000).await;
    assert_eq!(screens(&world).len(), 3, "it is over");
}

#[tokio::test(start_paused = true)]
async fn what_a_crash_left_on_a_lock_screen_is_ended() {
    let world = World::new().await;
    let shop = firing(&world).await;
    until_screens(&world, &[("start", "firing")]).await;
    is_shown(&world).await;
    // Another process writes that it is over, and dies before what is shown follows.
    world.checker.mend(SHOP);
    let stored = world.hot.watches(vec![shop.no]).await.unwrap();
    let stored = stored.into_iter().flatten().flatten().next().unwrap();
    let mut watch: Watch = serde_json::from_str(&stored.record).unwrap();
    (watch.incident, watch.state) = (None, WatchState::Ok);
    let now = world.clock.now();
    let entry = Entry {
        at: now,
        incident: Some(1),
        what: What::Resolved {
            by: ResolvedBy::Recovery,
            lasted_ms: 1_000,
            is_told: false,
        },
    };
    let step = WatchStep {
        monitor: shop.no,
        app: world.app,
        claim: WatchClaim::Known(stored.fence),
        state: watch.state,
        record: serde_json::to_string(&watch).unwrap(),
        version: stored.version,
        check_at: watch.check_at,
        look_at: None,
        entries: vec![WatchEntry {
            entry,
            told: Vec::new(),
        }],
        events: Vec::new(),
        rings: Vec::new(),
        pages: Vec::new(),
        now,
    };
    assert_eq!(world.hot.step_watches(vec![step]).await.unwrap(), [true]);
    assert_eq!(activity(&world).await.state, ActivityState::Active);
    let world = world.crash().await;
    until_screens(&world, &[("start", "firing"), ("end", "resolved")]).await;
}
