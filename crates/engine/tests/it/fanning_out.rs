//! Targets that are resolved page by page.

use crate::world::{World, nobody};
use carillon_engine::EngineConfig;
use carillon_model::delivery::FinalState;
use carillon_model::environment::TokenEnvironment;
use carillon_model::outcome::Outcome;
use carillon_model::push_type::TokenKind;
use carillon_ports::registry::Registry;
use serde_json::{Value, json};

fn all() -> Value {
    json!({ "target": { "all": true }, "content": { "body": "sale" } })
}

#[tokio::test(start_paused = true)]
async fn everybody_gets_it_once() {
    let world = World::new().await;
    world.devices(1..2501).await;
    world
        .devices_of(
            world.app,
            3_000..3_300,
            TokenKind::Alert,
            TokenEnvironment::Sandbox,
        )
        .await;
    world
        .devices_of(
            world.app,
            4_000..4_100,
            TokenKind::Voip,
            TokenEnvironment::Sandbox,
        )
        .await;
    let accepted = world.try_send(all()).await.unwrap();
    assert_eq!(accepted.deliveries, None, "still counting");
    let view = world.completed(accepted.no).await;
    assert!(view.fanout_finished);
    assert_eq!(view.states, [(FinalState::Accepted, 2_800)]);
    let mut tokens: Vec<_> = world
        .gateway
        .written()
        .iter()
        .map(|w| w.push_token.clone())
        .collect();
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 2_800);
}

#[tokio::test(start_paused = true)]
async fn an_empty_audience_is_complete() {
    let world = World::new().await;
    let no = world.send(all()).await;
    let view = world.completed(no).await;
    assert_eq!((view.deliveries, view.open), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_page_that_fits_exactly_is_not_the_end_of_all() {
    let world = World::new().await;
    world.devices(1..2001).await;
    let no = world.send(all()).await;
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Accepted, 2_000)]);
}

#[tokio::test(start_paused = true)]
async fn a_crash_neither_skips_nor_repeats() {
    let config = EngineConfig {
        fanout_page: 100,
        ..EngineConfig::default()
    };
    let world = World::with(config).await;
    world.devices(1..3001).await;
    world.gateway.window(50);
    world
        .gateway
        .script(|_| vec![(1, Outcome::accepted(1, 1_000))]);
    let mut world = world;
    let no = world.send(all()).await;
    for _ in 0..5 {
        tokio::task::yield_now().await;
        world = world.crash().await;
    }
    let view = world.completed(no).await;
    assert_eq!(view.deliveries, 3_000);
    assert_eq!(view.states, [(FinalState::Accepted, 3_000)]);
}

#[tokio::test(start_paused = true)]
async fn memory_stays_flat() {
    let config = EngineConfig {
        lane_min_deliveries: 400,
        lane_max_deliveries: 400,
        fanout_page: 200,
        ..EngineConfig::default()
    };
    let world = World::with(config).await;
    world.devices(1..3_001).await;
    world.gateway.window(150);
    world
        .gateway
        .script(|_| vec![(50, Outcome::accepted(1, 1_000))]);
    let no = world.send(all()).await;
    let mut most = 0;
    while world.view(no).await.completed_at.is_none() {
        let status = world.engine.status();
        let held = status
            .lanes
            .iter()
            .map(|lane| lane.queued + lane.in_flight)
            .sum::<u64>();
        most = most.max(held);
        world.pass(20).await;
    }
    assert!(most <= 600, "{most} in memory at once");
    assert_eq!(world.view(no).await.states, [(FinalState::Accepted, 3_000)]);
}

#[tokio::test(start_paused = true)]
async fn several_take_turns() {
    let world = World::new().await;
    world.devices(1..3001).await;
    let mut sent = Vec::new();
    for _ in 0..3 {
        sent.push(world.send(all()).await);
    }
    for no in sent {
        assert_eq!(
            world.completed(no).await.states,
            [(FinalState::Accepted, 3_000)]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_deleted_apps_fan_out_ends() {
    let world = World::new().await;
    world.devices(1..1001).await;
    world
        .store
        .delete_app(world.app, 1, nobody())
        .await
        .unwrap();
    let no = world.send(all()).await;
    world.engine.refresh().await.unwrap();
    let view = world.completed(no).await;
    assert!(view.fanout_finished);
}
