//! A Live Activity whose texts are templates of the App: each phone reads them in its own language.

use crate::fake_gateway::signing_key;
use crate::templates::{define, registration};
use crate::world::{T0, World};
use carillon_engine::live_activity::{ActivityRefusal, ToldAddress, ToldToken};
use carillon_model::device::{DeviceRegistration, PushTokenRegistration};
use carillon_model::environment::{Environment, TokenEnvironment};
use carillon_model::lane::Gateway;
use carillon_model::live_activity::{ActivityChange, ActivityRequest};
use carillon_model::push_token::PushTokenBytes;
use carillon_model::push_type::TokenKind;
use carillon_ports::clock::Clock as _;
use carillon_ports::registry::{Device, Registry as _};
use serde_json::{Value, json};

const MINUTE: i64 = 60_000;

fn lesson(with: Value) -> ActivityRequest {
    let at = |minutes: i64| {
        let at = jiff::Timestamp::from_millisecond(T0 + minutes * MINUTE);
        at.unwrap().to_string()
    };
    let mut body = json!({
        "recipient": {"user": "kim"}, "attributes_type": "Lesson",
        "content_state": {"room": 4, "status": {"$template": "status"}}, "data": {"teacher": "Ann"},
        "alert": {"template": "begins"}, "starts_at": at(10), "ends_at": at(70)
    });
    for (key, value) in with.as_object().unwrap() {
        body[key] = value.clone();
    }
    serde_json::from_value(body).unwrap()
}

async fn templates(world: &World) {
    let variables = json!({"teacher": {"type": "string"}});
    let begins = json!({
        "default_locale": "en", "variables": variables,
        "content": {"en": {"title": "Lesson", "body": "With {{ teacher }}"}, "ko": {"title": "수업", "body": "{{ teacher }} 선생님과"}}
    });
    define(world, "begins", begins).await;
    let status = json!({
        "default_locale": "en", "variables": {},
        "content": {"en": {"body": "running"}, "ko": {"body": "진행 중"}}
    });
    define(world, "status", status).await;
}

async fn device(world: &World, id: &str) -> Device {
    let found = world.store.device(world.app, id.into()).await;
    found.unwrap().unwrap()
}

/// Kim's phones in London and Seoul, which can start lessons.
async fn phones(world: &World) {
    let own = |id: &str, locale: &str| DeviceRegistration {
        user_id: Some("kim".into()),
        ..registration(id, Some(locale), None)
    };
    let all = vec![own("london", "en-GB"), own("seoul", "ko-KR")];
    let registered = world.store.register_devices(world.app, all, T0);
    registered.await.unwrap();
    for (id, byte) in [("london", "11"), ("seoul", "22")] {
        let text = byte.repeat(32);
        let token = Some(ToldAddress {
            push_token: &text,
            environment: TokenEnvironment::Production,
            fcm_token: None,
        });
        let device = device(world, id).await;
        let told = world
            .engine
            .tell_push_to_start(world.app, &device, "Lesson".into(), token);
        told.await.unwrap().unwrap();
    }
}

async fn until_minute(world: &World, minutes: i64) {
    let left = T0 + minutes * MINUTE - world.clock.now();
    world.pass(u64::try_from(left).unwrap() + 3_000).await;
}

/// What was pushed to the token that begins with this byte: title and text of the alert, and the status.
fn read(world: &World, token: u8) -> Vec<(Value, Value, Value)> {
    let written = world.gateway.written();
    let to_it = written.iter().filter(|push| push.push_token[0] == token);
    to_it
        .map(|push| {
            let payload: Value = serde_json::from_slice(&push.payload).unwrap();
            let aps = &payload["aps"];
            assert_eq!(aps["content-state"]["room"], 4);
            (
                aps["alert"]["title"].clone(),
                aps["alert"]["body"].clone(),
                aps["content-state"]["status"].clone(),
            )
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn each_phone_reads_its_own_language() {
    let world = World::new().await;
    templates(&world).await;
    phones(&world).await;
    let put = world
        .engine
        .put_live_activity(world.app, "l", lesson(json!({})));
    put.await.unwrap().unwrap();
    until_minute(&world, 10).await;
    let english = (json!("Lesson"), json!("With Ann"), json!("running"));
    let korean = (json!("수업"), json!("Ann 선생님과"), json!("진행 중"));
    assert_eq!(read(&world, 0x11), [english]);
    assert_eq!(read(&world, 0x22), [korean]);
    // What is said by a new version of the template is told by the next push.
    let told = ToldToken {
        push_token: "33".repeat(32),
        environment: TokenEnvironment::Production,
        fcm_token: None,
        attributes_type: "Lesson".into(),
        content_state: None,
        attributes: None,
        frequent_pushes: None,
    };
    let seoul = device(&world, "seoul").await;
    let told = world
        .engine
        .tell_update_token(world.app, "l", &seoul, &told);
    told.await.unwrap().unwrap();
    let over = json!({
        "default_locale": "en", "variables": {"teacher": {"type": "string"}},
        "content": {"en": {"body": "over with {{ teacher }}"}, "ko": {"body": "{{ teacher }} 끝"}}
    });
    define(&world, "over", over).await;
    let change =
        json!({"content_state": {"status": {"$template": "over"}}, "data": {"teacher": "Bob"}});
    let change: ActivityChange = serde_json::from_value(change).unwrap();
    let changed = world.engine.change_live_activity(world.app, "l", &change);
    changed.await.unwrap().unwrap();
    until_minute(&world, 12).await;
    assert_eq!(
        read(&world, 0x33),
        [(Value::Null, Value::Null, json!("Bob 끝"))]
    );
}

#[tokio::test(start_paused = true)]
async fn android_phones_and_channels_are_told_in_words_too() {
    let world = World::new().await;
    templates(&world).await;
    let facts = signing_key(&[Environment::Production]);
    let fcm = world.credential_for(world.app, "google", Gateway::Fcm, facts);
    fcm.await;
    world.engine.refresh().await.unwrap();
    let android = DeviceRegistration {
        id: Some("busan".into()),
        user_id: Some("kim".into()),
        locale: Some("ko".into()),
        push_tokens: vec![PushTokenRegistration::new(
            TokenKind::Fcm,
            PushTokenBytes(b"busan".to_vec().into()),
            TokenEnvironment::Production,
        )],
        ..DeviceRegistration::default()
    };
    let registered = world.store.register_devices(world.app, vec![android], T0);
    registered.await.unwrap();
    let with = json!({"android": true});
    let put = world.engine.put_live_activity(world.app, "l", lesson(with));
    put.await.unwrap().unwrap();
    let with = json!({"recipient": {"channel": "c"}, "start": "app", "alert": null});
    let put = world.engine.put_live_activity(world.app, "c", lesson(with));
    put.await.unwrap().unwrap();
    until_minute(&world, 10).await;
    let mut seen = Vec::new();
    for push in world.gateway.written() {
        let payload: Value = serde_json::from_slice(&push.payload).unwrap();
        seen.push(match push.push_token.is_empty() {
            false => payload["android"]["data"]["alert_title"].clone(),
            true => payload["aps"]["content-state"]["status"].clone(),
        });
    }
    seen.sort_by_key(Value::to_string);
    assert_eq!(
        seen,
        ["running", "수업"],
        "a channel's readers are nobody in particular"
    );
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_said_is_refused_with_its_place() {
    let world = World::new().await;
    templates(&world).await;
    let refused = async |with: Value| {
        let put = world.engine.put_live_activity(world.app, "l", lesson(with));
        match put.await.unwrap() {
            Err(ActivityRefusal::Invalid(problems)) => {
                let said = problems.into_iter();
                said.map(|problem| (problem.pointer, problem.code))
                    .collect::<Vec<_>>()
            }
            other => panic!("it was taken: {other:?}"),
        }
    };
    let one = |pointer: &str, code: &'static str| vec![(pointer.to_owned(), code)];
    assert_eq!(
        refused(json!({"alert": {"template": "begin"}})).await,
        one("/alert/template", "template.unknown")
    );
    assert_eq!(
        refused(json!({"content_state": {"a": {"$template": "statu"}}})).await,
        one("/content_state/a/$template", "template.unknown")
    );
    assert_eq!(
        refused(json!({"data": {}})).await,
        one("/data/teacher", "template.variable_missing")
    );
    // It has no title, which an alert needs.
    assert_eq!(
        refused(json!({"alert": {"template": "status"}})).await,
        one("/alert/template", "live_activity.template")
    );
    let put = world
        .engine
        .put_live_activity(world.app, "l", lesson(json!({})));
    put.await.unwrap().unwrap();
    let change = json!({"content_state": {"status": {"$template": "gone"}}});
    let change: ActivityChange = serde_json::from_value(change).unwrap();
    let changed = world.engine.change_live_activity(world.app, "l", &change);
    assert!(matches!(
        changed.await.unwrap(),
        Err(ActivityRefusal::Invalid(problems)) if problems[0].pointer == "/content_state/status/$template"
    ));
}
