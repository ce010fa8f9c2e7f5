//! Live Activities with a broadcast channel of their own: made, published to and deleted over crashes and refusals.

use crate::fake_gateway::ChannelReply;
use crate::world::{T0, World};
use carillon_engine::live_activity::{OpenActivity, ToldAddress};
use carillon_model::environment::{Environment, TokenEnvironment};
use carillon_model::live_activity::{ActivityRequest, ActivityState, ChannelState, EndRequest};
use carillon_ports::clock::Clock as _;
use carillon_ports::gateway::{ChannelAnswer, ChannelCall, ChannelError};
use carillon_ports::live_activity::LiveActivityStore as _;
use carillon_ports::registry::Registry as _;
use serde_json::{Value, json};

const MINUTE: i64 = 60_000;

fn at(minutes: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(T0 + minutes * MINUTE);
    at.unwrap().to_string()
}

/// From the tenth minute on for an hour.
fn game(with: Value) -> ActivityRequest {
    let mut body = json!({
        "recipient": {"new_channel": {"environment": "production"}}, "attributes_type": "Game", "start": "app",
        "content_state": {"goals": 0}, "starts_at": at(10), "ends_at": at(70),
        "end": {"content_state": {"goals": 9}, "dismiss_after": "5m"}
    });
    for (key, value) in with.as_object().unwrap() {
        body[key] = value.clone();
    }
    serde_json::from_value(body).unwrap()
}

/// Channels `c1`, `c2`, ….
fn makes_channels() -> impl FnMut(&ChannelCall) -> ChannelReply {
    let mut made = 0;
    move |call| {
        let answer = match call {
            ChannelCall::Create { .. } => {
                made += 1;
                ChannelAnswer::Created(format!("c{made}"))
            }
            ChannelCall::List => ChannelAnswer::List(vec!["x".to_owned(); 9_001]),
            _ => ChannelAnswer::Deleted,
        };
        (1, Ok(answer))
    }
}

fn error(status: u16, reason: &str) -> ChannelError {
    ChannelError {
        status,
        reason: reason.into(),
        mend: "mend it".into(),
    }
}

impl World {
    async fn declare(&self, request: ActivityRequest) {
        let made = self.engine.put_live_activity(self.app, "g", request).await;
        assert!(made.unwrap().unwrap().is_new);
    }

    async fn open(&self) -> OpenActivity {
        let stored = self.store.live_activity(self.app, "g".into()).await;
        OpenActivity::read(&stored.unwrap().unwrap()).unwrap()
    }

    async fn channel(&self) -> (ChannelState, Option<String>) {
        let channel = self.open().await.run.channel.unwrap();
        (channel.state, channel.id)
    }

    async fn to_minute(&self, minutes: i64) {
        let left = T0 + minutes * MINUTE - self.clock.now();
        self.pass(u64::try_from(left).unwrap() + 6_000).await;
    }

    /// Event and goals of all pushes, and whether a device got it.
    fn heard(&self) -> Vec<(String, i64, bool)> {
        let written = self.gateway.written();
        let told = written.iter().map(|push| {
            let payload: Value = serde_json::from_slice(&push.payload).unwrap();
            let aps = &payload["aps"];
            (
                aps["event"].as_str().unwrap().to_owned(),
                aps["content-state"]["goals"].as_i64().unwrap(),
                !push.push_token.is_empty(),
            )
        });
        told.collect()
    }

    fn called(&self) -> Vec<String> {
        let calls = self.gateway.channel_calls();
        calls.into_iter().map(|(.., call)| call).collect()
    }
}

fn told(event: &str, goals: i64, to_device: bool) -> (String, i64, bool) {
    (event.into(), goals, to_device)
}

#[tokio::test(start_paused = true)]
async fn a_game_is_told_on_its_own_channel_which_goes_with_it() {
    let world = World::new().await;
    world.devices(1..4).await;
    for number in 1..3 {
        let device = world.store.device(world.app, format!("d{number}")).await;
        let device = device.unwrap().unwrap();
        let text = format!("{number:02x}").repeat(32);
        let token = Some(ToldAddress {
            push_token: &text,
            environment: TokenEnvironment::Production,
            fcm_token: None,
        });
        let set = world
            .engine
            .tell_push_to_start(world.app, &device, "Game".into(), token);
        set.await.unwrap().unwrap();
    }
    world.gateway.channels_answer(makes_channels());
    let new = json!({"environment": "production", "store": true, "users": ["u1", "u3"], "devices": ["d2"]});
    let alert = json!({"title": "Game", "body": "It begins"});
    world
        .declare(game(
            json!({"recipient": {"new_channel": new}, "start": "push", "alert": alert}),
        ))
        .await;
    world.to_minute(1).await;
    let made = (ChannelState::Made, Some("c1".to_owned()));
    assert_eq!(world.channel().await, made);
    let (environment, topic, call) = world.gateway.channel_calls()[0].clone();
    assert_eq!(
        (environment, &*topic, &*call),
        (
            Environment::Production,
            "com.example.app",
            "Create { store: true }"
        )
    );
    let news = world.events("live_activity.channel_made").await;
    let news: Value = serde_json::from_str(&news[0].data).unwrap();
    assert_eq!(news["channel"], "c1");
    // There are many channels, and that is told.
    let trouble = world.events("live_activity.channel_trouble").await;
    assert!(
        trouble[0].data.contains("9001 of at most 10,000"),
        "{trouble:?}"
    );

    assert_eq!(world.heard(), []);
    world.to_minute(10).await;
    let start: Value = serde_json::from_slice(&world.gateway.written()[0].payload).unwrap();
    assert_eq!(start["aps"]["input-push-channel"], "c1");
    let mut seen = vec![told("start", 0, true), told("start", 0, true)];
    assert_eq!(world.heard(), seen, "the third phone has no token");
    assert_eq!(world.open().await.run.state, ActivityState::Active);
    let goal = serde_json::from_value(json!({"content_state": {"goals": 1}})).unwrap();
    let changed = world.engine.change_live_activity(world.app, "g", &goal);
    changed.await.unwrap().unwrap();
    world.to_minute(11).await;
    seen.push(told("update", 1, false));
    assert_eq!(world.heard(), seen);
    world.to_minute(70).await;
    seen.push(told("end", 9, false));
    assert_eq!(world.heard(), seen);
    // Ten minutes after it left the lock screens.
    world.to_minute(84).await;
    assert_eq!(world.channel().await, made);
    world.to_minute(85).await;
    assert_eq!(world.channel().await.0, ChannelState::Deleted);
    assert_eq!(
        world.called(),
        ["Create { store: true }", "List", "Delete(\"c1\")"]
    );
    assert_eq!(world.hot.live_activity_errands(1).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn it_dies_while_apple_is_asked() {
    let world = World::new().await;
    let mut made = 0;
    world.gateway.channels_answer(move |call| match call {
        ChannelCall::Create { .. } => {
            made += 1;
            // The first one is never answered, whether Apple made it or not.
            let after_ms = if made == 1 { 1_000_000 } else { 1 };
            (after_ms, Ok(ChannelAnswer::Created(format!("c{made}"))))
        }
        _ => (1, Ok(ChannelAnswer::List(Vec::new()))),
    });
    world.declare(game(json!({}))).await;
    world.pass(1_000).await;
    assert_eq!(world.channel().await, (ChannelState::Making, None));
    let world = world.crash().await;
    world.to_minute(6).await;
    assert_eq!(
        world.channel().await,
        (ChannelState::Made, Some("c2".to_owned()))
    );
    assert_eq!(world.open().await.run.channel.unwrap().doubts, 1);
    let trouble = world.events("live_activity.channel_trouble").await;
    assert_eq!(trouble.len(), 1);
    assert!(trouble[0].data.contains("list the App's channels"));
    world.to_minute(10).await;
    assert_eq!(world.heard(), [told("update", 0, false)]);
}

#[tokio::test(start_paused = true)]
async fn what_apple_refuses_is_told_and_tried_again() {
    let world = World::new().await;
    let mut calls = 0;
    world.gateway.channels_answer(move |call| match call {
        ChannelCall::Create { .. } => {
            calls += 1;
            let answer = match calls {
                1 => Err(error(400, "CannotCreateChannelConfig")),
                2 => Err(error(0, "timeout")),
                _ => Ok(ChannelAnswer::Created("c".into())),
            };
            (1, answer)
        }
        // Somebody deleted it by hand.
        ChannelCall::Delete(_) => (1, Err(error(400, "ChannelNotRegistered"))),
        _ => (1, Ok(ChannelAnswer::List(Vec::new()))),
    });
    world.declare(game(json!({}))).await;
    world.pass(2_000).await;
    let trouble = world.events("live_activity.channel_trouble").await;
    let data: Value = serde_json::from_str(&trouble[0].data).unwrap();
    assert_eq!(data["reason"], "CannotCreateChannelConfig: mend it");
    world.to_minute(1).await;
    assert_eq!(world.channel().await.0, ChannelState::Made);
    assert_eq!(world.open().await.run.channel.unwrap().doubts, 1);
    assert_eq!(world.events("live_activity.channel_trouble").await.len(), 2);
    // Ended before its time: nobody saw it, and the channel is not needed any more.
    let end = EndRequest::default();
    let ended = world.engine.end_live_activity(world.app, "g", &end).await;
    ended.unwrap().unwrap();
    world.to_minute(2).await;
    assert_eq!(world.channel().await.0, ChannelState::Deleted);
    assert_eq!(world.heard(), []);
}

#[tokio::test(start_paused = true)]
async fn two_processes_make_one_channel() {
    let world = World::shared("api,scheduler,sender").await;
    let other = world.another("worker").await;
    let third = world.another("worker").await;
    world.gateway.channels_answer(makes_channels());
    world.declare(game(json!({}))).await;
    world.to_minute(2).await;
    assert_eq!(
        world.channel().await,
        (ChannelState::Made, Some("c1".to_owned()))
    );
    assert_eq!(world.called(), ["Create { store: false }", "List"]);
    drop((other, third));
}
