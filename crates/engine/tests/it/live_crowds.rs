//! Phones of an audience that are started on a channel, page by page.

use crate::world::{T0, World, address, nobody};
use carillon_engine::EngineConfig;
use carillon_engine::live_activity::{ActivityRefusal, ToldAddress};
use carillon_model::definition::DefinitionKind;
use carillon_model::delivery::FinalState;
use carillon_model::device::{DeviceRegistration, PushTokenRegistration};
use carillon_model::environment::TokenEnvironment;
use carillon_model::live_activity::{ActivityRequest, EndRequest};
use carillon_model::outcome::Outcome;
use carillon_model::push_type::TokenKind;
use carillon_ports::gateway::{ChannelAnswer, ChannelCall};
use carillon_ports::live_activity::LiveActivityStore as _;
use carillon_ports::registry::Registry as _;
use serde_json::{Value, json};

/// Devices that follow the team; the others have nothing to do with it.
const FANS: u64 = 40;

fn game(audience: Value) -> ActivityRequest {
    let new = json!({"environment": "production", "audience": audience});
    let body = json!({
        "recipient": {"new_channel": new}, "attributes_type": "Game", "attributes": {"team": "A"},
        "start": "push", "alert": {"title": "Game", "body": "It begins"}, "content_state": {"goals": 0},
    });
    serde_json::from_value(body).unwrap()
}

/// Fans `d1` to `d40`, of whom every fourth has told no push-to-start token and every tenth one of the sandbox; ten others, who have.
async fn crowd() -> World {
    let config = EngineConfig {
        fanout_page: 7,
        ..EngineConfig::default()
    };
    let world = World::with(config).await;
    let devices = (1..=FANS + 10).map(|n| DeviceRegistration {
        id: Some(format!("d{n}")),
        tags: (n <= FANS).then(|| "fan".to_owned()).into_iter().collect(),
        push_tokens: vec![PushTokenRegistration::new(
            TokenKind::Alert,
            address(n),
            TokenEnvironment::Production,
        )],
        ..DeviceRegistration::default()
    });
    let made = world
        .store
        .register_devices(world.app, devices.collect(), T0);
    made.await.unwrap();
    for n in (1..=FANS + 10).filter(|n| n % 4 != 0) {
        let device = world.store.device(world.app, format!("d{n}")).await;
        let text = token(n);
        let told = Some(ToldAddress {
            push_token: &text,
            environment: match n % 10 {
                0 => TokenEnvironment::Sandbox,
                _ => TokenEnvironment::Production,
            },
            fcm_token: None,
        });
        let device = device.unwrap().unwrap();
        let set = world
            .engine
            .tell_push_to_start(world.app, &device, "Game".into(), told);
        set.await.unwrap().unwrap();
    }
    let mut made = 0;
    world.gateway.channels_answer(move |call| {
        let answer = match call {
            ChannelCall::Create { .. } => {
                made += 1;
                ChannelAnswer::Created(format!("c{made}"))
            }
            ChannelCall::List => ChannelAnswer::List(Vec::new()),
            _ => ChannelAnswer::Deleted,
        };
        (1, Ok(answer))
    });
    world
}

async fn fans(world: &World) {
    let (app, kind) = (world.app, DefinitionKind::Segment);
    let no = world.store.definition_no(app, kind, "fans".into());
    let body = json!({"filter": "tags contains 'fan'"}).to_string();
    let no = no.await.unwrap();
    let put = world
        .store
        .put_definition(no, app, kind, "fans".into(), body, None, T0, nobody());
    put.await.unwrap();
    world.engine.refresh().await.unwrap();
}

fn token(n: u64) -> String {
    format!("{n:064x}")
}

/// By whose push-to-start tokens it was started, ascending, and what was published besides.
fn written(world: &World) -> (Vec<Vec<u8>>, usize) {
    let (mut started, mut published) = (Vec::new(), 0);
    for push in world.gateway.written() {
        let payload: Value = serde_json::from_slice(&push.payload).unwrap();
        if payload["aps"]["event"] == "start" {
            assert_eq!(payload["aps"]["input-push-channel"], "c1");
            started.push(push.push_token);
        } else {
            assert!(push.push_token.is_empty(), "to the channel");
            published += 1;
        }
    }
    started.sort_unstable();
    (started, published)
}

fn tokens(numbers: impl Iterator<Item = u64>) -> Vec<Vec<u8>> {
    let bytes = |n: u64| [vec![0; 24], n.to_be_bytes().to_vec()].concat();
    numbers.map(bytes).collect()
}

fn can_start(n: &u64) -> bool {
    !n.is_multiple_of(4) && !n.is_multiple_of(10)
}

#[tokio::test(start_paused = true)]
async fn each_phone_of_a_segment_is_started_once_over_crashes() {
    let mut world = crowd().await;
    fans(&world).await;
    // Slowly, so that it is killed in the midst of it.
    world
        .gateway
        .script(|_| vec![(20, Outcome::accepted(1, 1_000))]);
    let put = world
        .engine
        .put_live_activity(world.app, "g", game(json!({"segment": "fans"})));
    put.await.unwrap().unwrap();
    world.pass(50).await;
    for _ in 0..5 {
        world.pass(3).await;
        world = world.crash().await;
    }
    world.pass(60_000).await;
    let (started, published) = written(&world);
    let meant = tokens((1..=FANS).filter(can_start));
    assert!(started.is_sorted_by(|a, b| a < b), "each once");
    assert!(
        started.iter().all(|one| meant.contains(one)),
        "and no other"
    );
    assert_eq!(published, 0);
    let stored = world.store.live_activity(world.app, "g".into()).await;
    let no = stored.unwrap().unwrap().no;
    let records = world.store.live_activity_records(no, 9).await.unwrap();
    let view = world.completed(records[0].notification.unwrap()).await;
    // Of some nobody heard whether they were started; they are not started again.
    let ends: Vec<_> = view.states.iter().map(|(state, _)| *state).collect();
    let is_known = |state: &FinalState| [FinalState::Accepted, FinalState::Unknown].contains(state);
    assert!(ends.iter().all(is_known), "{ends:?}");
    assert_eq!(view.deliveries, meant.len() as u64, "each has a delivery");
    let goal = serde_json::from_value(json!({"content_state": {"goals": 1}})).unwrap();
    let changed = world.engine.change_live_activity(world.app, "g", &goal);
    changed.await.unwrap().unwrap();
    world.pass(5_000).await;
    assert_eq!(written(&world).1, 1, "one push for all of them");
}

#[tokio::test(start_paused = true)]
async fn everybody_and_those_with_a_tag() {
    for (audience, last) in [
        (json!({"all": true}), FANS + 10),
        (json!({"tags": "tags contains 'fan'"}), FANS),
    ] {
        let world = crowd().await;
        let put = world
            .engine
            .put_live_activity(world.app, "g", game(audience));
        put.await.unwrap().unwrap();
        world.pass(30_000).await;
        assert_eq!(written(&world).0, tokens((1..=last).filter(can_start)));
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_started_after_its_end() {
    let world = crowd().await;
    // Nothing is taken: the fan-out is behind a full lane's back, and ends all the same.
    let put = world
        .engine
        .put_live_activity(world.app, "g", game(json!({"all": true})));
    put.await.unwrap().unwrap();
    let at_once = EndRequest::default();
    let end = world.engine.end_live_activity(world.app, "g", &at_once);
    end.await.unwrap().unwrap();
    world.pass(30_000).await;
    let stored = world.store.live_activity(world.app, "g".into()).await;
    assert!(stored.unwrap().unwrap().state.is_over());
    assert_eq!(written(&world), (Vec::new(), 0));
}

#[tokio::test(start_paused = true)]
async fn a_segment_that_is_not_there_is_refused_where_it_stands() {
    let world = crowd().await;
    let put = world
        .engine
        .put_live_activity(world.app, "g", game(json!({"segment": "fens"})));
    let Err(ActivityRefusal::Invalid(problems)) = put.await.unwrap() else {
        panic!("it was taken");
    };
    let place = "/recipient/new_channel/audience/segment";
    assert_eq!(problems[0].pointer, place);
}
