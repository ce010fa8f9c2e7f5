//! The straight way: accepted, sent, settled.

use crate::fake_gateway::accept;
use crate::world::{World, address, nobody, to, to_with};
use carillon_model::delivery::{FinalState, Suppression};
use carillon_model::environment::{Environment, TokenEnvironment};
use carillon_model::id::DeliveryId;
use carillon_model::push_type::TokenKind;
use carillon_ports::registry::Registry;
use serde_json::json;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn one_push_goes_out_and_is_settled() {
    let world = World::new().await;
    world.devices(1..2).await;
    let accepted = world.try_send(to(1..2)).await.unwrap();
    assert_eq!(accepted.deliveries, Some(1));
    assert!(accepted.id.starts_with("ntf_") && !accepted.repeated);
    let view = world.completed(accepted.no).await;
    assert_eq!(view.states, [(FinalState::Accepted, 1)]);
    let written = world.gateway.written();
    assert_eq!(written.len(), 1);
    assert_eq!(written[0].push_token, address(1).0);
    assert_eq!(&written[0].payload[..], b"hello");
    assert_eq!(written[0].pool.environment, Environment::Production);
    let id = DeliveryId {
        batch: accepted.no.batch(0),
        position: 0,
    };
    assert_eq!(
        written[0].gateway_id,
        id.gateway_id(world.hot.installation_seed())
    );
    assert!(
        world.attempts(accepted.no, 0).await.is_empty(),
        "a plain first-time success leaves no attempt"
    );
    assert_eq!(world.counted().await, [(FinalState::Accepted, 1)]);
    let completed = world.events("notification.completed").await;
    assert_eq!(completed.len(), 1);
    assert!(completed[0].data.contains(&accepted.id));
}

#[tokio::test(start_paused = true)]
async fn a_thousand_devices_are_one_batch_and_each_gets_one() {
    let world = World::new().await;
    world.devices(1..1001).await;
    let no = world.to(1..1001).await;
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Accepted, 1_000)]);
    let mut tokens: Vec<_> = world
        .gateway
        .written()
        .iter()
        .map(|w| w.push_token.clone())
        .collect();
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 1_000);
}

#[tokio::test(start_paused = true)]
async fn what_a_crash_makes_it_send_again_is_counted_once() {
    let world = World::new().await;
    world.devices(1..102).await;
    // Ten of a batch are answered, which only the memory knows while the others are awaited.
    world.gateway.script(|written| {
        let is_early = (1..11).any(|number| written.push_token == address(number).0);
        let is_other = written.push_token == address(101).0;
        let after_ms = if is_early || is_other { 0 } else { 60_000 };
        vec![(after_ms, carillon_model::outcome::Outcome::accepted(1, 1))]
    });
    let crowd = world.to(1..101).await;
    let within = Duration::from_secs(1);
    world
        .until(within, async || world.gateway.written().len() == 100)
        .await;
    // Another's outcome is settled meanwhile.
    let other = world.to(101..102).await;
    world.completed(other).await;
    assert_eq!(world.view(crowd).await.open, 100, "not on disk yet");
    let world = world.crash().await;
    world.gateway.script(|_| accept());
    let view = world.completed(crowd).await;
    assert_eq!(view.states, [(FinalState::Accepted, 100)]);
    assert_eq!(world.counted().await, [(FinalState::Accepted, 101)]);
}

#[tokio::test(start_paused = true)]
async fn the_push_token_is_read_when_it_is_sent() {
    let world = World::new().await;
    let devices = world.devices(1..5).await;
    world.gateway.window(1);
    // The first holds the only place while the others' fate changes.
    world
        .gateway
        .script(|_| vec![(500, carillon_model::outcome::Outcome::accepted(1, 1))]);
    let no = world.to(1..5).await;
    world.pass(100).await;
    world
        .store
        .delete_device(world.app, "d2".into(), 0, nobody())
        .await
        .unwrap();
    world
        .hot
        .settle(carillon_ports::store::Settlement {
            retirements: vec![carillon_ports::store::Retirement {
                app: world.app,
                delivery: carillon_model::id::DeliveryId {
                    batch: no.batch(0),
                    position: 2,
                },
                device: devices[2],
                kind: TokenKind::Alert,
                generation: world.push_token(devices[2]).await.generation,
                since: None,
                reason: "Unregistered".into(),
            }],
            now: 1,
            ..Default::default()
        })
        .await
        .unwrap();
    let view = world.completed(no).await;
    assert_eq!(
        view.states,
        [
            (FinalState::Accepted, 2),
            (FinalState::Suppressed(Suppression::DeviceGone), 1),
            (FinalState::Suppressed(Suppression::PushTokenRetired), 1),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_device_without_the_kind_of_push_token_is_suppressed() {
    let world = World::new().await;
    world.devices(1..2).await;
    let no = world
        .send(to_with(1..2, json!({ "push_type": "voip" })))
        .await;
    let view = world.completed(no).await;
    let rule = FinalState::Suppressed(Suppression::NoPushToken);
    assert_eq!(view.states, [(rule, 1)]);
    assert!(world.gateway.written().is_empty());
}

#[tokio::test(start_paused = true)]
async fn environments_have_their_own_pools() {
    let world = World::new().await;
    world.devices(1..3).await;
    world
        .devices_of(world.app, 3..5, TokenKind::Alert, TokenEnvironment::Sandbox)
        .await;
    let no = world.to(1..5).await;
    world.completed(no).await;
    let written = world.gateway.written();
    let sandbox = written
        .iter()
        .filter(|w| w.pool.environment == Environment::Sandbox);
    assert_eq!((written.len(), sandbox.count()), (4, 2));
    assert!(written.iter().all(|w| !w.pool.probing));
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_is_one_push_without_a_push_token() {
    let world = World::new().await;
    let body = json!({
        "target": { "channel": "Y2hhbm5lbA==" },
        "content": { "body": "goal" },
        "options": { "push_type": "liveactivity" },
    });
    let no = world.send(body).await;
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Accepted, 1)]);
    let written = world.gateway.written();
    assert_eq!((written.len(), written[0].push_token.len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn the_pools_window_is_kept() {
    let world = World::new().await;
    world.devices(1..201).await;
    world.gateway.window(10);
    let in_pool = std::sync::Arc::new(std::sync::atomic::AtomicI64::new(0));
    let seen = in_pool.clone();
    world.gateway.script(move |written| {
        // Each answer takes 10 ms: in that time no more than the window may come.
        let _ = written;
        seen.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        vec![(10, carillon_model::outcome::Outcome::accepted(1, 1))]
    });
    let no = world.to(1..201).await;
    world.completed(no).await;
    let written = world.gateway.written();
    for pair in written.windows(11) {
        assert!(pair[10].at - pair[0].at >= Duration::from_millis(10));
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_after_its_expiry() {
    let world = World::new().await;
    world.devices(1..101).await;
    world.gateway.window(10);
    world
        .gateway
        .script(|_| vec![(100, carillon_model::outcome::Outcome::accepted(1, 1))]);
    let start = tokio::time::Instant::now();
    let mut body = to(1..101);
    body["expires_in"] = "450ms".into();
    let no = world.send(body).await;
    let view = world.completed(no).await;
    assert_eq!(
        view.states,
        [(FinalState::Accepted, 50), (FinalState::Expired, 50)]
    );
    for written in world.gateway.written() {
        assert!(written.at - start < Duration::from_millis(450));
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_ends_what_expired_and_hurts_nothing_else() {
    let world = World::new().await;
    world.devices(1..4).await;
    world.gateway.window(0);
    let mut body = to(1..2);
    body["expires_in"] = "10m".into();
    let short = world.send(body).await;
    let long = world.to(2..3).await;
    world.clock.jump(3_600_000);
    world.gateway.window(100);
    let view = world.completed(short).await;
    assert_eq!(view.states, [(FinalState::Expired, 1)]);
    world.completed(long).await;
    world.clock.jump(-7_200_000);
    let no = world.to(3..4).await;
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Accepted, 1)]);
}

#[tokio::test(start_paused = true)]
async fn work_of_a_deleted_app_is_suppressed() {
    let world = World::new().await;
    world.devices(1..5).await;
    world.gateway.window(1);
    world
        .gateway
        .script(|_| vec![(200, carillon_model::outcome::Outcome::accepted(1, 1))]);
    // One is being sent, the other waits.
    let no = world.to(1..3).await;
    world.pass(50).await;
    world
        .store
        .delete_app(world.app, 1, nobody())
        .await
        .unwrap();
    world.engine.refresh().await.unwrap();
    let view = world.completed(no).await;
    let rule = FinalState::Suppressed(Suppression::AppGone);
    assert_eq!(view.states, [(FinalState::Accepted, 1), (rule, 1)]);
    let refused = world.try_send(to(1..2)).await;
    assert_eq!(refused, Err(carillon_engine::Refusal::AppGone));
}

#[tokio::test(start_paused = true)]
async fn memory_is_given_back_when_all_is_done() {
    let world = World::new().await;
    world.devices(1..1001).await;
    world.gateway.script(|_| accept());
    for _ in 0..20 {
        world.to(1..1001).await;
    }
    world
        .until(Duration::from_secs(60), async || {
            let status = world.engine.status();
            status.unsettled == 0
                && status
                    .lanes
                    .iter()
                    .all(|lane| lane.queued == 0 && lane.in_flight == 0)
                && world.gateway.written().len() == 20_000
        })
        .await;
    assert_eq!(world.counted().await, [(FinalState::Accepted, 20_000)]);
}
