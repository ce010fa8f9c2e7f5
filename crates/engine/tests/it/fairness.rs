//! Whose turn it is: Apps by weight, classes by weight, lanes within their bounds.

use crate::fake_gateway::{by_app, signing_key};
use crate::world::{World, to, to_with};
use carillon_engine::EngineConfig;
use carillon_model::app::AppSettings;
use carillon_model::delivery::FinalState;
use carillon_model::environment::{Environment, TokenEnvironment};
use carillon_model::id::{AppNo, CredentialNo};
use carillon_model::outcome::Outcome;
use carillon_model::push_type::TokenKind;
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

/// Little goes at once, so that order shows.
fn narrow() -> EngineConfig {
    EngineConfig {
        load_deliveries: 128,
        max_loads: 1,
        quantum: 16,
        ..EngineConfig::default()
    }
}

async fn app(
    world: &World,
    id: &str,
    settings: AppSettings,
    devices: u64,
) -> (AppNo, CredentialNo) {
    let no = world.app(id, settings).await;
    let credential = world
        .credential(no, "key", signing_key(&Environment::ALL))
        .await;
    world
        .devices_of(
            no,
            1..devices + 1,
            TokenKind::Alert,
            TokenEnvironment::Production,
        )
        .await;
    (no, credential)
}

#[tokio::test(start_paused = true)]
async fn apps_share_by_weight() {
    let world = World::with(narrow()).await;
    world.gateway.window(0);
    let heavy = AppSettings {
        weight: 3,
        ..AppSettings::default()
    };
    let (a, of_a) = app(&world, "a", heavy, 1_000).await;
    let (b, of_b) = app(&world, "b", AppSettings::default(), 1_000).await;
    world.try_send_to(a, to(1..1001), None).await.unwrap();
    let last = world.try_send_to(b, to(1..1001), None).await.unwrap();
    world.gateway.window(100_000);
    world.completed_of(b, last.no).await;
    let written = world.gateway.written();
    // The first may have begun alone; then they share.
    let start = written
        .iter()
        .position(|w| w.pool.credential == of_b)
        .unwrap();
    let shared = &written[start..start + 800];
    let (of_a, of_b) = (by_app(shared, of_a), by_app(shared, of_b));
    assert!((560..=640).contains(&of_a), "{of_a} to {of_b}");
}

#[tokio::test(start_paused = true)]
async fn a_campaign_of_one_app_does_not_delay_anothers_push() {
    let world = World::new().await;
    world.gateway.window(500);
    world
        .gateway
        .script(|_| vec![(20, Outcome::accepted(1, 20_000))]);
    let (a, _) = app(&world, "a", AppSettings::default(), 1_500).await;
    let (b, _) = app(&world, "b", AppSettings::default(), 50).await;
    let all = json!({ "target": { "all": true }, "content": { "body": "sale" } });
    world.try_send_to(a, all, None).await.unwrap();
    world.pass(50).await;
    for n in 1..51 {
        let start = Instant::now();
        let sent = world.try_send_to(b, to(n..n + 1), None).await.unwrap();
        world.completed_of(b, sent.no).await;
        assert!(
            start.elapsed() <= Duration::from_millis(25),
            "{:?}",
            start.elapsed()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn urgent_overtakes_bulk_and_bulk_is_not_starved() {
    let world = World::with(narrow()).await;
    world.gateway.window(64);
    world
        .gateway
        .script(|_| vec![(10, Outcome::accepted(1, 10_000))]);
    world.devices(1..2001).await;
    let bulk = world
        .send(to_with(1..1001, json!({ "class": "bulk" })))
        .await;
    world.pass(15).await;
    let urgent = world
        .send(to_with(1001..2001, json!({ "class": "urgent" })))
        .await;
    world.completed(urgent).await;
    let bulk_done = 1_000 - world.view(bulk).await.open;
    assert!(
        (40..500).contains(&bulk_done),
        "bulk did {bulk_done} meanwhile"
    );
    world.completed(bulk).await;
}

#[tokio::test(start_paused = true)]
async fn stored_urgent_work_goes_before_stored_bulk() {
    let config = EngineConfig {
        lane_min_deliveries: 200,
        lane_max_deliveries: 200,
        ..narrow()
    };
    let world = World::with(config).await;
    world.gateway.window(50);
    world
        .gateway
        .script(|_| vec![(50, Outcome::accepted(1, 50_000))]);
    world.devices(1..1001).await;
    let bulk = world
        .send(to_with(1..1001, json!({ "class": "bulk" })))
        .await;
    world.pass(500).await;
    let urgent = world
        .send(to_with(1..2, json!({ "class": "urgent" })))
        .await;
    let start = Instant::now();
    world.completed(urgent).await;
    assert!(
        start.elapsed() < Duration::from_millis(200),
        "{:?}",
        start.elapsed()
    );
    let view = world.completed(bulk).await;
    assert_eq!(view.states, [(FinalState::Accepted, 1_000)]);
}

#[tokio::test(start_paused = true)]
async fn memory_is_bounded_and_the_rest_waits_in_the_store() {
    let config = EngineConfig {
        intake_patience_ms: 0,
        lane_min_deliveries: 300,
        lane_max_deliveries: 300,
        ..EngineConfig::default()
    };
    let world = World::with(config).await;
    world.gateway.window(100);
    world
        .gateway
        .script(|_| vec![(20, Outcome::accepted(1, 20_000))]);
    world.devices(1..1001).await;
    let mut sent = Vec::new();
    for n in 1..1001 {
        sent.push(world.to(n..n + 1).await);
    }
    let held = |world: &World| {
        let lane = &world.engine.status().lanes[0];
        lane.queued + lane.in_flight
    };
    assert!(held(&world) <= 300);
    assert!(world.engine.status().lanes[0].backlog);
    let order_seen = async {
        for no in &sent {
            let view = world.completed(*no).await;
            assert_eq!(view.states, [(FinalState::Accepted, 1)]);
            assert!(held(&world) <= 300);
        }
    };
    order_seen.await;
    let written = world.gateway.written();
    assert_eq!(written.len(), 1_000, "each once");
}

/// Many one after the other are accepted by one process, before another one is there to send them.
async fn stored(api: &World, apps: &[AppNo], classes: &[&str], each: usize) {
    for app in apps {
        for class in classes {
            for _ in 0..each {
                let mut body = to_with(1..2, json!({ "class": class }));
                body["content"] = json!({ "body": class });
                api.try_send_to(*app, body, None).await.unwrap();
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn lanes_whose_work_waits_in_the_store_are_asked_in_turn() {
    for (at_once, lanes) in [1, 2, 3, 8]
        .into_iter()
        .flat_map(|n| [(n, 3), (n, 6), (n, 7)])
    {
        let config = EngineConfig {
            max_claims: at_once,
            claim_batches: 1,
            ..EngineConfig::default()
        };
        let api = World::shared_with("api", config).await;
        let (mut apps, mut credentials) = (Vec::new(), Vec::new());
        for n in 0..lanes {
            let (app, credential) = app(&api, &format!("app{n}"), AppSettings::default(), 1).await;
            apps.push(app);
            credentials.push(credential);
        }
        stored(&api, &apps, &["normal"], 40).await;
        let sender = api.another("sender").await;
        let half = lanes * 20;
        sender
            .until(Duration::from_secs(60), async || {
                sender.gateway.written().len() >= half
            })
            .await;
        let written = &sender.gateway.written()[..half];
        for credential in credentials {
            let of_it = by_app(written, credential);
            let what = format!("{of_it} of 20 in one of {lanes} lanes, {at_once} claims at once");
            assert!((15..=25).contains(&of_it), "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_class_whose_work_waits_in_the_store_waits_for_another() {
    for at_once in [1, 2, 3, 8] {
        let config = EngineConfig {
            max_claims: at_once,
            claim_batches: 1,
            ..EngineConfig::default()
        };
        let api = World::shared_with("api", config).await;
        let (one, _) = app(&api, "one", AppSettings::default(), 1).await;
        let (two, _) = app(&api, "two", AppSettings::default(), 1).await;
        stored(&api, &[one, two], &["urgent", "normal", "bulk"], 40).await;
        let sender = api.another("sender").await;
        sender
            .until(Duration::from_secs(60), async || {
                sender.gateway.written().len() >= 120
            })
            .await;
        let written = &sender.gateway.written()[..120];
        for class in ["urgent", "normal", "bulk"] {
            let says = |text: &[u8]| String::from_utf8_lossy(text).contains(class);
            let of_it = written.iter().filter(|written| says(&written.payload));
            let of_it = of_it.count();
            let what = format!("{of_it} of 40 are {class}, {at_once} claims at once");
            assert!((30..=50).contains(&of_it), "{what}");
        }
    }
}
