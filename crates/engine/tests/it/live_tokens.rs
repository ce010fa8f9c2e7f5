//! Update tokens of Live Activities whose environment nobody said.

use crate::fake_gateway::{accept, rejected};
use crate::world::{T0, World};
use carillon_engine::live_activity::{OpenActivity, ToldToken};
use carillon_model::environment::{Environment, TokenEnvironment};
use carillon_model::outcome::TokenFate;
use carillon_ports::live_activity::LiveActivityStore as _;
use carillon_ports::registry::Registry as _;
use serde_json::json;

/// Tells the phone's update token, lets the timeline go on for five minutes, and says whether the token counts as dead.
async fn dies(refused_in: &'static [Environment]) -> bool {
    let world = World::new().await;
    world.devices(1..2).await;
    world.gateway.script(
        move |push| match refused_in.contains(&push.pool.environment) {
            true => rejected(TokenFate::WrongEnvironment, 400, "BadDeviceToken"),
            false => accept(),
        },
    );
    let ending = jiff::Timestamp::from_millisecond(T0 + 60_000).unwrap();
    let plan = json!({
        "recipient": {"device": "d1"}, "attributes_type": "Lesson", "start": "app",
        "content_state": {"status": "active"},
        "phases": [{"name": "ending", "at": ending.to_string(), "content_state": {"status": "ending"}}],
    });
    let plan = serde_json::from_value(plan).unwrap();
    let put = world.engine.put_live_activity(world.app, "l", plan);
    put.await.unwrap().unwrap();
    let device = world.store.device(world.app, "d1".into()).await;
    let told = ToldToken {
        push_token: "11".repeat(32),
        environment: TokenEnvironment::Auto,
        fcm_token: None,
        attributes_type: "Lesson".into(),
        content_state: Some(json!({"status": "active"})),
        attributes: None,
        frequent_pushes: None,
    };
    let device = device.unwrap().unwrap();
    let tell = world
        .engine
        .tell_update_token(world.app, "l", &device, &told);
    tell.await.unwrap().unwrap();
    world.pass(300_000).await;
    let stored = world.store.live_activity(world.app, "l".into()).await;
    let open = OpenActivity::read(&stored.unwrap().unwrap()).unwrap();
    open.run.phones[&device.no.0].is_dead
}

#[tokio::test(start_paused = true)]
async fn one_that_neither_environment_knows_is_dead() {
    assert!(dies(&Environment::ALL).await);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_known_in_one_of_them_is_not() {
    assert!(!dies(&[Environment::Production]).await);
}
