//! Stopping: nothing cut, the rest given back, no attempt charged.

use crate::fake_gateway::{accept, outcome};
use crate::world::{World, to_with};
use carillon_model::delivery::FinalState;
use carillon_model::outcome::{Outcome, Verdict};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn what_is_in_flight_finishes_and_the_rest_is_given_back() {
    let world = World::new().await;
    world.devices(1..101).await;
    world.gateway.window(20);
    // Ten answers come; ten wait unwritten in the pool.
    world.gateway.script(|w| {
        if w.push_token[7] <= 10 {
            vec![(300, Outcome::accepted(1, 300_000))]
        } else {
            Vec::new()
        }
    });
    let no = world
        .send(to_with(1..101, json!({ "on_unknown": "drop" })))
        .await;
    world.pass(100).await;
    let start = Instant::now();
    let report = world.engine.stop(Duration::from_secs(20)).await;
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(report.given_back, 90);
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "it does not wait for nothing"
    );
    assert_eq!(world.view(no).await.states, [(FinalState::Accepted, 10)]);
    assert!(world.attempts(no, 50).await.is_empty());
    let waiting = world.hot.waiting_lanes().await.unwrap();
    assert_eq!(waiting.len(), 1, "due for the next start");

    world.gateway.script(|_| accept());
    let world = world.crash().await;
    let view = world.completed(no).await;
    assert_eq!(
        view.states,
        [(FinalState::Accepted, 100)],
        "not one unknown"
    );
    assert_eq!(world.gateway.written().len(), 100);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_kept_and_what_is_unanswered_is_in_doubt_afterwards() {
    let world = World::new().await;
    world.devices(1..11).await;
    world.gateway.script(|w| {
        if w.before == 0 {
            vec![(60_000, outcome(Verdict::Accepted, 200, ""))]
        } else {
            accept()
        }
    });
    let no = world.to(1..11).await;
    world.pass(100).await;
    let start = Instant::now();
    let report = world.engine.stop(Duration::from_secs(5)).await;
    assert!(start.elapsed() <= Duration::from_secs(5));
    assert_eq!((report.unanswered, report.is_clean()), (10, false));
    let world = world.crash().await;
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Accepted, 10)]);
    assert_eq!(world.attempts(no, 0).await[0].result, "rescued_in_doubt");
}

#[tokio::test(start_paused = true)]
async fn what_comes_while_stopping_waits_for_the_next_start() {
    let world = World::new().await;
    world.devices(1..3).await;
    world.engine.stop(Duration::from_secs(5)).await;
    let no = world.to(1..3).await;
    world.pass(10_000).await;
    assert!(world.gateway.written().is_empty());
    let world = world.crash().await;
    assert_eq!(
        world.completed(no).await.states,
        [(FinalState::Accepted, 2)]
    );
}

#[tokio::test(start_paused = true)]
async fn retries_and_progress_survive_a_stop() {
    let world = World::new().await;
    world.devices(1..501).await;
    world.gateway.window(200);
    world.gateway.script(|w| {
        let mut answer = match w.push_token[7] % 3 {
            0 if w.before == 0 => crate::fake_gateway::retry(),
            _ => accept(),
        };
        answer[0].0 = 100;
        answer
    });
    let no = world.to(1..501).await;
    world.pass(150).await;
    let report = world.engine.stop(Duration::from_secs(20)).await;
    assert!(report.is_clean(), "{report:?}");
    let world = world.crash().await;
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Accepted, 500)]);
    let mut per_delivery = std::collections::HashMap::new();
    for written in world.gateway.written() {
        *per_delivery.entry(written.gateway_id).or_insert(0) += 1;
    }
    assert!(per_delivery.values().all(|count| *count <= 2));
    let again = per_delivery.values().filter(|count| **count == 2).count();
    let expected = (1..501u64).filter(|n| n.to_be_bytes()[7] % 3 == 0).count();
    assert_eq!(again, expected, "only what was refused is sent twice");
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_a_part_that_holds_work_is_told() {
    let world = World::new().await;
    world.devices(1..2).await;
    world.gateway.script(|_| panic!("a bug in the adapter"));
    world.to(1..2).await;
    let failed = tokio::time::timeout(Duration::from_secs(5), world.engine.failed());
    assert_eq!(failed.await.unwrap(), "dispatch panicked");
    world.gateway.script(|_| accept());
    world.crash().await;
}

/// On the engine's own thread and in real time: only that it works.
#[tokio::test]
async fn it_runs_on_a_thread_of_its_own() {
    let world = World::threaded().await;
    world.devices(1..101).await;
    let no = world.to(1..101).await;
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Accepted, 100)]);
    let report = world.engine.stop(Duration::from_secs(5)).await;
    assert!(report.is_clean());
}
