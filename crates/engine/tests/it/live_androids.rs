//! One timeline on an iPhone and an Android phone of the same user.

use crate::fake_gateway::signing_key;
use crate::world::{T0, World};
use carillon_engine::live_activity::ToldAddress;
use carillon_model::device::{DeviceRegistration, PushTokenRegistration};
use carillon_model::environment::{Environment, TokenEnvironment};
use carillon_model::lane::Gateway;
use carillon_model::live_activity::{ActivityRequest, ActivityState};
use carillon_model::push_token::PushTokenBytes;
use carillon_model::push_type::TokenKind;
use carillon_ports::clock::Clock as _;
use carillon_ports::live_activity::LiveActivityStore as _;
use carillon_ports::registry::Registry as _;
use serde_json::{Value, json};

const MINUTE: i64 = 60_000;

fn lesson() -> ActivityRequest {
    let at = |minutes: i64| {
        let at = jiff::Timestamp::from_millisecond(T0 + minutes * MINUTE);
        at.unwrap().to_string()
    };
    let body = json!({
        "recipient": {"user": "kim"}, "attributes_type": "Lesson", "attributes": {"childId": "7"}, "android": true,
        "content_state": {"status": "active"}, "alert": {"title": "Lesson", "body": "It begins"},
        "starts_at": at(10), "ends_at": at(70),
        "phases": [{"name": "ending", "at": "ends_at - 15m", "content_state": {"status": "ending"}, "priority": "low"}],
        "end": {"dismiss_after": "5m"}
    });
    serde_json::from_value(body).unwrap()
}

/// Three devices of kim's: one with Apple's push token, two with Google's, of which one is an iPhone.
async fn devices(world: &World) {
    let device = |id: &str, kind: TokenKind, platform: Option<&str>| DeviceRegistration {
        id: Some(id.into()),
        user_id: Some("kim".into()),
        platform: platform.map(str::to_owned),
        push_tokens: vec![PushTokenRegistration::new(
            kind,
            PushTokenBytes(id.as_bytes().to_vec().into()),
            TokenEnvironment::Production,
        )],
        ..DeviceRegistration::default()
    };
    let all = vec![
        device("iphone", TokenKind::Alert, None),
        device("android", TokenKind::Fcm, Some("Android")),
        device("flutter", TokenKind::Fcm, Some("ios")),
    ];
    let registered = world.store.register_devices(world.app, all, T0);
    registered.await.unwrap();
}

async fn until_minute(world: &World, minutes: i64) {
    let left = T0 + minutes * MINUTE - world.clock.now();
    world.pass(u64::try_from(left).unwrap() + 3_000).await;
}

/// What the Android phone was told, and what anybody else was.
fn told(world: &World) -> (Vec<Value>, Vec<String>) {
    let (mut android, mut others) = (Vec::new(), Vec::new());
    for push in world.gateway.written() {
        let payload: Value = serde_json::from_slice(&push.payload).unwrap();
        match &*push.push_token {
            b"android" => android.push(payload["android"]["data"].clone()),
            _ => others.push(payload["aps"]["event"].as_str().unwrap().to_owned()),
        }
    }
    (android, others)
}

#[tokio::test(start_paused = true)]
async fn one_timeline_on_both_kinds_of_phones() {
    let world = World::new().await;
    devices(&world).await;
    let iphone = world.store.device(world.app, "iphone".into()).await;
    let text = "aa".repeat(32);
    let token = Some(ToldAddress {
        push_token: &text,
        environment: TokenEnvironment::Production,
        fcm_token: None,
    });
    let iphone = iphone.unwrap().unwrap();
    let set = world
        .engine
        .tell_push_to_start(world.app, &iphone, "Lesson".into(), token);
    set.await.unwrap().unwrap();
    let put = world.engine.put_live_activity(world.app, "l", lesson());
    put.await.unwrap().unwrap();
    until_minute(&world, 10).await;
    // Nobody set a credential for FCM: the iPhone alone is told.
    assert_eq!(told(&world), (Vec::new(), vec!["start".to_owned()]));
    let facts = signing_key(&[Environment::Production]);
    let fcm = world
        .credential_for(world.app, "google", Gateway::Fcm, facts)
        .await;
    world.engine.refresh().await.unwrap();
    until_minute(&world, 55).await;
    let (android, others) = told(&world);
    assert_eq!(others, ["start"], "its update token never came");
    // It was told of it when somebody looked again, and then of the phase.
    let said: Vec<_> = android
        .iter()
        .map(|data| (&data["event"], data["content_state"].as_str().unwrap()))
        .collect();
    let update = &json!("update");
    assert_eq!(
        said,
        [
            (update, "{\"status\":\"active\"}"),
            (update, "{\"status\":\"ending\"}")
        ]
    );
    assert_eq!(android[1]["attributes"], "{\"childId\":\"7\"}", "all of it");
    assert_eq!(world.gateway.written()[1].pool.credential, fcm);
    let stored = world.store.live_activity(world.app, "l".into()).await;
    let stored = stored.unwrap().unwrap();
    assert_eq!(
        stored.state,
        ActivityState::Active,
        "it has nothing to tell"
    );
    until_minute(&world, 70).await;
    let (android, _) = told(&world);
    assert_eq!(android[2]["event"], "end");
    assert_eq!(
        android[2]["dismissal_date"],
        ((T0 + 75 * MINUTE) / 1_000).to_string()
    );
    let records = world.store.live_activity_records(stored.no, 10).await;
    let phones: Vec<_> = records
        .unwrap()
        .iter()
        .map(|record| (record.what.phones, record.what.waiting))
        .collect();
    assert_eq!(phones, [(1, 1); 4]);
}

#[tokio::test(start_paused = true)]
async fn a_phone_that_is_registered_later_is_told_with_what_comes_next() {
    let world = World::new().await;
    let facts = signing_key(&[Environment::Production]);
    world
        .credential_for(world.app, "google", Gateway::Fcm, facts)
        .await;
    let put = world.engine.put_live_activity(world.app, "l", lesson());
    put.await.unwrap().unwrap();
    until_minute(&world, 10).await;
    assert_eq!(told(&world).0, Vec::<Value>::new());
    devices(&world).await;
    until_minute(&world, 55).await;
    let (android, _) = told(&world);
    let said: Vec<_> = android
        .iter()
        .map(|data| (&data["event"], data["content_state"].as_str().unwrap()))
        .collect();
    assert_eq!(said, [(&json!("update"), "{\"status\":\"ending\"}")]);
}

#[tokio::test(start_paused = true)]
async fn a_user_with_android_phones_alone_needs_no_push_to_start_token() {
    let world = World::new().await;
    let facts = signing_key(&[Environment::Production]);
    world
        .credential_for(world.app, "google", Gateway::Fcm, facts)
        .await;
    devices(&world).await;
    let put = world.engine.put_live_activity(world.app, "l", lesson());
    put.await.unwrap().unwrap();
    until_minute(&world, 10).await;
    let (android, others) = told(&world);
    assert_eq!(others, Vec::<String>::new());
    assert_eq!(android[0]["event"], "start");
    assert_eq!(android[0]["alert_title"], "Lesson");
    let stored = world.store.live_activity(world.app, "l".into()).await;
    assert_eq!(stored.unwrap().unwrap().state, ActivityState::Active);
    assert_eq!(world.events("live_activity.token_missing").await.len(), 0);
    // It says that it shows it no more.
    let device = world.store.device(world.app, "android".into()).await;
    let device = device.unwrap().unwrap();
    let gone = world.engine.tell_gone(world.app, "l", &device, false);
    gone.await.unwrap().unwrap();
    until_minute(&world, 80).await;
    assert_eq!(told(&world).0.len(), 1);
}
