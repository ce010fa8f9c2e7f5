//! What a template says: in each reader's language, with the version it was accepted with.

use crate::world::{World, nobody};
use carillon_engine::Refusal;
use carillon_model::definition::DefinitionKind;
use carillon_model::delivery::{FinalState, Suppression};
use carillon_model::device::{DeviceRegistration, PushTokenRegistration};
use carillon_model::environment::TokenEnvironment;
use carillon_model::push_token::PushTokenBytes;
use carillon_model::push_type::TokenKind;
use carillon_ports::registry::Registry;
use serde_json::{Value, json};

pub(crate) async fn define(world: &World, name: &str, body: Value) {
    let (app, kind) = (world.app, DefinitionKind::Template);
    let no = world.store.definition_no(app, kind, name.into());
    let no = no.await.unwrap();
    let body = body.to_string();
    let put = world
        .store
        .put_definition(no, app, kind, name.into(), body, None, 0, nobody());
    put.await.unwrap();
    world.engine.refresh().await.unwrap();
}

pub(crate) fn comment() -> Value {
    json!({
        "default_locale": "en",
        "variables": { "writer": { "type": "string" } },
        "content": {
            "en": { "title": "c", "body": "{{ writer }}'s new comment" },
            "ko": { "title": "c", "body": "{{ writer }}님의 새 댓글" }
        }
    })
}

pub(crate) fn registration(
    id: &str,
    locale: Option<&str>,
    attributes: Option<&str>,
) -> DeviceRegistration {
    DeviceRegistration {
        id: Some(id.into()),
        locale: locale.map(str::to_owned),
        attributes: attributes.map(str::to_owned),
        push_tokens: vec![PushTokenRegistration::new(
            TokenKind::Alert,
            PushTokenBytes(id.as_bytes().to_vec().into()),
            TokenEnvironment::Production,
        )],
        ..DeviceRegistration::default()
    }
}

pub(crate) async fn reader(
    world: &World,
    id: &str,
    locale: Option<&str>,
    attributes: Option<&str>,
) {
    let device = registration(id, locale, attributes);
    let registered = world.store.register_devices(world.app, vec![device], 0);
    registered.await.unwrap();
}

fn send(template: &str, variables: Value) -> Value {
    json!({
        "target": { "devices": ["seoul", "london"] },
        "template": { "name": template, "variables": variables }
    })
}

/// What was written to a device, in order.
fn read(world: &World, device: &str) -> Vec<String> {
    world
        .gateway
        .written()
        .iter()
        .filter(|written| written.push_token == device.as_bytes())
        .map(|written| String::from_utf8(written.payload.to_vec()).unwrap())
        .collect()
}

fn codes(refused: Result<carillon_engine::Accepted, Refusal>) -> Vec<(String, &'static str)> {
    let Err(Refusal::Invalid(problems)) = refused else {
        panic!("it is wrong: {refused:?}");
    };
    problems
        .into_iter()
        .map(|problem| (problem.pointer, problem.code))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn everybody_reads_his_own_language() {
    let world = World::new().await;
    define(&world, "comment", comment()).await;
    reader(&world, "seoul", Some("ko-KR"), None).await;
    reader(&world, "london", None, None).await;
    let no = world
        .send(send("comment", json!({ "writer": "지수" })))
        .await;
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Accepted, 2)]);
    assert_eq!(read(&world, "seoul"), ["지수님의 새 댓글"]);
    assert_eq!(read(&world, "london"), ["지수's new comment"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_accepted_is_said_as_it_was_then_also_after_a_crash() {
    let world = World::new().await;
    define(&world, "comment", comment()).await;
    reader(&world, "seoul", Some("ko"), None).await;
    reader(&world, "london", None, None).await;
    world.gateway.script(|_| {
        crate::fake_gateway::blocked(carillon_model::outcome::TroubleScope::Gateway, "down", None)
    });
    let no = world
        .send(send("comment", json!({ "writer": "Ann" })))
        .await;
    world.pass(100).await;
    let mut changed = comment();
    changed["content"]["en"]["body"] = json!("changed");
    define(&world, "comment", changed).await;
    let world = world.crash().await;
    world.gateway.script(|_| crate::fake_gateway::accept());
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Accepted, 2)]);
    assert_eq!(
        read(&world, "london").last().map(String::as_str),
        Some("Ann's new comment")
    );
    let newer = world
        .send(send("comment", json!({ "writer": "Ann" })))
        .await;
    world.completed(newer).await;
    assert_eq!(
        read(&world, "london").last().map(String::as_str),
        Some("changed")
    );
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_said_to_one_device_fails_for_him_alone() {
    let world = World::new().await;
    let plan = json!({
        "default_locale": "en",
        "content": { "en": { "title": "t", "body": "Your plan: {{ device.attributes.plan }}" } }
    });
    define(&world, "plan", plan).await;
    reader(&world, "seoul", None, Some(r#"{"plan":"gold"}"#)).await;
    reader(&world, "london", None, None).await;
    let no = world.send(send("plan", json!({}))).await;
    let view = world.completed(no).await;
    let unrenderable = FinalState::Suppressed(Suppression::Unrenderable);
    assert_eq!(view.states, [(FinalState::Accepted, 1), (unrenderable, 1)]);
    assert_eq!(read(&world, "seoul"), ["Your plan: gold"]);
    let mut stories = world.attempts(no, 0).await;
    stories.extend(world.attempts(no, 1).await);
    assert_eq!(stories.len(), 1);
    assert_eq!(stories[0].result, "unrenderable");
    assert!(stories[0].raw.contains("plan"), "{stories:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_for_everybody_is_said_at_the_door() {
    let world = World::new().await;
    define(&world, "comment", comment()).await;
    reader(&world, "seoul", None, None).await;
    reader(&world, "london", None, None).await;
    let table = [
        (
            send("coment", json!({})),
            "/template/name",
            "template.unknown",
        ),
        (
            send("comment", json!([])),
            "/template/variables",
            "template.variables",
        ),
        (
            send("comment", json!({})),
            "/template/variables/writer",
            "template.variable_missing",
        ),
        (
            send("comment", json!({ "writer": 7 })),
            "/template/variables/writer",
            "template.variable_type",
        ),
    ];
    for (body, pointer, code) in table {
        let refused = world.try_send(body.clone()).await;
        assert_eq!(codes(refused), [(pointer.to_owned(), code)], "{body}");
    }
    let mut both = send("comment", json!({ "writer": "Ann" }));
    both["content"] = json!({ "body": "b" });
    assert_eq!(codes(world.try_send(both).await)[0].1, "content.one_of");
    let hint = world.try_send(send("coment", json!({}))).await;
    assert!(format!("{hint:?}").contains("`comment`"), "{hint:?}");
}
