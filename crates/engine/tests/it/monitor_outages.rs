//! Monitors over times in which nobody could be heard, paged or read: a store that is away, a machine that sleeps, a clock that
//! was wrong, a restore, a definition of a newer version.

use crate::watched::{SHOP, step};
use crate::world::{World, nobody};
use carillon_engine::watch::BeatRefusal;
use carillon_model::definition::{Definition, DefinitionKind};
use carillon_model::monitor::{Beat, Hold, WatchState};
use carillon_model::timer::TimerKind;
use carillon_ports::clock::Clock as _;
use carillon_ports::registry::Registry as _;
use carillon_ports::store::StoreError;
use carillon_ports::timer::DueAsk;
use carillon_ports::watch::{WatchClaim, WatchStep};
use serde_json::json;
use std::time::Duration;
use tokio::task::JoinHandle;

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

/// The same, in a task.
fn telling(world: &World, job: &Definition, beat: Beat) -> JoinHandle<Result<(), BeatRefusal>> {
    let (engine, secret) = (world.engine.clone(), world.engine.heartbeat_secret(job));
    tokio::spawn(async move { engine.beat(&secret, beat).await })
}

fn away() -> Option<StoreError> {
    Some(StoreError::Away("connection refused".into()))
}

/// It begins once more, and that is no second beginning of a run that has not ended.
async fn begins_anew(world: &World, job: &Definition) {
    tell(world, job, Beat::Start).await.unwrap();
    assert_eq!(world.watch(job).await.state, WatchState::Ok);
    world.pass(MINUTE).await;
    assert_eq!(world.got(), [], "it did not begin twice");
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
    begins_anew(&world, &backup).await;
}

#[tokio::test(start_paused = true)]
async fn of_more_jobs_than_are_written_at_once_every_end_is_remembered() {
    let world = World::new().await;
    ann(&world).await;
    let (kind, now) = (DefinitionKind::Monitor, world.clock.now());
    let body = json!({"check": {"heartbeat": {"period": "1h", "grace": "5m"}}});
    let mut others = Vec::new();
    for n in 0..1_050 {
        let (name, body) = (format!("job{n}"), body.to_string());
        let no = world.store.definition_no(world.app, kind, name.clone());
        let no = no.await.unwrap();
        let put = world
            .store
            .put_definition(no, world.app, kind, name, body, None, now, nobody());
        others.push(put.await.unwrap());
    }
    // Its number is the highest.
    let backup = job(&world, "backup").await;
    tell(&world, &backup, Beat::Start).await.unwrap();
    world.pass(10 * MINUTE).await;
    world.store.fail(away());
    let all = others.iter().chain([&backup]);
    let all: Vec<_> = all.map(|job| telling(&world, job, Beat::Finish)).collect();
    for one in all {
        assert!(one.await.unwrap().is_err());
    }
    world.store.fail(None);
    begins_anew(&world, &backup).await;
    let watches = world.engine.watched(&others).await.unwrap();
    let well = watches.iter().filter(|one| one.state == WatchState::Ok);
    assert_eq!(well.count(), others.len());
}

#[tokio::test(start_paused = true)]
async fn an_end_that_came_while_others_wrote_is_remembered() {
    let world = World::new().await;
    ann(&world).await;
    let backup = job(&world, "backup").await;
    tell(&world, &backup, Beat::Start).await.unwrap();
    world.pass(10 * MINUTE).await;
    // As by a process that knows a newer definition, which this one cannot know yet.
    written_by(&world, &backup, backup.version + 1).await;
    let lost = tell(&world, &backup, Beat::Finish).await;
    assert!(
        matches!(lost, Err(BeatRefusal::Store(StoreError::Busy))),
        "{lost:?}"
    );
    world.pass(MINUTE).await;
    written_by(&world, &backup, backup.version).await;
    begins_anew(&world, &backup).await;
}

/// Its record is as it was, but for the version of the definition that it was written by.
async fn written_by(world: &World, monitor: &Definition, version: u32) {
    let stored = world.hot.watches(vec![monitor.no]).await.unwrap();
    let stored = stored.into_iter().flatten().flatten().next().unwrap();
    let step = WatchStep {
        monitor: monitor.no,
        app: world.app,
        claim: WatchClaim::Known(stored.fence),
        state: stored.state,
        record: stored.record,
        version,
        check_at: None,
        look_at: None,
        entries: Vec::new(),
        events: Vec::new(),
        rings: Vec::new(),
        pages: Vec::new(),
        now: world.clock.now(),
    };
    assert_eq!(world.hot.step_watches(vec![step]).await.unwrap(), [true]);
}

#[tokio::test(start_paused = true)]
async fn one_that_cannot_be_written_makes_no_other_end_forgotten() {
    let world = World::new().await;
    ann(&world).await;
    let (backup, spoilt) = (job(&world, "backup").await, job(&world, "spoilt").await);
    for job in [&backup, &spoilt] {
        tell(&world, job, Beat::Start).await.unwrap();
    }
    world.pass(10 * MINUTE).await;
    world.store.fail(away());
    for job in [&backup, &spoilt] {
        assert!(tell(&world, job, Beat::Finish).await.is_err());
    }
    world.store.fail_monitor(Some(spoilt.no));
    world.store.fail(None);
    world.pass(MINUTE).await;
    world.store.fail_monitor(None);
    begins_anew(&world, &backup).await;
}

#[tokio::test(start_paused = true)]
async fn an_end_for_which_there_was_no_room_is_remembered_in_its_place() {
    let world = World::new().await;
    ann(&world).await;
    let (backup, busy) = (job(&world, "backup").await, job(&world, "busy").await);
    // Its beginning waits while its end finds no room.
    let started = telling(&world, &backup, Beat::Start);
    let others: Vec<_> = (0..5_000)
        .map(|_| telling(&world, &busy, Beat::Finish))
        .collect();
    let ended = telling(&world, &backup, Beat::Finish).await.unwrap();
    assert!(
        matches!(ended, Err(BeatRefusal::Store(StoreError::Overloaded))),
        "{ended:?}"
    );
    started.await.unwrap().unwrap();
    for other in others {
        // Some found room.
        drop(other.await.unwrap());
    }
    world.pass(10 * MINUTE).await;
    begins_anew(&world, &backup).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_store_refused_that_somebody_else_held_is_not_missing() {
    for beat in [Beat::Start, Beat::Finish] {
        told_while_somebody_held_the_store(&World::new().await, beat).await;
    }
}

#[tokio::test(start_paused = true)]
async fn nor_is_it_where_another_process_leads_the_timers() {
    let api = World::shared("api").await;
    let _other = api.another("scheduler,worker,sender").await;
    told_while_somebody_held_the_store(&api, Beat::Start).await;
}

async fn told_while_somebody_held_the_store(world: &World, beat: Beat) {
    ann(world).await;
    let backup = job(world, "backup").await;
    finish(world, &backup).await;
    world.pass(58 * MINUTE).await;
    world.store.fail(Some(StoreError::Busy));
    world.pass(2 * MINUTE).await;
    let refused = tell(world, &backup, beat).await;
    assert!(
        matches!(refused, Err(BeatRefusal::Store(StoreError::Busy))),
        "{refused:?}"
    );
    // Until long after it was due.
    world.pass(18 * MINUTE).await;
    world.store.fail(None);
    world.pass(4 * MINUTE).await;
    assert_eq!(world.got(), [], "it could not be heard");
    world.until_got(1).await;
}

#[tokio::test(start_paused = true)]
async fn one_beat_that_was_refused_makes_nobody_patient() {
    let world = World::new().await;
    ann(&world).await;
    let (backup, other) = (job(&world, "backup").await, job(&world, "other").await);
    finish(&world, &backup).await;
    world.pass(64 * MINUTE).await;
    world.store.fail(Some(StoreError::Busy));
    let refused = tell(&world, &other, Beat::Finish).await;
    assert!(
        matches!(refused, Err(BeatRefusal::Store(StoreError::Busy))),
        "{refused:?}"
    );
    world.store.fail(None);
    world.pass(2 * MINUTE).await;
    assert_eq!(world.got().len(), 1, "it is missing all the same");
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_end_was_refused_for_a_moment_is_not_missing() {
    let world = World::new().await;
    ann(&world).await;
    let backup = job(&world, "backup").await;
    finish(&world, &backup).await;
    world.pass(65 * MINUTE - 4_000).await;
    world.store.fail(Some(StoreError::Busy));
    let refused = tell(&world, &backup, Beat::Finish).await;
    assert!(refused.is_err(), "{refused:?}");
    // It is due meanwhile, and looked at before what was refused is tried again.
    world.pass(4_500).await;
    world.store.fail(None);
    world.pass(10 * MINUTE).await;
    assert_eq!(world.got(), [], "it ran");
}

#[tokio::test(start_paused = true)]
async fn more_beats_than_can_wait_make_nobody_patient_again_and_again() {
    let world = World::new().await;
    ann(&world).await;
    let (backup, busy) = (job(&world, "backup").await, job(&world, "busy").await);
    finish(&world, &backup).await;
    world.pass(64 * MINUTE).await;
    for _ in 0..2 {
        let all: Vec<_> = (0..5_000)
            .map(|_| telling(&world, &busy, Beat::Finish))
            .collect();
        let mut refused = 0;
        for one in all {
            refused += usize::from(one.await.unwrap().is_err());
        }
        assert!(refused > 0, "there is no room for all");
        world.pass(12_000).await;
    }
    world.pass(2 * MINUTE).await;
    assert_eq!(world.got().len(), 1, "it is missing all the same");
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
async fn a_clock_that_is_set_back_stops_neither_checks_nor_a_ladder() {
    const OTHER: &str = "other.example:443";
    for is_restarted in [false, true] {
        let world = World::new().await;
        ann(&world).await;
        let with = json!({"ladder": "night"});
        let shop = world.monitor("shop", SHOP, with).await;
        let other = world.monitor("other", OTHER, json!({})).await;
        for monitor in [&shop, &other] {
            world.until_state(monitor, WatchState::Ok).await;
        }
        world.checker.break_down(SHOP);
        world.until_got(1).await;
        world.pass(MINUTE).await;
        world.clock.jump(-9 * HOUR as i64);
        let world = match is_restarted {
            false => world,
            true => world.crash().await,
        };
        for place in [SHOP, OTHER] {
            let asked = world.checker.asked(place).len();
            world.pass(MINUTE).await;
            let more = world.checker.asked(place).len() - asked;
            assert!(more >= 4, "{place} was asked {more} times in a minute");
        }
        let got = world.until_got(2).await;
        assert!(got[1].at < 12 * MINUTE, "{got:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn whenever_a_clock_is_set_back_checks_go_on() {
    let world = World::new().await;
    let shop = world.monitor("shop", SHOP, json!({})).await;
    world.until_state(&shop, WatchState::Ok).await;
    // Before and after what is up is written, and before and after records are looked at.
    for secs in 0..12 {
        world.pass(MINUTE + secs * 1_000 + 300).await;
        let asked = world.checker.asked(SHOP).len();
        world.clock.jump(-9 * HOUR as i64);
        world.pass(20_000).await;
        let more = world.checker.asked(SHOP).len() - asked;
        assert!(more > 0, "after {secs} s it was not checked");
    }
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

#[tokio::test(start_paused = true)]
async fn one_that_cannot_be_read_holds_those_that_it_held() {
    const ROUTER: &str = "router.example:1";
    let world = World::new().await;
    ann(&world).await;
    let router = world.monitor("router", ROUTER, json!({})).await;
    let with = json!({"ladder": "night", "depends_on": ["router"]});
    let shop = world.monitor("shop", SHOP, with).await;
    for monitor in [&router, &shop] {
        world.until_state(monitor, WatchState::Ok).await;
    }
    for place in [ROUTER, SHOP] {
        world.checker.break_down(place);
    }
    world.until_state(&router, WatchState::Firing).await;
    world.pass(MINUTE).await;
    let held = Some(Hold::Dependency("router".into()));
    assert_eq!(world.watch(&shop).await.hold, held);
    // As by a newer process.
    world.store.spoil_watch(router.no, true);
    world.pass(10 * MINUTE).await;
    assert_eq!(world.watch(&shop).await.hold, held);
    assert_eq!(world.got(), [], "it is behind the router");
    world.store.spoil_watch(router.no, false);
    world.checker.mend(ROUTER);
    assert_eq!(world.until_got(1).await[0].incident["monitor"], "shop");
}

#[tokio::test(start_paused = true)]
async fn however_many_cannot_be_read_the_others_are_checked() {
    let world = World::new().await;
    let (kind, now) = (DefinitionKind::Monitor, world.clock.now());
    let mut steps = Vec::new();
    // More than are read at once.
    for n in 0..2_050 {
        let (name, body) = (format!("spoilt{n}"), "{}".to_owned());
        let no = world.store.definition_no(world.app, kind, name.clone());
        let no = no.await.unwrap();
        let put = world
            .store
            .put_definition(no, world.app, kind, name, body, None, now, nobody());
        put.await.unwrap();
        steps.push(WatchStep {
            monitor: no,
            app: world.app,
            claim: WatchClaim::New,
            state: WatchState::Ok,
            record: "{}".into(),
            version: 1,
            check_at: Some(now),
            look_at: None,
            entries: Vec::new(),
            events: Vec::new(),
            rings: Vec::new(),
            pages: Vec::new(),
            now,
        });
        world.store.spoil_watch(no, true);
    }
    let written = world.hot.step_watches(steps).await.unwrap();
    assert!(written.into_iter().all(|is_written| is_written));
    world.monitor("shop", SHOP, json!({})).await;
    world.pass(30_000).await;
    assert!(!world.checker.asked(SHOP).is_empty());
}
