//! A store that refuses: outcomes are kept, nothing is lost, the process is told when it must stop.

use crate::fake_gateway::accept;
use crate::world::{World, to};
use carillon_engine::EngineConfig;
use carillon_model::delivery::FinalState;
use carillon_model::outcome::Outcome;
use carillon_ports::store::StoreError;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn outcomes_wait_until_the_store_takes_them() {
    for error in [StoreError::DiskFull, StoreError::Busy] {
        let world = World::new().await;
        world.devices(1..101).await;
        world
            .gateway
            .script(|_| vec![(100, Outcome::accepted(1, 100_000))]);
        let no = world.to(1..101).await;
        world.pass(50).await;
        world.store.fail(Some(error));
        world.pass(60_000).await;
        assert_eq!(world.view(no).await.open, 100);
        let status = world.engine.status();
        assert_eq!(status.unsettled, 100);
        assert!(status.store_problem.is_some());
        world.store.fail(None);
        let view = world.completed(no).await;
        assert_eq!(view.states, [(FinalState::Accepted, 100)]);
        assert_eq!(world.gateway.written().len(), 100);
        world.pass(1_000).await;
        assert_eq!(world.engine.status().store_problem, None);
    }
}

#[tokio::test(start_paused = true)]
async fn dispatch_stops_when_too_much_is_unsettled() {
    let config = EngineConfig {
        max_unsettled: 100,
        load_deliveries: 50,
        max_loads: 1,
        ..EngineConfig::default()
    };
    let world = World::with(config).await;
    world.devices(1..1001).await;
    world.gateway.window(50);
    let no = world.to(1..1001).await;
    world.pass(2).await;
    world.store.fail(Some(StoreError::Busy));
    world.pass(30_000).await;
    let written = world.gateway.written().len();
    assert!(written < 600, "{written}");
    world.store.fail(None);
    assert_eq!(
        world.completed(no).await.states,
        [(FinalState::Accepted, 1_000)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_watermark_that_is_refused_holds_the_push_back() {
    let world = World::new().await;
    world.devices(1..2).await;
    let body = crate::world::to_with(1..2, serde_json::json!({ "on_unknown": "drop" }));
    world.gateway.window(0);
    let sending = world.send(body).await;
    // Accepted, and from now on nothing can be written.
    world.store.fail(Some(StoreError::DiskFull));
    world.gateway.window(1_000);
    world.pass(10_000).await;
    assert!(world.gateway.written().is_empty());
    world.store.fail(None);
    assert_eq!(
        world.completed(sending).await.states,
        [(FinalState::Accepted, 1)]
    );
    assert_eq!(world.gateway.written().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn any_other_failure_of_a_commit_tells_the_process() {
    let world = World::new().await;
    world.devices(1..3).await;
    world
        .gateway
        .script(|_| vec![(100, Outcome::accepted(1, 100_000))]);
    world.to(1..2).await;
    world.pass(50).await;
    world
        .store
        .fail(Some(StoreError::Failed("input/output error".into())));
    let failed = tokio::time::timeout(Duration::from_secs(5), world.engine.failed());
    let sentence = failed.await.unwrap();
    assert!(sentence.contains("input/output error"), "{sentence}");
    world.store.fail(None);
    world.gateway.script(|_| accept());
    let before = world.gateway.written().len();
    let answer = world.try_send(to(2..3)).await;
    world.pass(5_000).await;
    assert!(answer.is_ok());
    assert_eq!(world.gateway.written().len(), before, "nothing goes on");
}
