//! Trouble of a whole pool: work waits, is not burnt, and goes on soon after.

use crate::fake_gateway::{accept, blocked, signing_key};
use crate::world::{World, nobody, to, to_with};
use carillon_engine::{BreakerState, EngineConfig};
use carillon_model::app::AppSettings;
use carillon_model::delivery::FinalState;
use carillon_model::environment::{Environment, TokenEnvironment};
use carillon_model::outcome::TroubleScope;
use carillon_model::push_type::TokenKind;
use carillon_ports::registry::Registry;
use parking_lot::Mutex;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::Instant;

/// A gateway that is in trouble until told otherwise. Counts what it was asked meanwhile.
fn troubled(world: &World, scope: TroubleScope) -> (Arc<AtomicBool>, Arc<Mutex<Vec<Instant>>>) {
    let (is_bad, asked) = (
        Arc::new(AtomicBool::new(true)),
        Arc::new(Mutex::new(Vec::new())),
    );
    let (bad, seen) = (is_bad.clone(), asked.clone());
    world.gateway.script(move |_| {
        if bad.load(Relaxed) {
            seen.lock().push(Instant::now());
            blocked(scope, "InvalidProviderToken", None)
        } else {
            accept()
        }
    });
    (is_bad, asked)
}

#[tokio::test(start_paused = true)]
async fn work_waits_and_one_delivery_at_a_time_probes() {
    let world = World::new().await;
    world.devices(1..301).await;
    let (is_bad, asked) = troubled(&world, TroubleScope::Credential);
    let no = world.to(1..301).await;
    world.pass(10_500).await;
    let first = asked.lock()[0];
    let probes: Vec<_> = asked
        .lock()
        .iter()
        .filter(|at| **at - first > Duration::from_millis(500))
        .copied()
        .collect();
    assert_eq!(probes.len(), 10, "one a second");
    let status = world.engine.status();
    assert_eq!(status.lanes[0].breaker, BreakerState::Open);
    let problem = status.lanes[0].problem.clone().unwrap();
    assert_eq!(
        (&*problem.reason, &*problem.mend),
        ("InvalidProviderToken", "mend it")
    );
    assert!(problem.is_credential);
    is_bad.store(false, Relaxed);
    let fault_ended = Instant::now();
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Accepted, 300)]);
    let last = world.gateway.written().last().unwrap().at;
    assert!(last - fault_ended < Duration::from_millis(1_500));
    let attempts = world.attempts(no, 0).await;
    assert!(
        attempts.iter().all(|attempt| attempt.attempt == 1),
        "no attempt is burnt"
    );
    assert!(attempts.len() <= 1 && attempts.iter().all(|a| a.result == "blocked"));
    assert_eq!(world.events("credential.failing").await.len(), 1);
    assert_eq!(world.events("credential.recovered").await.len(), 1);
    assert_eq!(world.engine.status().lanes[0].breaker, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn new_work_leaves_within_one_probe_interval_after_the_fault() {
    for fault_ms in [2_000, 3_300, 60_000] {
        let world = World::new().await;
        world.devices(1..11).await;
        let (is_bad, _) = troubled(&world, TroubleScope::Gateway);
        world.to(1..10).await;
        world.pass(fault_ms).await;
        is_bad.store(false, Relaxed);
        let ended = Instant::now();
        let no = world.to(10..11).await;
        world.completed(no).await;
        assert!(
            ended.elapsed() <= Duration::from_millis(1_050),
            "{:?}",
            ended.elapsed()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn work_that_comes_to_a_broken_pool_probes_at_once_when_nothing_else_does() {
    let world = World::new().await;
    world.devices(1..3).await;
    let (is_bad, _) = troubled(&world, TroubleScope::Gateway);
    let mut body = to(1..2);
    body["expires_in"] = "2s".into();
    let no = world.send(body).await;
    let view = world.completed(no).await;
    assert_eq!(
        view.states,
        [(FinalState::Expired, 1)],
        "it ends also while it waits"
    );
    world.pass(60_000).await;
    is_bad.store(false, Relaxed);
    let start = Instant::now();
    let no = world.to(2..3).await;
    world.completed(no).await;
    assert!(start.elapsed() < Duration::from_millis(50));
}

#[tokio::test(start_paused = true)]
async fn the_gateways_retry_after_is_respected() {
    let world = World::new().await;
    world.devices(1..2).await;
    let asked = Arc::new(AtomicU32::new(0));
    let seen = asked.clone();
    world.gateway.script(move |_| {
        if seen.fetch_add(1, Relaxed) == 0 {
            blocked(TroubleScope::Gateway, "ServiceUnavailable", Some(7_000))
        } else {
            accept()
        }
    });
    let no = world.to(1..2).await;
    world.pass(6_900).await;
    assert_eq!(asked.load(Relaxed), 1);
    world.completed(no).await;
    assert_eq!(asked.load(Relaxed), 2);
    assert!(
        world.events("credential.failing").await.is_empty(),
        "time mends it"
    );
}

#[tokio::test(start_paused = true)]
async fn one_apps_trouble_stops_no_other() {
    let world = World::new().await;
    world.devices(1..1001).await;
    let other = world.app("other", AppSettings::default()).await;
    let good = world
        .credential(other, "key", signing_key(&Environment::ALL))
        .await;
    world
        .devices_of(other, 1..11, TokenKind::Alert, TokenEnvironment::Production)
        .await;
    world.gateway.script(move |w| {
        if w.pool.credential == good {
            accept()
        } else {
            blocked(TroubleScope::Credential, "InvalidProviderToken", None)
        }
    });
    for _ in 0..30 {
        world.to(1..1001).await;
    }
    world.pass(5_000).await;
    let status = world.engine.status();
    let held: u64 = status.lanes.iter().map(|lane| lane.queued).sum();
    assert!(
        held <= 1_000,
        "a lane that cannot send holds little: {held}"
    );
    for n in 1..11 {
        let start = Instant::now();
        let sent = world.try_send_to(other, to(n..n + 1), None).await.unwrap();
        world.completed_of(other, sent.no).await;
        assert!(
            start.elapsed() < Duration::from_millis(20),
            "{:?}",
            start.elapsed()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_outage_of_a_large_backlog_ends_well() {
    let config = EngineConfig {
        lane_min_deliveries: 500,
        ..EngineConfig::default()
    };
    let world = World::with(config).await;
    world.devices(1..201).await;
    let (is_bad, _) = troubled(&world, TroubleScope::Gateway);
    let mut sent = Vec::new();
    for n in 1..201 {
        sent.push(world.to(n..n + 1).await);
        sent.push(
            world
                .send(to_with(n..n + 1, json!({ "on_unknown": "drop" })))
                .await,
        );
    }
    world.pass(600_000).await;
    is_bad.store(false, Relaxed);
    let ended = Instant::now();
    for no in sent {
        let view = world.completed(no).await;
        assert_eq!(view.states, [(FinalState::Accepted, 1)]);
    }
    assert!(
        ended.elapsed() < Duration::from_secs(3),
        "{:?}",
        ended.elapsed()
    );
    assert_eq!(world.gateway.written().len(), 400);
}

#[tokio::test(start_paused = true)]
async fn what_waits_behind_trouble_is_not_lost_in_a_crash_nor_taken_for_written() {
    let world = World::new().await;
    world.devices(1..101).await;
    let (is_bad, _) = troubled(&world, TroubleScope::Gateway);
    let no = world
        .send(to_with(1..101, json!({ "on_unknown": "drop" })))
        .await;
    world.pass(10_000).await;
    let world = world.crash().await;
    is_bad.store(false, Relaxed);
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Accepted, 100)]);
}

#[tokio::test(start_paused = true)]
async fn work_without_a_credential_waits_for_one() {
    let world = World::new().await;
    let other = world.app("other", AppSettings::default()).await;
    world
        .devices_of(other, 1..3, TokenKind::Alert, TokenEnvironment::Production)
        .await;
    world
        .devices_of(other, 3..5, TokenKind::Alert, TokenEnvironment::Auto)
        .await;
    let sent = world.try_send_to(other, to(1..5), None).await.unwrap();
    world.pass(30_000).await;
    let status = world.engine.status();
    let lane = status
        .lanes
        .iter()
        .find(|lane| lane.lane.app == other)
        .unwrap();
    assert_eq!(lane.problem.as_ref().unwrap().reason, "no_credential");
    world
        .credential(other, "key", signing_key(&Environment::ALL))
        .await;
    let start = Instant::now();
    let view = world.completed_of(other, sent.no).await;
    assert_eq!(view.states, [(FinalState::Accepted, 4)]);
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_changed_credential_is_used_at_once_and_the_old_pool_drained() {
    let world = World::new().await;
    world.devices(1..11).await;
    let (is_bad, _) = troubled(&world, TroubleScope::Credential);
    let no = world.to(1..11).await;
    world.pass(5_100).await;
    is_bad.store(false, Relaxed);
    world
        .credential(world.app, "key", signing_key(&Environment::ALL))
        .await;
    let start = Instant::now();
    world.completed(no).await;
    assert!(
        start.elapsed() < Duration::from_millis(100),
        "the breaker is armed anew"
    );
    let versions: Vec<_> = world.gateway.opened().iter().map(|id| id.version).collect();
    assert_eq!(versions, [1, 2]);
    assert_eq!(world.gateway.closed()[0].version, 1);
    assert!(world.gateway.written().iter().all(|w| w.pool.version == 2));
    assert_eq!(world.events("credential.recovered").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_credential_gives_its_work_to_another() {
    let world = World::new().await;
    world.devices(1..11).await;
    troubled(&world, TroubleScope::Credential);
    let no = world.to(1..11).await;
    world.pass(3_000).await;
    let second = world
        .credential(world.app, "second", signing_key(&Environment::ALL))
        .await;
    world.gateway.script(|_| accept());
    world
        .store
        .delete_credential(world.app, "key".into(), 1, nobody())
        .await
        .unwrap();
    world.engine.refresh().await.unwrap();
    world.completed(no).await;
    assert!(
        world
            .gateway
            .written()
            .iter()
            .all(|w| w.pool.credential == second)
    );
}
