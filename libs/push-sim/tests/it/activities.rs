//! Vectors V5 and V6: Live Activities, channels, broadcasts.

use std::time::Duration;

use http::Method;
use push_sim::{
    ActivityChange, ActivityState, ActivityView, AppSettings, Effect, Environment, Host,
    NewActivity, NewPhones, PhonePatch, PushTokenKind, Settings, Simulator,
};
use serde_json::{Value, json};

use crate::support::{APP, NOW, Peer, Push, Reply, simulator};

const TOPIC: &str = "net.example.pager.push-type.liveactivity";
const REQUEST_ID: &str = "0d9c4f0e-9f0a-4c3e-8f57-7d6a0f1c2b3a";

fn start() -> Value {
    json!({"aps": {"timestamp": 1700000100, "event": "start",
        "attributes-type": "IncidentAttributes", "attributes": {"service": "db-3"},
        "content-state": {"state": "down", "since": 1700000010}, "input-push-token": 1,
        "alert": {"title": "db-3 down", "body": "Tap to follow", "sound": "default"}}})
}

fn update(timestamp: i64) -> Value {
    json!({"aps": {"timestamp": timestamp, "event": "update",
        "content-state": {"state": "degraded", "since": 1700000010},
        "stale-date": 1700000760, "relevance-score": 50}})
}

fn end() -> Value {
    json!({"aps": {"timestamp": 1700000400, "event": "end",
        "content-state": {"state": "up", "since": 1700000010}, "dismissal-date": 1700000700}})
}

fn activity_push(push_token: &str, priority: &str, body: &Value) -> Push {
    Push::v2()
        .at_token(push_token)
        .without("apns-collapse-id")
        .without("apns-id")
        .with("apns-topic", TOPIC)
        .with("apns-push-type", "liveactivity")
        .with("apns-priority", priority)
        .body(body.to_string())
}

/// A simulator with a phone that can start activities; the phone's number and start token.
fn with_phone() -> (Simulator, u32, String) {
    let sim = simulator(Settings::default());
    let mut made = sim
        .make_phones(&NewPhones {
            app: APP.into(),
            environment: Environment::Sandbox,
            kinds: vec![PushTokenKind::LiveActivityStart],
            ..NewPhones::default()
        })
        .unwrap();
    let phone = made.remove(0);
    (
        sim,
        phone.id,
        phone.push_tokens[&PushTokenKind::LiveActivityStart].clone(),
    )
}

fn activities(sim: &Simulator, phone: u32) -> Vec<ActivityView> {
    sim.phone(phone).unwrap().apps[0].activities.clone()
}

async fn ok(peer: &mut Peer, push: &Push) {
    let reply = peer.push(push).await;
    assert_eq!(reply.verdict(), (200, String::new()));
}

#[tokio::test]
async fn v5_start_update_end() {
    let (sim, phone, start_token) = with_phone();
    let mut peer = Peer::connect(&sim).await;
    ok(&mut peer, &activity_push(&start_token, "10", &start())).await;
    let one = activities(&sim, phone).remove(0);
    assert_eq!(
        (one.state, &one.content_state["state"]),
        (ActivityState::Active, &json!("down"))
    );
    let token = one.update_token.unwrap();

    ok(&mut peer, &activity_push(&token, "5", &update(1700000160))).await;
    ok(&mut peer, &activity_push(&token, "5", &update(1700000159))).await;
    let one = activities(&sim, phone).remove(0);
    assert_eq!(
        (one.timestamp, one.updates, one.ignored),
        (1700000160, 1, 1)
    );

    sim.advance(Duration::from_secs(760));
    assert_eq!(activities(&sim, phone)[0].state, ActivityState::Stale);
    sim.clock().set_ms((NOW + 500) * 1000);
    ok(&mut peer, &activity_push(&token, "10", &end())).await;
    ok(&mut peer, &activity_push(&token, "5", &update(1700000500))).await;
    let one = activities(&sim, phone).remove(0);
    assert_eq!(
        (one.state, &one.content_state["state"]),
        (ActivityState::Ended, &json!("up"))
    );
    assert_eq!(one.ignored, 2, "nothing after the end");
    sim.clock().set_ms((NOW + 700) * 1000);
    assert_eq!(activities(&sim, phone)[0].state, ActivityState::Dismissed);
}

#[tokio::test]
async fn v5_starts_that_do_nothing() {
    let (sim, phone, start_token) = with_phone();
    let mut peer = Peer::connect(&sim).await;
    let mut silent = start();
    silent["aps"].as_object_mut().unwrap().remove("alert");
    ok(&mut peer, &activity_push(&start_token, "10", &silent)).await;
    assert!(activities(&sim, phone).is_empty());

    ok(&mut peer, &activity_push(&start_token, "10", &start())).await;
    let token = activities(&sim, phone)[0].update_token.clone().unwrap();
    ok(&mut peer, &activity_push(&token, "10", &start())).await;
    ok(
        &mut peer,
        &activity_push(&start_token, "5", &update(1700000160)),
    )
    .await;
    assert_eq!(
        activities(&sim, phone).len(),
        1,
        "no start by an update token"
    );
    assert_eq!(
        activities(&sim, phone)[0].updates,
        0,
        "no update by the start token"
    );
    assert_eq!(
        sim.phone(phone).unwrap().apps[0].effects[&Effect::Ignored],
        3
    );
}

#[tokio::test]
async fn an_update_token_dies_with_the_app() {
    let (sim, phone, start_token) = with_phone();
    let mut peer = Peer::connect(&sim).await;
    ok(&mut peer, &activity_push(&start_token, "10", &start())).await;
    let token = activities(&sim, phone)[0].update_token.clone().unwrap();
    let gone = PhonePatch {
        installed: Some(false),
        ..PhonePatch::default()
    };
    sim.patch_phone(phone, &gone).unwrap();
    let reply = peer
        .push(&activity_push(&token, "5", &update(1700000160)))
        .await;
    assert_eq!(reply.verdict(), (410, "Unregistered".into()));
}

#[tokio::test]
async fn the_lock_screen_over_time() {
    let (sim, phone, start_token) = with_phone();
    sim.clock().set_speed(0.0);
    let at = |secs: i64| Some((NOW + secs) * 1000);
    let mut peer = Peer::connect(&sim).await;
    let mut push_at = async |secs: i64, token: &str, body: &Value| {
        sim.clock().set_ms((NOW + secs) * 1000);
        ok(&mut peer, &activity_push(token, "10", body)).await;
    };
    push_at(10, &start_token, &start()).await;
    let token = activities(&sim, phone)[0].update_token.clone().unwrap();
    push_at(160, &token, &update(1700000160)).await;
    push_at(400, &token, &end()).await;
    sim.clock().set_ms((NOW + 700) * 1000);

    let shown = |secs| {
        let screen = sim.lock_screen(phone, at(secs)).unwrap();
        let of = |one: &push_sim::LockScreenActivity| {
            let state = one.content_state["state"].as_str().unwrap().to_owned();
            (one.state, state)
        };
        screen.activities.iter().map(of).collect::<Vec<_>>()
    };
    let down = (ActivityState::Active, "down".to_owned());
    assert_eq!(shown(9), []);
    assert_eq!(shown(10), std::slice::from_ref(&down));
    assert_eq!(shown(159), [down]);
    assert_eq!(shown(160), [(ActivityState::Active, "degraded".into())]);
    assert_eq!(shown(400), [(ActivityState::Ended, "up".into())]);
    assert_eq!(shown(699), [(ActivityState::Ended, "up".into())]);
    assert_eq!(shown(700), []);
    assert_eq!(sim.lock_screen(phone, None).unwrap().activities, []);
    assert_eq!(
        sim.lock_screen(phone, at(10)).unwrap().text,
        "phone 2 at Tue, 14 Nov 2023 22:13:30 GMT\n  \
         IncidentAttributes, active, since Tue, 14 Nov 2023 22:13:30 GMT\n    \
         service: db-3\n    since: 1700000010\n    state: down\n    \
         told at Tue, 14 Nov 2023 22:13:30 GMT: \"db-3 down: Tap to follow\"\n"
    );
    let changes = sim.lock_screen_history(phone).unwrap();
    let changes: Vec<_> = changes
        .iter()
        .map(|one| (one.at_ms / 1000 - NOW, one.change, one.timestamp - NOW))
        .collect();
    assert_eq!(
        changes,
        [
            (10, ActivityChange::Started, 100),
            (160, ActivityChange::Updated, 160),
            (400, ActivityChange::Ended, 400),
            (700, ActivityChange::Left, 400),
        ]
    );
    assert_eq!(sim.lock_screen(9, None), None);
}

#[tokio::test]
async fn without_a_dismissal_date_it_stays_for_four_hours() {
    let (sim, phone, start_token) = with_phone();
    let mut peer = Peer::connect(&sim).await;
    ok(&mut peer, &activity_push(&start_token, "10", &start())).await;
    let token = activities(&sim, phone)[0].update_token.clone().unwrap();
    let mut end = end();
    end["aps"].as_object_mut().unwrap().remove("dismissal-date");
    ok(&mut peer, &activity_push(&token, "10", &end)).await;
    let ended = sim.lock_screen_history(phone).unwrap()[1].at_ms;
    let hours = |hours: i64| Some(ended + hours * 3_600_000);
    let there = |at| sim.lock_screen(phone, at).unwrap().activities.len();
    assert_eq!((there(hours(3)), there(hours(4))), (1, 0));
}

#[tokio::test]
async fn an_app_starts_one_and_its_update_token_rotates() {
    let (sim, phone, start_token) = with_phone();
    let new = NewActivity {
        attributes_type: "IncidentAttributes".into(),
        content_state: json!({"state": "down"}).as_object().unwrap().clone(),
        ..NewActivity::default()
    };
    let old = sim.start_activity(phone, &new).unwrap();
    let old = old.update_token.unwrap();
    let rotate = PhonePatch {
        rotate_update_tokens: true,
        ..PhonePatch::default()
    };
    sim.patch_phone(phone, &rotate).unwrap();
    let fresh = activities(&sim, phone)[0].update_token.clone().unwrap();
    let mut peer = Peer::connect(&sim).await;
    let push = |token: &str| activity_push(token, "5", &update(1700000160));
    assert_eq!(
        peer.push(&push(&old)).await.verdict(),
        (410, "Unregistered".into())
    );
    ok(&mut peer, &push(&fresh)).await;
    assert_eq!(
        activities(&sim, phone)[0].content_state["state"],
        "degraded"
    );
    // What the app has besides stays.
    ok(&mut peer, &activity_push(&start_token, "10", &start())).await;
    assert_eq!(activities(&sim, phone).len(), 2);

    // One that is over keeps its token: nobody tells another one.
    ok(&mut peer, &activity_push(&fresh, "10", &end())).await;
    sim.patch_phone(phone, &rotate).unwrap();
    assert_eq!(activities(&sim, phone)[0].update_token, Some(fresh));
    for (phone, new, word) in [
        (9, new.clone(), "no phone 9"),
        (phone, NewActivity::default(), "attributes_type"),
        (
            phone,
            NewActivity {
                app: Some("net.example.other".into()),
                ..new
            },
            "this app",
        ),
    ] {
        let why = sim.start_activity(phone, &new).unwrap_err();
        assert!(why.contains(word), "{why}");
    }
}

struct Channels {
    sim: Simulator,
    management: Peer,
    device: Peer,
    broadcast: Peer,
}

impl Channels {
    async fn of(sim: Simulator) -> Channels {
        let to = |host| Peer::to(&sim, sim.address(Environment::Sandbox, host), None);
        let management = to(Host::Management).await;
        let device = to(Host::Device).await;
        let broadcast = to(Host::Broadcast).await;
        Channels {
            sim,
            management,
            device,
            broadcast,
        }
    }

    async fn manage(&mut self, method: Method, resource: &str, channel: &str, body: &str) -> Reply {
        let mut push = Push::bare(method, &format!("/1/apps/{APP}/{resource}"))
            .with("apns-request-id", REQUEST_ID)
            .body(body.to_owned());
        if !channel.is_empty() {
            push = push.with("apns-channel-id", channel);
        }
        self.management.push(&push).await
    }

    async fn create(&mut self, policy: u8) -> Reply {
        let body = format!(r#"{{"message-storage-policy":{policy},"push-type":"LiveActivity"}}"#);
        self.manage(Method::POST, "channels", "", &body).await
    }
}

fn publish(channel: &str) -> Push {
    Push::bare(Method::POST, &format!("/4/broadcasts/apps/{APP}"))
        .with("apns-request-id", REQUEST_ID)
        .with("apns-channel-id", channel)
        .with("apns-push-type", "liveactivity")
        .with("apns-priority", "5")
        .with("apns-expiration", "0")
        .body(update(1700000160).to_string())
}

#[tokio::test]
async fn v6_the_life_of_a_channel() {
    let mut all = Channels::of(simulator(Settings::default())).await;
    let created = all.create(0).await;
    assert_eq!((created.status, created.body.len()), (201, 0));
    assert_eq!(created.header("apns-request-id"), Some(REQUEST_ID));
    let channel = created.header("apns-channel-id").unwrap().to_owned();

    let read = all.manage(Method::GET, "channels", &channel, "").await;
    assert_eq!(read.status, 200);
    assert_eq!(
        read.json(),
        json!({"message-storage-policy": 0, "push-type": "LiveActivity"})
    );
    let list = all.manage(Method::GET, "all-channels", "", "").await;
    assert_eq!(
        (list.status, list.json()),
        (200, json!({"channels": [channel]}))
    );

    let reply = all.device.push(&publish(&channel)).await;
    assert_eq!(reply.verdict(), (200, String::new()));
    assert_eq!(reply.header("apns-request-id"), Some(REQUEST_ID));
    let refusals = [
        (
            publish(&channel).with("apns-expiration", "1700003600"),
            400,
            "BadExpirationDate",
        ),
        (
            publish(&channel).path(&format!("/4/broadcasts/apps/{TOPIC}")),
            400,
            "TopicDisallowed",
        ),
        (
            publish(&channel).without("apns-channel-id"),
            400,
            "MissingChannelId",
        ),
        (
            publish(&channel).with("apns-channel-id", "%%"),
            400,
            "BadChannelId",
        ),
        (
            publish(&channel).without("apns-push-type"),
            400,
            "MissingPushType",
        ),
        (
            publish(&channel).with("apns-push-type", "alert"),
            400,
            "InvalidPushType",
        ),
        (
            publish(&channel).with("apns-priority", "7"),
            400,
            "BadPriority",
        ),
        (
            publish(&channel).with("apns-request-id", "42"),
            400,
            "BadMessageId",
        ),
        (publish(&channel).body(""), 400, "PayloadEmpty"),
        (
            publish(&channel).body(vec![b'x'; 5121]),
            413,
            "PayloadTooLarge",
        ),
        (
            publish(&channel).without("authorization"),
            403,
            "MissingProviderToken",
        ),
        (
            Push {
                method: Method::GET,
                ..publish(&channel)
            },
            405,
            "MethodNotAllowed",
        ),
        (publish(&channel).path("/4/broadcasts"), 404, "BadPath"),
        (
            publish(&channel).path("/4/broadcasts/apps/net.example.unknown"),
            403,
            "TopicMismatch",
        ),
    ];
    for (push, status, reason) in refusals {
        assert_eq!(
            all.broadcast.push(&push).await.verdict(),
            (status, reason.to_owned())
        );
    }
    let mut start_body = start();
    start_body["aps"]["event"] = json!("start");
    let starting = publish(&channel).body(start_body.to_string());
    assert_eq!(
        all.broadcast.push(&starting).await.status,
        200,
        "accepted, and nothing starts"
    );

    let deleted = all.manage(Method::DELETE, "channels", &channel, "").await;
    assert_eq!(deleted.status, 204);
    let reply = all.broadcast.push(&publish(&channel)).await;
    assert_eq!(reply.verdict(), (400, "ChannelNotRegistered".into()));
    let read = all.manage(Method::GET, "channels", &channel, "").await;
    assert_eq!(read.verdict(), (400, "ChannelNotRegistered".into()));
}

#[tokio::test]
async fn v6_one_channel_too_many() {
    let settings = Settings {
        channel_limit: 2,
        ..Settings::default()
    };
    assert_eq!(Settings::default().channel_limit, 10_000);
    let mut all = Channels::of(simulator(settings)).await;
    assert_eq!(all.create(0).await.status, 201);
    assert_eq!(all.create(1).await.status, 201);
    assert_eq!(
        all.create(0).await.verdict(),
        (400, "CannotCreateChannelConfig".into())
    );
}

#[tokio::test]
async fn v6_bad_management_requests() {
    let mut all = Channels::of(simulator(Settings::default())).await;
    for (body, reason) in [
        ("", "PayloadEmpty"),
        ("[]", "BadRequestPayload"),
        ("{", "BadRequestPayload"),
        (
            r#"{"message-storage-policy":0,"push-type":"LiveActivity","x":1}"#,
            "BadRequestParams",
        ),
        (
            r#"{"message-storage-policy":2,"push-type":"LiveActivity"}"#,
            "BadRequestParams",
        ),
        (r#"{"push-type":"LiveActivity"}"#, "BadRequestParams"),
        (
            r#"{"message-storage-policy":0,"push-type":"Alert"}"#,
            "InvalidPushType",
        ),
        (r#"{"message-storage-policy":0}"#, "MissingPushType"),
    ] {
        let reply = all.manage(Method::POST, "channels", "", body).await;
        assert_eq!(reply.verdict(), (400, reason.to_owned()), "{body}");
    }
    let reply = all.manage(Method::GET, "channels", "", "").await;
    assert_eq!(reply.verdict(), (400, "MissingChannelId".into()));
    let reply = all.manage(Method::DELETE, "all-channels", "", "").await;
    assert_eq!(reply.verdict(), (405, "MethodNotAllowed".into()));
    let reply = all.manage(Method::GET, "elsewhere", "", "").await;
    assert_eq!(reply.verdict(), (404, "BadPath".into()));
    all.sim.set_app(
        APP,
        AppSettings {
            broadcast: false,
            ..AppSettings::default()
        },
    );
    assert_eq!(
        all.create(0).await.verdict(),
        (400, "FeatureNotEnabled".into())
    );
    all.sim.set_app(
        APP,
        AppSettings {
            team_id: Some("TEAM000009".into()),
            broadcast: true,
        },
    );
    let foreign = Push::bare(Method::GET, &format!("/1/apps/{APP}/all-channels"));
    assert_eq!(
        all.management.push(&foreign).await.verdict(),
        (403, "TopicMismatch".into())
    );
}

#[tokio::test]
async fn a_broadcast_reaches_the_activities_that_follow_the_channel() {
    let (sim, phone, start_token) = with_phone();
    let mut all = Channels::of(sim).await;
    let channel = all
        .create(1)
        .await
        .header("apns-channel-id")
        .unwrap()
        .to_owned();
    let mut following = start();
    following["aps"]
        .as_object_mut()
        .unwrap()
        .remove("input-push-token");
    following["aps"]["input-push-channel"] = json!(channel);
    ok(
        &mut all.device,
        &activity_push(&start_token, "10", &following),
    )
    .await;
    ok(
        &mut all.device,
        &activity_push(&start_token, "10", &start()),
    )
    .await;

    ok(&mut all.broadcast, &publish(&channel)).await;
    let seen = activities(&all.sim, phone);
    assert_eq!(
        (seen[0].updates, seen[0].update_token.as_deref()),
        (1, None)
    );
    assert_eq!(seen[1].updates, 0, "this one follows no channel");

    // Policy 1 keeps the newest message for a phone that comes back.
    let online = |online| PhonePatch {
        online: Some(online),
        ..PhonePatch::default()
    };
    all.sim.patch_phone(phone, &online(false)).unwrap();
    let kept = publish(&channel)
        .with("apns-expiration", &(NOW + 600).to_string())
        .body(update(1700000170).to_string());
    ok(&mut all.broadcast, &kept).await;
    assert_eq!(activities(&all.sim, phone)[0].timestamp, 1700000160);
    all.sim.patch_phone(phone, &online(true)).unwrap();
    assert_eq!(activities(&all.sim, phone)[0].timestamp, 1700000170);
    assert_eq!(all.sim.counters().broadcasts, 2);
}
