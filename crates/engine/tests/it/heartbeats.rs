//! Jobs that tell that they ran, and whose silence is the alarm.

use crate::watched::step;
use crate::world::World;
use carillon_engine::watch::BeatRefusal;
use carillon_model::definition::Definition;
use carillon_model::monitor::{Beat, WatchState};
use carillon_ports::store::StoreError;
use serde_json::json;

async fn backup(world: &World) -> Definition {
    world.phone(1, "ann", false).await;
    world
        .ladder("night", json!([step(&["ann"], "alert", "0s")]))
        .await;
    let check = json!({"heartbeat": {"period": "1h", "grace": "5m"}});
    let body = json!({"check": check, "ladder": "night"});
    world.monitor_of("backup", body).await
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_not_heard_of_is_missed_and_its_next_beat_is_the_end_of_it() {
    let world = World::new().await;
    let backup = backup(&world).await;
    let secret = world.engine.heartbeat_secret(&backup);
    world.pass(86_400_000).await;
    assert_eq!(world.got(), [], "before the first beat nothing is due");
    for _ in 0..3 {
        world.engine.beat(&secret, Beat::Finish).await.unwrap();
        world.pass(3_600_000).await;
    }
    assert_eq!(world.got(), [], "it is heard of in time");
    let world = world.crash().await;
    let got = world.until_got(1).await;
    assert!(got[0].text.contains("1h"), "{got:?}");
    assert_eq!(world.watch(&backup).await.state, WatchState::Firing);
    world.engine.beat(&secret, Beat::Finish).await.unwrap();
    let got = world.until_got(2).await;
    assert_eq!(got[1].incident["state"], "resolved");
    let failed = Beat::Fail("disk full".into());
    world.engine.beat(&secret, failed).await.unwrap();
    let got = world.until_got(3).await;
    assert!(got[2].text.contains("disk full"), "{got:?}");
}

#[tokio::test(start_paused = true)]
async fn beats_at_the_same_time_are_written_together_and_each_is_answered() {
    let world = World::new().await;
    let one = backup(&world).await;
    let secret = world.engine.heartbeat_secret(&one);
    let fence = world.watch_fence(&one).await;
    let mut telling = tokio::task::JoinSet::new();
    for _ in 0..500 {
        let (engine, secret) = (world.engine.clone(), secret.clone());
        telling.spawn(async move { engine.beat(&secret, Beat::Finish).await });
    }
    for heard in telling.join_all().await {
        heard.unwrap();
    }
    let watch = world.watch(&one).await;
    assert_eq!(watch.state, WatchState::Ok);
    // Numbers of the fake rise with everything that is written.
    let written = world.watch_fence(&one).await - fence;
    assert!(written < 20, "{written} numbers for 500 beats");
}

#[tokio::test(start_paused = true)]
async fn who_has_another_secret_is_not_heard() {
    let world = World::new().await;
    let one = backup(&world).await;
    let secret = world.engine.heartbeat_secret(&one);
    let unknown = world
        .engine
        .beat("AAAAAAAAAAAAAAAAAAAAAAAAAAAA", Beat::Finish)
        .await;
    assert!(matches!(unknown, Err(BeatRefusal::Unknown)), "{unknown:?}");
    let mut body: serde_json::Value = serde_json::from_str(&one.body).unwrap();
    body["heartbeat_serial"] = 1.into();
    let one = world.monitor_of("backup", body.clone()).await;
    let old = world.engine.beat(&secret, Beat::Finish).await;
    assert!(matches!(old, Err(BeatRefusal::Unknown)), "{old:?}");
    let secret = world.engine.heartbeat_secret(&one);
    world.engine.beat(&secret, Beat::Finish).await.unwrap();
    body["paused"] = true.into();
    world.monitor_of("backup", body).await;
    let paused = world.engine.beat(&secret, Beat::Finish).await;
    assert!(
        matches!(paused, Err(BeatRefusal::NotHeard(_))),
        "{paused:?}"
    );
    // What cannot be written is not answered as heard.
    let mut body: serde_json::Value = serde_json::from_str(&one.body).unwrap();
    body["paused"] = false.into();
    world.monitor_of("backup", body).await;
    world.store.fail(Some(StoreError::Busy));
    let lost = world.engine.beat(&secret, Beat::Finish).await;
    assert!(
        matches!(lost, Err(BeatRefusal::Store(StoreError::Busy))),
        "{lost:?}"
    );
    world.store.fail(None);
    world.engine.beat(&secret, Beat::Finish).await.unwrap();
}
