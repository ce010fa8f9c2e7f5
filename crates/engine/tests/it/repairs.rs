//! Environments: found out, and floods of refusals.

use crate::fake_gateway::{accept, rejected, retry, signing_key};
use crate::world::World;
use carillon_engine::EngineConfig;
use carillon_model::app::AppSettings;
use carillon_model::delivery::FinalState;
use carillon_model::environment::{Environment, TokenEnvironment};
use carillon_model::outcome::TokenFate;
use carillon_model::push_type::TokenKind;
use serde_json::json;
use std::time::Duration;

fn bad_device_token() -> crate::fake_gateway::Reply {
    rejected(TokenFate::WrongEnvironment, 400, "BadDeviceToken")
}

#[tokio::test(start_paused = true)]
async fn an_unknown_environment_is_found_out_and_remembered() {
    let world = World::new().await;
    let devices = world
        .devices_of(world.app, 1..5, TokenKind::Alert, TokenEnvironment::Auto)
        .await;
    // Even ones live in the sandbox.
    world.gateway.script(|w| {
        let is_sandbox = w.push_token[7] % 2 == 0;
        if is_sandbox == (w.pool.environment == Environment::Sandbox) {
            accept()
        } else {
            bad_device_token()
        }
    });
    let no = world.to(1..5).await;
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Accepted, 4)]);
    assert!(world.gateway.written().iter().all(|w| w.pool.probing));
    assert_eq!(world.gateway.written().len(), 6, "production first");
    let told = world.attempts(no, 1).await;
    let results: Vec<_> = told.iter().map(|a| (&*a.result, a.environment)).collect();
    assert_eq!(
        results,
        [
            ("rejected", Some(Environment::Production)),
            ("accepted", Some(Environment::Sandbox))
        ]
    );
    let mut found = Vec::new();
    for device in devices {
        found.push(world.push_token(device).await.environment);
    }
    use TokenEnvironment::{Production, Sandbox};
    assert_eq!(found, [Production, Sandbox, Production, Sandbox]);
    let events = world.events("environment.repaired").await;
    let told: String = events.iter().map(|event| event.data.as_str()).collect();
    assert_eq!(told.matches("dlv_").count(), 4);

    let again = world.to(1..5).await;
    world.completed(again).await;
    let written = &world.gateway.written()[6..];
    assert!(
        written.iter().all(|w| !w.pool.probing),
        "now on the ordinary pools"
    );
    assert_eq!(written.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn refused_by_both_is_rejected_and_proves_nothing() {
    let world = World::new().await;
    let device = world
        .devices_of(world.app, 1..2, TokenKind::Alert, TokenEnvironment::Auto)
        .await[0];
    world.gateway.script(|_| bad_device_token());
    let no = world.to(1..2).await;
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Rejected, 1)]);
    assert_eq!(world.gateway.written().len(), 2);
    world.pass(60_000).await;
    assert_eq!(
        world.push_token(device).await.environment,
        TokenEnvironment::Auto
    );
    assert_eq!(world.push_token(device).await.retired_at, None);
}

#[tokio::test(start_paused = true)]
async fn only_environments_with_a_credential_are_tried() {
    let world = World::new().await;
    let other = world.app("other", AppSettings::default()).await;
    world
        .credential(other, "key", signing_key(&[Environment::Sandbox]))
        .await;
    world
        .devices_of(other, 1..2, TokenKind::Alert, TokenEnvironment::Auto)
        .await;
    world.gateway.script(|_| bad_device_token());
    let sent = world
        .try_send_to(other, crate::world::to(1..2), None)
        .await
        .unwrap();
    let view = world.completed_of(other, sent.no).await;
    assert_eq!(view.states, [(FinalState::Rejected, 1)]);
    let written = world.gateway.written();
    assert_eq!(
        (written.len(), written[0].pool.environment),
        (1, Environment::Sandbox)
    );
}

#[tokio::test(start_paused = true)]
async fn probing_is_limited() {
    let config = EngineConfig {
        probing_per_second: 50,
        ..EngineConfig::default()
    };
    let world = World::with(config).await;
    world
        .devices_of(world.app, 1..301, TokenKind::Alert, TokenEnvironment::Auto)
        .await;
    let start = tokio::time::Instant::now();
    let no = world.to(1..301).await;
    world.completed(no).await;
    let took = start.elapsed();
    assert!(
        took >= Duration::from_millis(5_500) && took < Duration::from_secs(8),
        "{took:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_whose_environment_was_found_meanwhile_goes_there() {
    let world = World::new().await;
    let device = world
        .devices_of(world.app, 1..2, TokenKind::Alert, TokenEnvironment::Auto)
        .await[0];
    world
        .gateway
        .script(|w| if w.before == 0 { retry() } else { accept() });
    let no = world.to(1..2).await;
    world.pass(100).await;
    let generation = world.push_token(device).await.generation;
    use carillon_ports::store::{EnvironmentRepair, Settlement};
    let repair = EnvironmentRepair {
        device,
        kind: TokenKind::Alert,
        generation,
        environment: Environment::Sandbox,
    };
    let settlement = Settlement {
        repairs: vec![repair],
        now: 1,
        ..Settlement::default()
    };
    world.hot.settle(settlement).await.unwrap();
    world.completed(no).await;
    let written = world.gateway.written();
    assert!(written[0].pool.probing && !written[1].pool.probing);
    assert_eq!(written[1].pool.environment, Environment::Sandbox);
}

#[tokio::test(start_paused = true)]
async fn a_few_bad_push_tokens_are_retired_after_the_window() {
    let world = World::new().await;
    let devices = world.devices(1..4).await;
    world.gateway.script(|_| bad_device_token());
    let no = world.to(1..4).await;
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Rejected, 3)]);
    assert_eq!(
        world.push_token(devices[0]).await.retired_at,
        None,
        "a suspect as yet"
    );
    world.pass(12_000).await;
    for device in devices {
        assert!(world.push_token(device).await.retired_at.is_some());
    }
    assert!(world.events("environment.flood").await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_bad_push_tokens_retires_nothing_and_raises_one_alarm() {
    let world = World::new().await;
    let devices = world.devices(1..501).await;
    world.gateway.script(|_| bad_device_token());
    let no = world.to(1..501).await;
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Rejected, 500)]);
    world.pass(60_000).await;
    for device in devices {
        assert_eq!(world.push_token(device).await.retired_at, None);
    }
    let events = world.events("environment.flood").await;
    assert_eq!(events.len(), 1);
    let data: serde_json::Value = serde_json::from_str(&events[0].data).unwrap();
    assert_eq!(data["environment"], json!("production"));
}
