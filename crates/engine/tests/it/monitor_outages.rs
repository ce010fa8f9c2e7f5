//! Monitors over times in which nobody could be heard, paged or read: a store that is away, a machine that sleeps, a clock that
//! was wrong, a restore, a definition of a newer version.

use crate::watched::step;
use crate::world::World;
use carillon_engine::watch::BeatRefusal;
use carillon_model::definition::{Definition, DefinitionKind};
use carillon_model::monitor::{Beat, WatchState};
use carillon_model::timer::TimerKind;
use carillon_ports::clock::Clock as _;
use carillon_ports::store::StoreError;
use carillon_ports::timer::DueAsk;
use serde_json::json;
use std::time::Duration;

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;

/// Ann, who is alerted at once and ten minutes later.
async fn ann(world: &World) {
    world.phone(1, "ann", false).await;
    let steps = ["0s", "10m"].map(|after| step(&["ann"], "alert", after));
    world.ladder("night", json!(steps)).await;
}

/// A job that runs every hour, and is missed five minutes later.
async fn job(world: &World, name: &str) -> Definition {
    let check = json!({"heartbeat": {"period": "1h", "grace": "5m"}});
    let body = json!({"check": check, "ladder": "night"});
    world.monitor_of(name, body).await
}

async fn tell(world: &World, job: &Definition, beat: Beat) -> Result<(), BeatRefusal> {
    let secret = world.engine.heartbeat_secret(job);
    world.engine.beat(&secret, beat).await
}

async fn finish(world: &World, job: &Definition) {
    tell(world, job, Beat::Finish).await.unwrap();
}

fn away() -> Option<StoreError> {
    Some(StoreError::Away("connection refused".into()))
}

#[tokio::test(start_paused = true)]
async fn a_job_that_ran_while_the_store_was_away_is_not_missing() {
    let world = World::new().await;
    ann(&world).await;
    let backup = job(&world, "backup").await;
    finish(&world, &backup).await;
    world.pass(50 * MINUTE).await;
    world.store.fail(away());
    world.pass(10 * MINUTE).await;
    let refused = tell(&world, &backup, Beat::Finish).await;
    assert!(
        matches!(refused, Err(BeatRefusal::Store(StoreError::Away(_)))),
        "{refused:?}"
    );
    world.pass(MINUTE).await;
    // Before the beat of an hour ago is missed.
    world.store.fail(None);
    world.pass(50 * MINUTE).await;
    assert_eq!(world.got(), [], "it is not told again for an hour");
    world.until_got(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_begins_again_right_after_the_store_was_away_has_ended_before() {
    let world = World::new().await;
    ann(&world).await;
    let backup = job(&world, "backup").await;
    tell(&world, &backup, Beat::Start).await.unwrap();
    world.pass(10 * MINUTE).await;
    world.store.fail(away());
    assert!(tell(&world, &backup, Beat::Finish).await.is_err());
    world.store.fail(None);
    // Before that it ended is tried again.
    tell(&world, &backup, Beat::Start).await.unwrap();
    assert_eq!(world.watch(&backup).await.state, WatchState::Ok);
    world.pass(MINUTE).await;
    assert_eq!(world.got(), [], "it did not begin twice");
}

#[tokio::test(start_paused = true)]
async fn after_the_store_was_away_there_is_the_grace_again() {
    let world = World::new().await;
    ann(&world).await;
    let backup = job(&world, "backup").await;
    finish(&world, &backup).await;
    world.pass(30 * MINUTE).await;
    world.store.fail(away());
    world.pass(HOUR).await;
    world.store.fail(None);
    world.pass(4 * MINUTE).await;
    assert_eq!(world.got(), [], "it could not be heard");
    finish(&world, &backup).await;
    world.pass(HOUR).await;
    assert_eq!(world.got(), [], "it is heard of in time");
    world.pass(6 * MINUTE).await;
    assert_eq!(world.got().len(), 1, "silence is a fault all the same");
}

#[tokio::test(start_paused = true)]
async fn after_a_machine_slept_there_is_the_grace_again() {
    for is_monotonic_too in [false, true] {
        let world = World::new().await;
        ann(&world).await;
        let backup = job(&world, "backup").await;
        finish(&world, &backup).await;
        world.pass(30 * MINUTE).await;
        match is_monotonic_too {
            false => world.clock.jump(10 * HOUR as i64),
            true => tokio::time::advance(Duration::from_millis(10 * HOUR)).await,
        }
        world.pass(4 * MINUTE).await;
        assert_eq!(world.got(), [], "it could not be heard");
        finish(&world, &backup).await;
        world.pass(HOUR).await;
        assert_eq!(world.got(), [], "it is heard of in time");
        world.pass(6 * MINUTE).await;
        assert_eq!(world.got().len(), 1, "silence is a fault all the same");
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_ahead_at_the_start_makes_nobody_deaf() {
    let world = World::new().await;
    ann(&world).await;
    let backup = job(&world, "backup").await;
    world.pass(MINUTE).await;
    world.clock.jump(-10 * HOUR as i64);
    finish(&world, &backup).await;
    world.pass(64 * MINUTE).await;
    assert_eq!(world.got(), [], "it is not due yet");
    world.pass(2 * MINUTE).await;
    assert_eq!(world.got().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn after_a_restore_beats_are_heard_and_nobody_is_paged_until_it_goes_on() {
    let world = World::new().await;
    ann(&world).await;
    let failed = job(&world, "failed").await;
    let mended = job(&world, "mended").await;
    for job in [&failed, &mended] {
        let broke = Beat::Fail("the disk is full".into());
        tell(&world, job, broke).await.unwrap();
    }
    world.until_got(2).await;
    world.store.pause_scheduler();
    let world = world.crash_for(30 * MINUTE).await;
    // Its second step is overdue.
    let again = Beat::Fail("the disk is full".into());
    tell(&world, &failed, again).await.unwrap();
    finish(&world, &mended).await;
    let other = job(&world, "other").await;
    let first = Beat::Fail("no network".into());
    tell(&world, &other, first).await.unwrap();
    world.pass(20 * MINUTE).await;
    assert_eq!(world.watch(&other).await.state, WatchState::Firing);
    assert_eq!(world.watch(&mended).await.state, WatchState::Ok);
    assert_eq!(world.got().len(), 2, "nobody is told anything");
    assert!(world.hot.resume_scheduler().await.unwrap());
    let got = world.until_got(4).await;
    let mut of: Vec<_> = got[2..]
        .iter()
        .map(|got| got.incident["monitor"].as_str().unwrap())
        .collect();
    of.sort_unstable();
    assert_eq!(of, ["failed", "other"]);
}

#[tokio::test(start_paused = true)]
async fn a_monitor_that_cannot_be_read_for_a_while_is_tried_on_and_told_once() {
    let world = World::new().await;
    ann(&world).await;
    let backup = job(&world, "backup").await;
    finish(&world, &backup).await;
    // A newer process has stored it, and this one leads.
    let newer = json!({"check": {"dream": {}}, "ladder": "night"});
    world
        .put_plan(DefinitionKind::Monitor, "backup", newer)
        .await;
    world.pass(12 * HOUR).await;
    assert_eq!(world.events("timer.failed").await.len(), 1);
    let ask = DueAsk {
        now: world.clock.now() + HOUR as i64,
        after: None,
        each: 10,
        most: 10,
        most_bytes: u64::MAX,
    };
    let due = world.hot.due_timers(ask).await.unwrap().timers;
    let kinds: Vec<_> = due.iter().map(|timer| timer.kind).collect();
    assert_eq!(kinds, [Some(TimerKind::Watch)]);
    assert!(due[0].attempts > 60, "{}", due[0].attempts);
}
