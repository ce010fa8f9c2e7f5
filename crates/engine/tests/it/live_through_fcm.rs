//! Live Activities on iPhones whose app uses Firebase: started, changed and ended through FCM.

use crate::fake_gateway::{accept, rejected, signing_key};
use crate::world::{T0, World};
use carillon_engine::live_activity::{ActivityRefusal, OpenActivity, ToldAddress, ToldToken};
use carillon_model::device::{DeviceRegistration, PushTokenRegistration};
use carillon_model::environment::{Environment, TokenEnvironment};
use carillon_model::lane::Gateway;
use carillon_model::live_activity::ActivityRequest;
use carillon_model::outcome::TokenFate;
use carillon_model::push_token::PushTokenBytes;
use carillon_model::push_type::TokenKind;
use carillon_ports::clock::Clock as _;
use carillon_ports::live_activity::LiveActivityStore as _;
use carillon_ports::registry::{Device, Registry as _};
use serde_json::{Value, json};

const MINUTE: i64 = 60_000;
/// What the fake gateway reads as `kim-phone`: hexadecimal, as all of its tokens.
const KIM: &str = "6b696d2d70686f6e65";

fn lesson(with: Value) -> ActivityRequest {
    let at = |minutes: i64| {
        let at = jiff::Timestamp::from_millisecond(T0 + minutes * MINUTE);
        at.unwrap().to_string()
    };
    let mut body = json!({
        "recipient": {"user": "kim"}, "attributes_type": "Lesson", "attributes": {"childId": "7"},
        "content_state": {"status": "active"}, "alert": {"title": "Lesson", "body": "It begins"},
        "starts_at": at(10), "ends_at": at(70),
        "phases": [{"name": "ending", "at": "ends_at - 15m", "content_state": {"status": "ending"}}],
        "end": {"dismiss_after": "5m"}
    });
    for (key, value) in with.as_object().unwrap() {
        body[key] = value.clone();
    }
    serde_json::from_value(body).unwrap()
}

/// Kim's iPhone, which told its registration token, an Android phone of hers, and a credential of Google's.
async fn kims_phones(world: &World) -> Device {
    let device = |id: &str, platform: &str| DeviceRegistration {
        id: Some(id.into()),
        user_id: Some("kim".into()),
        platform: Some(platform.into()),
        push_tokens: vec![PushTokenRegistration::new(
            TokenKind::Fcm,
            PushTokenBytes(id.as_bytes().to_vec().into()),
            TokenEnvironment::Production,
        )],
        ..DeviceRegistration::default()
    };
    let all = vec![device("kim-phone", "ios"), device("kim-android", "android")];
    let registered = world.store.register_devices(world.app, all, T0);
    registered.await.unwrap();
    let facts = signing_key(&[Environment::Production]);
    let set = world.credential_for(world.app, "google", Gateway::Fcm, facts);
    set.await;
    let found = world.store.device(world.app, "kim-phone".into()).await;
    found.unwrap().unwrap()
}

async fn can_start(world: &World, device: &Device, token: &str) {
    let told = Some(ToldAddress {
        push_token: token,
        environment: TokenEnvironment::Auto,
        fcm_token: Some(KIM),
    });
    let set = world
        .engine
        .tell_push_to_start(world.app, device, "Lesson".into(), told);
    set.await.unwrap().unwrap();
}

fn update_token(token: &str) -> ToldToken {
    ToldToken {
        push_token: token.to_owned(),
        environment: TokenEnvironment::Auto,
        fcm_token: Some(KIM.into()),
        attributes_type: "Lesson".into(),
        content_state: None,
        attributes: None,
        frequent_pushes: None,
    }
}

async fn until_minute(world: &World, minutes: i64) {
    let left = T0 + minutes * MINUTE - world.clock.now();
    world.pass(u64::try_from(left).unwrap() + 3_000).await;
}

/// To which address what was pushed: an iPhone's is its event and status, an Android phone's its event.
fn told(world: &World) -> Vec<(String, String)> {
    let all = world.gateway.written().into_iter().map(|push| {
        let payload: Value = serde_json::from_slice(&push.payload).unwrap();
        let address = String::from_utf8(push.push_token).unwrap();
        let aps = &payload["apns"]["payload"]["aps"];
        let said = match address.contains('\n') {
            true => format!("{} {}", aps["event"], aps["content-state"]["status"]),
            false => payload["android"]["data"]["event"].to_string(),
        };
        (address, said.replace('"', ""))
    });
    all.collect()
}

fn at(token: &str, said: &str) -> (String, String) {
    (format!("kim-phone\n{token}"), said.to_owned())
}

#[tokio::test(start_paused = true)]
async fn an_app_of_firebase_has_its_activity_carried_by_google() {
    let world = World::new().await;
    let phone = kims_phones(&world).await;
    let (start, first, second) = ("aa".repeat(32), "11".repeat(32), "22".repeat(32));
    can_start(&world, &phone, &start).await;
    let put = world
        .engine
        .put_live_activity(world.app, "l", lesson(json!({})));
    put.await.unwrap().unwrap();
    until_minute(&world, 10).await;
    assert_eq!(told(&world), [at(&start, "start active")]);
    let tell = |token: ToldToken| {
        let (engine, app, phone) = (&world.engine, world.app, &phone);
        async move {
            let told = engine.tell_update_token(app, "l", phone, &token);
            told.await.unwrap().unwrap();
        }
    };
    tell(update_token(&first)).await;
    until_minute(&world, 55).await;
    // Rotated.
    tell(update_token(&second)).await;
    until_minute(&world, 70).await;
    let all = told(&world);
    assert_eq!(
        all[1..],
        [at(&first, "update ending"), at(&second, "end ending"),]
    );
    // A push to everybody does not go to tokens of Live Activities.
    let everybody = json!({"target": {"all": true}, "content": {"body": "hello"}});
    world.send(everybody).await;
    world.pass(5_000).await;
    let everybody = world.gateway.written().split_off(3);
    let addresses = everybody.iter().map(|push| &*push.push_token);
    let mut addresses: Vec<&[u8]> = addresses.collect();
    addresses.sort_unstable();
    assert_eq!(addresses, [&b"kim-android"[..], b"kim-phone"]);
}

#[tokio::test(start_paused = true)]
async fn one_notification_reaches_iphones_behind_fcm_and_android_phones() {
    let world = World::new().await;
    let phone = kims_phones(&world).await;
    let start = "aa".repeat(32);
    can_start(&world, &phone, &start).await;
    let put = world
        .engine
        .put_live_activity(world.app, "l", lesson(json!({"android": true})));
    put.await.unwrap().unwrap();
    until_minute(&world, 10).await;
    let mut all = told(&world);
    all.sort();
    assert_eq!(
        all,
        [
            ("kim-android".to_owned(), "start".to_owned()),
            at(&start, "start active"),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_that_google_calls_dead_is_told_and_a_refused_start_is_pushed_once_more() {
    let world = World::new().await;
    let phone = kims_phones(&world).await;
    let (start, first) = ("aa".repeat(32), "11".repeat(32));
    can_start(&world, &phone, &start).await;
    let mut is_refused = false;
    world.gateway.script(move |push| {
        let is_dead = push.push_token.ends_with(b"11");
        let is_first = !std::mem::replace(&mut is_refused, true);
        match (is_first, is_dead) {
            (true, _) => rejected(TokenFate::Keep, 400, "INVALID_ARGUMENT"),
            (_, true) => rejected(TokenFate::Retire { since: None }, 404, "UNREGISTERED"),
            _ => accept(),
        }
    });
    let put = world
        .engine
        .put_live_activity(world.app, "l", lesson(json!({})));
    put.await.unwrap().unwrap();
    until_minute(&world, 11).await;
    let twice = [at(&start, "start active"), at(&start, "start active")];
    assert_eq!(told(&world), twice);
    let token = update_token(&first);
    let tell = world
        .engine
        .tell_update_token(world.app, "l", &phone, &token);
    tell.await.unwrap().unwrap();
    until_minute(&world, 56).await;
    let stored = world.store.live_activity(world.app, "l".into()).await;
    let open = OpenActivity::read(&stored.unwrap().unwrap()).unwrap();
    assert!(open.run.phones[&phone.no.0].is_dead);
    assert_eq!(world.events("live_activity.token_dead").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_registration_token_that_is_none_is_refused_where_it_stands() {
    let world = World::new().await;
    let mut request = lesson(json!({"start": "app", "alert": null}));
    let token = json!({"push_token": {"token": "11".repeat(32), "fcm_token": "no hex"}});
    request.recipient = serde_json::from_value(token).unwrap();
    let put = world.engine.put_live_activity(world.app, "l", request);
    let Err(ActivityRefusal::Invalid(problems)) = put.await.unwrap() else {
        panic!("it was taken");
    };
    assert_eq!(problems[0].pointer, "/recipient/push_token/fcm_token");
}
