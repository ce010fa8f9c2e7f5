//! A lane that sends and is full: intake waits a moment for room. One that does not send: no waiting.

use crate::world::{World, to};
use carillon_engine::EngineConfig;
use carillon_model::UnixMs;
use carillon_model::app::AppSettings;
use carillon_model::lane::{Class, Lane};
use carillon_model::outcome::Outcome;
use carillon_model::rate::{Rate, Rates};
use std::time::Duration;
use tokio::time::Instant;

/// Room for ten deliveries in memory, five at the gateway.
async fn narrow(patience_ms: u32) -> World {
    let world = World::with(EngineConfig {
        intake_patience_ms: patience_ms,
        lane_min_deliveries: 10,
        lane_max_deliveries: 10,
        ..EngineConfig::default()
    })
    .await;
    world.gateway.window(5);
    world.devices(1..100).await;
    world
}

async fn stored(world: &World) -> Vec<(Lane, Class, UnixMs)> {
    world.hot.waiting_lanes().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_send_waits_for_room_in_a_lane_that_sends() {
    for (patience_ms, is_stored) in [(0, true), (1_000, false)] {
        let world = narrow(patience_ms).await;
        world
            .gateway
            .script(|_| vec![(20, Outcome::accepted(1, 20_000))]);
        let first = world.to(1..11).await;
        let second = world.to(11..16).await;
        assert_eq!(stored(&world).await.len(), usize::from(is_stored));
        world.completed(first).await;
        world.completed(second).await;
        assert_eq!(world.gateway.written().len(), 15);
    }
}

#[tokio::test(start_paused = true)]
async fn patience_ends() {
    let world = narrow(100).await;
    world
        .gateway
        .script(|_| vec![(60_000, Outcome::accepted(1, 20_000))]);
    world.to(1..11).await;
    // Nothing was noticed yet: the lane may be slow.
    let began = Instant::now();
    world.to(11..16).await;
    assert_eq!(began.elapsed(), Duration::from_millis(100));
    assert_eq!(stored(&world).await.len(), 1);
    // Now it is known that no answers come.
    world.pass(1_000).await;
    let began = Instant::now();
    world.to(16..21).await;
    assert!(began.elapsed() < Duration::from_millis(5));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_behind_a_crowd() {
    let world = narrow(100).await;
    world
        .gateway
        .script(|_| vec![(20, Outcome::accepted(1, 20_000))]);
    let crowd = serde_json::json!({
        "target": { "all": true },
        "content": {},
        "options": { "class": "normal" },
    });
    let crowd = world.send(crowd).await;
    world
        .until(Duration::from_secs(5), async || {
            !world.gateway.written().is_empty()
        })
        .await;
    let began = Instant::now();
    let single = world.to(1..2).await;
    assert!(began.elapsed() < Duration::from_millis(5));
    world.completed(crowd).await;
    world.completed(single).await;
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_an_app_that_is_limited() {
    let world = narrow(100).await;
    let limited = AppSettings {
        rates: Rates {
            total: Some(Rate::per_second(1)),
            ..Rates::default()
        },
        ..AppSettings::default()
    };
    world.app("shop", limited).await;
    world.to(1..11).await;
    world.pass(1_000).await;
    let began = Instant::now();
    world.to(11..21).await;
    assert!(began.elapsed() < Duration::from_millis(5));
    assert_eq!(stored(&world).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_let_through_when_the_engine_stops() {
    let world = narrow(1_000).await;
    world
        .gateway
        .script(|_| vec![(30, Outcome::accepted(1, 30_000))]);
    world.to(1..11).await;
    let mut sending = Box::pin(world.engine.send(world.app, vec![item(to(11..16))]));
    assert!(futures_pending(&mut sending).await);
    let (answer, _) = tokio::join!(sending, world.engine.stop(Duration::from_secs(5)));
    assert!(answer.unwrap()[0].is_ok());
    assert_eq!(stored(&world).await.len(), 1, "for the next start");
}

fn item(body: serde_json::Value) -> carillon_engine::SendItem {
    carillon_engine::SendItem {
        request: serde_json::from_value(body).unwrap(),
        idempotency: None,
        origin: carillon_engine::Origin::default(),
    }
}

/// Gives it some turns; whether it still waits.
async fn futures_pending<F: Future + Unpin>(future: &mut F) -> bool {
    for _ in 0..10 {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        if std::pin::Pin::new(&mut *future)
            .poll(&mut context)
            .is_ready()
        {
            return false;
        }
        tokio::task::yield_now().await;
    }
    true
}
