//! Badge counters: computed once, shown by every try of a delivery and by all of a user's devices.

use crate::fake_gateway::{accept, in_doubt, retry};
use crate::world::{T0, World, address};
use carillon_engine::{IdempotencyKey, Refusal};
use carillon_model::delivery::FinalState;
use carillon_model::device::{DeviceRegistration, PushTokenRegistration};
use carillon_model::environment::TokenEnvironment;
use carillon_model::push_type::TokenKind;
use carillon_ports::registry::Registry;
use serde_json::{Value, json};
use std::time::Duration;

fn counting(target: Value, badge: Value) -> Value {
    json!({"target": target, "content": {"body": "x"}, "badge": badge})
}

fn more(target: Value) -> Value {
    counting(target, json!({"increment": 1}))
}

impl World {
    async fn badge(&self, user: &str) -> u32 {
        self.store.badge(self.app, user.into()).await.unwrap()
    }

    /// What was written since the `from`th push.
    fn texts(&self, from: usize) -> Vec<String> {
        let written = self.gateway.written().split_off(from);
        let texts = written
            .iter()
            .map(|push| String::from_utf8(push.payload.to_vec()).unwrap());
        texts.collect()
    }
}

#[tokio::test(start_paused = true)]
async fn every_try_shows_the_number_of_the_first() {
    let world = World::new().await;
    world.devices(1..3).await;
    world.gateway.script(|w| match w.before {
        0 => retry(),
        1 => in_doubt(),
        _ => accept(),
    });
    let one = world.send(more(json!({"devices": ["d1"]}))).await;
    let two = world.send(more(json!({"devices": ["d1"]}))).await;
    for no in [one, two] {
        let states = world.completed(no).await.states;
        assert_eq!(states, [(FinalState::Accepted, 1)]);
    }
    let mut texts = world.texts(0);
    texts.sort();
    assert_eq!(texts, ["x #1", "x #1", "x #1", "x #2", "x #2", "x #2"]);
    assert_eq!((world.badge("u1").await, world.badge("u2").await), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_crash_and_a_rescue_count_nothing() {
    let world = World::new().await;
    world.devices(1..41).await;
    world
        .gateway
        .script(|_| vec![(1_000_000, in_doubt()[0].1.clone())]);
    let many: Vec<_> = (1..41).map(|n| format!("d{n}")).collect();
    let no = world.send(more(json!({"devices": many}))).await;
    world
        .until(Duration::from_secs(10), async || {
            world.gateway.written().len() == 40
        })
        .await;
    // The app was opened in between: what was counted for this notification stays.
    let cleared = world.store.set_badge(world.app, "u1".into(), 0, T0);
    cleared.await.unwrap();
    let world = world.crash().await;
    world.gateway.script(|_| accept());
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Accepted, 40)]);
    assert_eq!(world.texts(0), vec!["x #1"; 80]);
    assert_eq!((world.badge("u1").await, world.badge("u2").await), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_user_counts_once_on_all_his_devices_also_in_a_fan_out() {
    let world = World::new().await;
    world.devices(1..3).await;
    // The same user on a device in another lane.
    let tablet = DeviceRegistration {
        id: Some("tablet".into()),
        user_id: Some("u1".into()),
        push_tokens: vec![PushTokenRegistration::new(
            TokenKind::Alert,
            address(9),
            TokenEnvironment::Sandbox,
        )],
        ..DeviceRegistration::default()
    };
    let registered = world
        .store
        .register_devices(world.app, vec![tablet], T0)
        .await;
    registered.unwrap();

    let no = world.send(more(json!({"users": ["u1"]}))).await;
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Accepted, 2)]);
    assert_eq!(world.texts(0), ["x #1", "x #1"]);
    let no = world
        .send(counting(json!({"all": true}), json!({"increment": 5})))
        .await;
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Accepted, 3)]);
    let mut texts = world.texts(2);
    texts.sort();
    assert_eq!(texts, ["x #5", "x #6", "x #6"]);
    let set = world
        .send(counting(json!({"users": ["u1"]}), json!({"set": 0})))
        .await;
    world.completed(set).await;
    assert_eq!(world.texts(5), ["x #0", "x #0"]);
    assert_eq!((world.badge("u1").await, world.badge("u2").await), (0, 5));
}

#[tokio::test(start_paused = true)]
async fn a_repetition_counts_nothing() {
    let world = World::new().await;
    world.devices(1..2).await;
    for is_repeated in [false, true] {
        let key = IdempotencyKey {
            scoped_key: "shop/1".into(),
            body_hash: [1; 32],
        };
        let body = more(json!({"devices": ["d1"]}));
        let accepted = world.try_send_to(world.app, body, Some(key)).await.unwrap();
        assert_eq!(accepted.repeated, is_repeated);
        world.completed(accepted.no).await;
    }
    assert_eq!(world.badge("u1").await, 1);
    assert_eq!(world.texts(0), ["x #1"]);
}

#[tokio::test(start_paused = true)]
async fn badges_are_checked_when_they_are_accepted() {
    let world = World::new().await;
    world.devices(1..2).await;
    let target = json!({"devices": ["d1"]});
    let mut both = more(target.clone());
    both["content"]["badge"] = json!(3);
    let too_many = counting(target, json!({"increment": 3_000_000_000u32}));
    let broadcast = more(json!({"channel": "abc"}));
    for body in [both, too_many, broadcast] {
        let refusal = world.try_send(body.clone()).await.unwrap_err();
        let Refusal::Invalid(problems) = refusal else {
            panic!("{body}: {refusal:?}");
        };
        assert_eq!(
            (&*problems[0].pointer, problems[0].code),
            ("/badge", "badge.change"),
            "{body}"
        );
    }
    assert_eq!(world.badge("u1").await, 0);
}
