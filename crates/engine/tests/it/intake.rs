//! The door: what is let in, what is refused and how, idempotency.

use crate::fake_gateway::accept;
use crate::world::{T0, World, address, to};
use carillon_engine::{EngineConfig, IdempotencyKey, Refusal, SendItem};
use carillon_model::delivery::FinalState;
use carillon_model::environment::TokenEnvironment;
use carillon_model::problem::FieldProblem;
use carillon_ports::clock::Clock;
use carillon_ports::memory::MemoryStore;
use carillon_ports::store::StoreError;
use serde_json::{Value, json};

fn problems(answer: Result<carillon_engine::Accepted, Refusal>) -> Vec<(String, &'static str)> {
    match answer {
        Err(Refusal::Invalid(problems)) => problems
            .into_iter()
            .map(|FieldProblem { pointer, code, .. }| (pointer, code))
            .collect(),
        other => panic!("expected problems, found {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_devices_are_named() {
    let world = World::new().await;
    world.devices(1..2).await;
    let body = json!({ "target": { "devices": ["d1", "nope", "d1", "gone"] }, "content": {} });
    assert_eq!(
        problems(world.try_send(body).await),
        [
            ("/target/devices/1".into(), "target.unknown_device"),
            ("/target/devices/3".into(), "target.unknown_device")
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn users_without_devices_are_no_error_but_nobody_is() {
    let world = World::new().await;
    world.devices(1..3).await;
    let body = |users: Value| json!({ "target": { "users": users }, "content": {} });
    let accepted = world
        .try_send(body(json!(["u1", "stranger", "u2", "u1"])))
        .await
        .unwrap();
    assert_eq!(accepted.deliveries, Some(2), "each once");
    assert_eq!(
        problems(world.try_send(body(json!(["stranger"]))).await),
        [("/target".into(), "target.nobody")]
    );
}

#[tokio::test(start_paused = true)]
async fn raw_push_tokens_make_anonymous_devices() {
    let world = World::new().await;
    let hex = |n| address(n).to_hex();
    let body = json!({
        "target": { "push_tokens": [hex(1), hex(2), hex(1)] },
        "content": {},
        "options": { "environment": "sandbox" },
    });
    let no = world.send(body).await;
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Accepted, 2)]);
    let bad = json!({ "target": { "push_tokens": [hex(1), "xyz"] }, "content": {} });
    assert_eq!(
        problems(world.try_send(bad).await),
        [("/target/push_tokens/1".into(), "target.push_token")]
    );
    let written = world.gateway.written();
    assert!(
        written
            .iter()
            .all(|w| w.pool.environment.as_str() == TokenEnvironment::Sandbox.as_str())
    );
}

#[tokio::test(start_paused = true)]
async fn everything_wrong_is_told_at_once() {
    let world = World::new().await;
    let body = json!({
        "target": { "devices": [] },
        "content": { "badge": 666 },
        "expires_in": "soon",
    });
    assert_eq!(
        problems(world.try_send(body).await),
        [
            ("/target/devices".into(), "target.entries"),
            ("/expires_in".into(), "expiry.duration"),
            ("/content/badge".into(), "test.badge")
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn expiry_is_read_and_checked() {
    let world = World::new().await;
    world.devices(1..2).await;
    for (field, value, code) in [
        ("expires_at", "2020-01-01T00:00:00Z", "expiry.past"),
        ("expires_at", "tomorrow", "expiry.time"),
        ("expires_in", "0s", "expiry.past"),
    ] {
        let mut body = to(1..2);
        body[field] = value.into();
        assert_eq!(
            problems(world.try_send(body).await),
            [(format!("/{field}"), code)]
        );
    }
    let mut body = to(1..2);
    body["expires_in"] = "1h".into();
    body["expires_at"] = "2100-01-01T00:00:00Z".into();
    assert_eq!(
        problems(world.try_send(body.clone()).await),
        [("/expires_in".into(), "expiry.one_of")]
    );
    body.as_object_mut().unwrap().remove("expires_in");
    let no = world.send(body).await;
    assert_eq!(
        world.view(no).await.head.expires_at,
        Some(4_102_444_800_000)
    );
}

#[tokio::test(start_paused = true)]
async fn a_bad_item_fails_alone() {
    let world = World::new().await;
    world.devices(1..3).await;
    let item = |body: Value| SendItem {
        request: serde_json::from_value(body).unwrap(),
        idempotency: None,
        origin: carillon_engine::Origin::default(),
    };
    let items = vec![item(to(1..2)), item(to(9..10)), item(to(2..3))];
    let answers = world.engine.send(world.app, items).await.unwrap();
    assert!(answers[0].is_ok() && answers[1].is_err() && answers[2].is_ok());
    let nos: Vec<_> = answers
        .iter()
        .flatten()
        .map(|accepted| accepted.no)
        .collect();
    for no in nos {
        world.completed(no).await;
    }
    assert_eq!(world.gateway.written().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_same_key_is_the_same_notification() {
    let world = World::new().await;
    world.devices(1..3).await;
    let key = |hash| IdempotencyKey {
        scoped_key: "shop/key/1".into(),
        body_hash: [hash; 32],
    };
    let send = async |hash| {
        world
            .try_send_to(world.app, to(1..2), Some(key(hash)))
            .await
    };
    let first = send(1).await.unwrap();
    let again = send(1).await.unwrap();
    assert!(!first.repeated && again.repeated);
    assert_eq!(
        (first.no, &first.id, first.accepted_at),
        (again.no, &again.id, again.accepted_at)
    );
    assert_eq!(send(2).await, Err(Refusal::KeyReused));
    world.completed(first.no).await;
    world.pass(1_000).await;
    assert_eq!(world.gateway.written().len(), 1);
    let lane = &world.engine.status().lanes[0];
    assert_eq!((lane.queued, lane.in_flight), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_repetition_that_would_be_refused_by_now_is_answered_as_the_first_time() {
    let config = EngineConfig {
        idempotency_keep_ms: 60_000,
        ..EngineConfig::default()
    };
    let world = World::with(config).await;
    world.devices(1..3).await;
    let key = |hash| IdempotencyKey {
        scoped_key: "shop/key/1".into(),
        body_hash: [hash; 32],
    };
    let mut body = to(1..2);
    body["expires_at"] = "2027-01-15T08:00:05Z".into();
    assert_eq!(T0, 1_800_000_000_000, "that is 8:00:00");
    let send = async |body: &Value, hash| {
        let body = body.clone();
        world.try_send_to(world.app, body, Some(key(hash))).await
    };
    let first = send(&body, 1).await.unwrap();
    world.pass(10_000).await;
    let again = send(&body, 1).await.unwrap();
    assert!(again.repeated);
    assert_eq!((again.no, again.id), (first.no, first.id));
    assert_eq!(problems(send(&body, 2).await)[0].1, "expiry.past");
    world.pass(60_000).await;
    assert_eq!(
        problems(send(&body, 1).await)[0].1,
        "expiry.past",
        "the key is over"
    );
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_goes_away_leaves_no_work_behind() {
    let world = World::new().await;
    world.devices(1..2).await;
    world.gateway.script(|_| accept());
    for polls in 1..6 {
        let item = SendItem {
            request: serde_json::from_value(to(1..2)).unwrap(),
            idempotency: None,
            origin: carillon_engine::Origin::default(),
        };
        let sending = world.engine.send(world.app, vec![item]);
        let mut sending = Box::pin(sending);
        for _ in 0..polls {
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            if std::future::Future::poll(sending.as_mut(), &mut context).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(sending);
    }
    world.pass(5_000).await;
    let all = world.hot.notifications(world.app, None, 100).await.unwrap();
    assert!(
        all.iter().all(|view| view.completed_at.is_some()),
        "{all:#?}"
    );
    assert_eq!(world.gateway.written().len(), all.len());
}

#[tokio::test(start_paused = true)]
async fn a_full_store_refuses_and_keeps_nothing() {
    let world = World::new().await;
    world.devices(1..2).await;
    let refuse = |error| MemoryStore::fail(&world.store, error);
    refuse(Some(StoreError::Overloaded));
    assert_eq!(
        world.try_send(to(1..2)).await,
        Err(Refusal::Overloaded {
            retry_after_ms: 1_000
        })
    );
    refuse(Some(StoreError::DiskFull));
    let item = SendItem {
        request: serde_json::from_value(to(1..2)).unwrap(),
        idempotency: None,
        origin: carillon_engine::Origin::default(),
    };
    let answer = world.engine.send(world.app, vec![item]).await;
    assert!(matches!(answer, Err(StoreError::DiskFull)));
    refuse(None);
    let no = world.to(1..2).await;
    world.completed(no).await;
    assert_eq!(world.gateway.written().len(), 1);
    assert_eq!(
        world.view(no).await.head.accepted_at,
        T0.max(world.view(no).await.head.accepted_at)
    );
    assert!(world.clock.now() > T0);
}
