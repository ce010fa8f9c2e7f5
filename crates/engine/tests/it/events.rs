//! Events become notifications by triggers: to whom, how often, gathered, and once.

use crate::world::{World, nobody};
use carillon_engine::IdempotencyKey;
use carillon_engine::event::{EventAnswer, EventRefusal, TriggerResult};
use carillon_model::definition::DefinitionKind;
use carillon_ports::registry::Registry;
use serde_json::{Value, json};
use std::time::Duration;

async fn define(world: &World, kind: DefinitionKind, name: &str, body: Value) {
    let no = world.store.definition_no(world.app, kind, name.into());
    let no = no.await.unwrap();
    let (app, body) = (world.app, body.to_string());
    let put = world
        .store
        .put_definition(no, app, kind, name.into(), body, None, 0, nobody());
    put.await.unwrap();
    world.engine.refresh().await.unwrap();
}

async fn trigger(world: &World, name: &str, body: Value) {
    define(world, DefinitionKind::Trigger, name, body).await;
}

async fn comment_template(world: &World) {
    let body = json!({
        "default_locale": "en",
        "variables": { "writer": { "type": "string" } },
        "content": { "en": {
            "title": "t",
            "body": "{% if digest.count > 1 %}{{ digest.count }} new comments{% else %}{{ writer }}'s new comment{% endif %}"
        } }
    });
    define(world, DefinitionKind::Template, "comment", body).await;
}

async fn happened(
    world: &World,
    event: Value,
    key: Option<&str>,
) -> Result<EventAnswer, EventRefusal> {
    let request = serde_json::from_value(event).unwrap();
    let idempotency = key.map(|key| IdempotencyKey {
        scoped_key: key.to_owned(),
        body_hash: [7; 32],
    });
    let told = world.engine.event(world.app, &request, idempotency);
    told.await.unwrap()
}

fn comment(actor: &str, recipients: &[&str]) -> Value {
    json!({
        "name": "comment.created", "actor": actor, "recipients": recipients,
        "data": { "writer": actor, "post": { "id": 7, "likes": 3 } }
    })
}

/// How many pushes each trigger made, in words.
fn said(answer: &EventAnswer) -> Vec<String> {
    let word = |result: &TriggerResult| match result {
        TriggerResult::Skipped => "skipped".to_owned(),
        TriggerResult::Nobody(_) => "nobody".to_owned(),
        TriggerResult::Sent {
            notifications,
            throttled,
        } => format!("sent {} throttled {throttled}", notifications.len()),
        TriggerResult::Gathered { recipients, .. } => format!("gathered {recipients}"),
        TriggerResult::Refused(problems) => format!("refused {}", problems[0].code),
    };
    let all = answer.triggers.iter();
    all.map(|report| format!("{}: {}", report.trigger, word(&report.result)))
        .collect()
}

/// What was written, and to how many.
fn written(world: &World) -> Vec<String> {
    let mut all: Vec<_> = world
        .gateway
        .written()
        .iter()
        .map(|written| String::from_utf8(written.payload.to_vec()).unwrap())
        .collect();
    all.sort();
    all
}

async fn idle(world: &World, pushes: usize) {
    let is_so = async || world.gateway.written().len() >= pushes;
    world.until(Duration::from_secs(3_600), is_so).await;
    world.pass(2_000).await;
    assert_eq!(world.gateway.written().len(), pushes);
}

#[tokio::test(start_paused = true)]
async fn an_event_tells_everybody_but_its_actor() {
    let world = World::new().await;
    world.devices(1..4).await;
    comment_template(&world).await;
    trigger(
        &world,
        "comments",
        json!({ "event": "comment.*", "template": "comment" }),
    )
    .await;
    trigger(
        &world,
        "popular",
        json!({ "event": "comment.created", "condition": "data.post.likes > 10", "template": "comment" }),
    )
    .await;
    trigger(
        &world,
        "resting",
        json!({ "event": "comment.created", "template": "comment", "enabled": false }),
    )
    .await;
    let answer = happened(&world, comment("u1", &["u1", "u2", "u3"]), None).await;
    assert_eq!(
        said(&answer.unwrap()),
        ["comments: sent 1 throttled 0", "popular: skipped"]
    );
    idle(&world, 2).await;
    assert_eq!(written(&world), ["u1's new comment"; 2]);
    let alone = happened(&world, comment("u1", &["u1"]), None)
        .await
        .unwrap();
    assert_eq!(said(&alone)[0], "comments: nobody");
    let stranger = happened(&world, comment("u1", &["nobody"]), None)
        .await
        .unwrap();
    assert_eq!(said(&stranger)[0], "comments: nobody");
    let other = json!({ "name": "order.paid", "recipients": ["u2"] });
    assert_eq!(said(&happened(&world, other, None).await.unwrap()), [""; 0]);
    let bad = json!({ "name": "comment.created", "recipients": ["u2"], "data": { "writer": 7 } });
    assert_eq!(
        said(&happened(&world, bad, None).await.unwrap())[0],
        "comments: refused template.variable_type"
    );
    for (wrong, code) in [
        (json!({ "name": "a b" }), "event.name"),
        (json!({ "name": "a", "data": [] }), "event.data"),
        (json!({ "name": "a", "recipients": [""] }), "event.text"),
    ] {
        let Err(EventRefusal::Invalid(problems)) = happened(&world, wrong, None).await else {
            panic!("{code}");
        };
        assert_eq!(problems[0].code, code);
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_event_is_told_once() {
    let world = World::new().await;
    world.devices(1..4).await;
    comment_template(&world).await;
    trigger(
        &world,
        "a",
        json!({ "event": "comment.created", "template": "comment" }),
    )
    .await;
    trigger(
        &world,
        "b",
        json!({ "event": "comment.created", "template": "comment", "digest": { "window": "1m" } }),
    )
    .await;
    for _ in 0..2 {
        let event = comment("u1", &["u2", "u3"]);
        happened(&world, event, Some("key")).await.unwrap();
    }
    world.pass(60_000).await;
    idle(&world, 4).await;
    assert_eq!(written(&world), ["u1's new comment"; 4]);
}

#[tokio::test(start_paused = true)]
async fn events_are_told_together_also_after_a_crash() {
    let world = World::new().await;
    world.devices(1..4).await;
    comment_template(&world).await;
    let digest = json!({
        "event": "comment.created", "template": "comment",
        "digest": { "window": "10m" }, "digest_key": "data.post.id"
    });
    trigger(&world, "comments", digest).await;
    for actor in ["u2", "u3", "u2"] {
        let answer = happened(&world, comment(actor, &["u1"]), None).await;
        assert_eq!(said(&answer.unwrap()), ["comments: gathered 1"]);
    }
    let mut other = comment("u2", &["u1"]);
    other["data"]["post"]["id"] = json!(8);
    happened(&world, other, None).await.unwrap();
    world.pass(540_000).await;
    assert!(world.gateway.written().is_empty());
    let world = world.crash().await;
    idle(&world, 2).await;
    assert_eq!(written(&world), ["3 new comments", "u2's new comment"]);
}

#[tokio::test(start_paused = true)]
async fn a_throttle_keeps_each_user_from_too_many() {
    let world = World::new().await;
    world.devices(1..4).await;
    comment_template(&world).await;
    let throttled = json!({
        "event": "comment.created", "template": "comment", "throttle": { "max": 2, "per": "1h" }
    });
    trigger(&world, "comments", throttled).await;
    let mut lines = Vec::new();
    for recipients in [&["u2", "u3"][..], &["u2"], &["u2", "u3"], &["u2"]] {
        let answer = happened(&world, comment("u1", recipients), None).await;
        lines.extend(said(&answer.unwrap()));
    }
    assert_eq!(
        lines,
        [
            "comments: sent 2 throttled 0",
            "comments: sent 1 throttled 0",
            "comments: sent 1 throttled 1",
            "comments: sent 0 throttled 1",
        ]
    );
    idle(&world, 4).await;
    world.pass(3_600_000).await;
    let later = happened(&world, comment("u1", &["u2"]), None).await;
    assert_eq!(said(&later.unwrap()), ["comments: sent 1 throttled 0"]);
}

#[tokio::test(start_paused = true)]
async fn a_digest_that_cannot_be_told_holds_no_other_up() {
    let world = World::new().await;
    world.devices(1..3).await;
    comment_template(&world).await;
    let digest =
        |name: &str| json!({ "event": name, "template": "comment", "digest": { "window": "1m" } });
    trigger(&world, "gone", digest("a")).await;
    trigger(&world, "stays", digest("b")).await;
    for name in ["a", "b"] {
        let mut event = comment("u1", &["u2"]);
        event["name"] = json!(name);
        happened(&world, event, None).await.unwrap();
    }
    let deleted = world.store.delete_definition(
        world.app,
        DefinitionKind::Trigger,
        "gone".into(),
        0,
        nobody(),
    );
    assert!(deleted.await.unwrap());
    world.engine.refresh().await.unwrap();
    idle(&world, 1).await;
    let failed = world.events("trigger.failed").await;
    assert_eq!(failed.len(), 1);
    assert!(failed[0].data.contains("trigger.gone"), "{failed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_crowd_is_told_too_without_the_actor() {
    let world = World::new().await;
    world.devices(1..6).await;
    comment_template(&world).await;
    let all =
        json!({ "event": "comment.created", "template": "comment", "audience": { "all": true } });
    trigger(&world, "all", all).await;
    let answer = happened(&world, comment("u1", &[]), None).await;
    assert_eq!(said(&answer.unwrap()), ["all: sent 1 throttled 0"]);
    idle(&world, 4).await;
}
