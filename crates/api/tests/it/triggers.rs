//! Triggers, and the events that are reported to them.

use crate::catalogue::{event, template, trigger};
use crate::world::{Ask, Setup, World};
use axum::http::Method;
use serde_json::{Value, json};

const PATH: &str = "/v1/apps/shop/triggers/new";
const EVENTS: &str = "/v1/apps/shop/events";

async fn only(world: &World, definition: Value) {
    world
        .delete("/v1/apps/shop/triggers/comments")
        .await
        .is(204);
    world.put(PATH, definition).await.is(201);
}

async fn report(world: &World, event: Value) -> Value {
    let answer = world.post(EVENTS, event).await.is(202).json();
    answer["triggers"][0].clone()
}

#[tokio::test]
async fn a_trigger_is_stored_changed_and_deleted() {
    let world = World::furnished(Setup::default()).await;
    let made = world.put(PATH, trigger()).await.is(201).json();
    assert_eq!(made["version"], 1);
    assert_eq!(made["definition"]["template"], "used");
    let same = world.put(PATH, trigger()).await.is(200).json();
    assert_eq!(same, made, "the same again changes nothing");
    let mut resting = trigger();
    resting["enabled"] = json!(false);
    let second = world.put(PATH, resting).await.is(200).json();
    assert_eq!(second["version"], 2);
    assert_eq!(world.get(PATH).await.is(200).json(), second);
    let list = world.get("/v1/apps/shop/triggers?limit=1").await.is(200);
    let list = list.json();
    assert_eq!(list["data"][0]["name"], "comments");
    let next = list["next"].as_str().unwrap();
    let rest = format!("/v1/apps/shop/triggers?cursor={next}");
    let rest = world.get(&rest).await.is(200).json();
    assert_eq!(rest["data"][0], second);
    world.delete(PATH).await.is(204);
    let gone = world.get("/v1/apps/shop/triggers/coments").await;
    let gone = gone.problem(404, "trigger.unknown");
    assert!(
        gone["detail"].as_str().unwrap().contains("comments"),
        "{gone}"
    );
}

#[tokio::test]
async fn everything_that_is_wrong_with_a_trigger_has_its_place() {
    let world = World::furnished(Setup::default()).await;
    let long = "x".repeat(5_000);
    for (body, code, pointer) in [
        (
            json!({"event": "a b", "template": "used"}),
            "trigger.event",
            "/event",
        ),
        (json!({"event": "a"}), "content.one_of", "/template"),
        (
            json!({"event": "a", "template": "usd"}),
            "template.unknown",
            "/template",
        ),
        (
            json!({"event": "a", "template": "used", "condition": "data.likes >"}),
            "expression.syntax",
            "/condition",
        ),
        (
            json!({"event": "a", "template": "used", "audience": {"users_at": "dta.x"}}),
            "trigger.path",
            "/audience",
        ),
        (
            json!({"event": "a", "content": {"body": long}}),
            "apns.too_large",
            "/content",
        ),
        (
            json!({"event": "a", "template": "used", "options": {"push_type": "voip", "gateway": "fcm"}}),
            "options.gateway",
            "/options/gateway",
        ),
        (
            json!({"event": "a", "template": "used", "digest": {"window": "8d"}}),
            "field.value",
            "/digest",
        ),
        (
            json!({"event": "a", "template": "used", "audiance": {}}),
            "field.unknown",
            "/audiance",
        ),
    ] {
        let problem = world.put(PATH, body).await.problem(422, "request.invalid");
        let error = &problem["errors"][0];
        assert_eq!(
            (&error["code"], &error["pointer"]),
            (&json!(code), &json!(pointer)),
            "{problem}"
        );
        match code {
            "expression.syntax" => assert_eq!(error["line"], 1),
            "template.unknown" => {
                assert!(
                    error["message"].as_str().unwrap().contains("`used`"),
                    "{error}"
                );
            }
            _ => {}
        }
    }
    world.get(PATH).await.problem(404, "trigger.unknown");
}

#[tokio::test]
async fn an_event_is_told_to_whom_it_concerns_and_not_to_its_actor() {
    let world = World::furnished(Setup::default()).await;
    let sent = report(&world, event()).await;
    assert_eq!(
        (&sent["trigger"], &sent["result"]),
        (&json!("comments"), &json!("sent"))
    );
    let id = sent["notifications"][0].as_str().unwrap();
    let path = format!("/v1/apps/shop/notifications/{id}");
    world
        .wait(&path, |seen| seen["deliveries"]["accepted"] == 1)
        .await;

    let mut by_ann = event();
    by_ann["actor"] = json!("ann");
    let nobody = report(&world, by_ann).await;
    assert_eq!(nobody["result"], "nobody");
    assert!(
        nobody["nobody"].as_str().unwrap().contains("actor"),
        "{nobody}"
    );

    let mut without = event();
    without["data"] = json!({"nam": "Bob"});
    let refused = report(&world, without).await;
    assert_eq!(refused["result"], "refused");
    let problem = &refused["problems"][0];
    assert_eq!(
        (&problem["code"], &problem["pointer"]),
        (&json!("template.variable_missing"), &json!("/data/name"))
    );
    let message = problem["message"].as_str().unwrap();
    assert!(message.starts_with("`name` is required"), "{message}");
    let nobody = report(&world, json!({"name": "comment.created"})).await;
    assert!(
        nobody["nobody"].as_str().unwrap().contains("`recipients`"),
        "{nobody}"
    );

    let other = world.post(EVENTS, json!({"name": "order.paid"})).await;
    assert_eq!(other.is(202).json(), json!({"triggers": []}));
    let log = world.get(EVENTS).await.is(200).json();
    let kinds: Vec<_> = log["data"].as_array().unwrap().iter().collect();
    assert!(
        kinds.iter().all(|entry| entry["kind"] != "comment.created"),
        "the log is of what came of it: {log}"
    );
}

#[tokio::test]
async fn events_are_skipped_throttled_and_gathered() {
    let world = World::furnished(Setup::default()).await;
    only(
        &world,
        json!({"event": "comment.*", "template": "used", "condition": "data.likes >= 3",
               "throttle": {"max": 1, "per": "1h"}}),
    )
    .await;
    let liked = |likes: u32| {
        let mut event = event();
        event["data"]["likes"] = json!(likes);
        event
    };
    assert_eq!(report(&world, liked(2)).await["result"], "skipped");
    assert_eq!(report(&world, liked(3)).await["result"], "sent");
    let second = report(&world, liked(4)).await;
    assert_eq!(
        (&second["result"], &second["throttled"]),
        (&json!("throttled"), &json!(1))
    );

    let gathering =
        json!({"event": "comment.created", "template": "used", "digest": {"window": "10m"}});
    world.put(PATH, gathering).await.is(200);
    let gathered = report(&world, event()).await;
    assert_eq!(
        (&gathered["result"], &gathered["gathered"]),
        (&json!("gathered"), &json!(1))
    );
    assert_eq!(gathered["due_at"], "2026-08-01T12:10:00.000Z");
}

#[tokio::test]
async fn the_same_key_and_body_is_the_same_event() {
    let world = World::furnished(Setup::default()).await;
    let ask = |body: Value| {
        Ask::new(Method::POST, EVENTS)
            .json(&body)
            .header("idempotency-key", "e1")
    };
    let first = world.send(ask(event())).await.is(202).json();
    let again = world.send(ask(event())).await.is(202).json();
    assert_eq!(again["triggers"][0]["repeated"], true);
    assert_eq!(
        again["triggers"][0]["notifications"],
        first["triggers"][0]["notifications"]
    );
    let mut other = event();
    other["data"]["name"] = json!("Eve");
    world
        .send(ask(other))
        .await
        .problem(422, "idempotency.reused");
    let sent = world.get("/v1/apps/shop/notifications").await.json();
    assert_eq!(sent["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn wrong_and_large_events_are_refused() {
    let world = World::furnished(Setup::default()).await;
    for (body, code, pointer) in [
        (json!({"name": "a b"}), "event.name", "/name"),
        (json!({"name": "a", "actor": ""}), "event.text", "/actor"),
        (json!({"name": "a", "data": [1]}), "event.data", "/data"),
        (
            json!({"name": "a", "recipients": [""]}),
            "event.text",
            "/recipients/0",
        ),
        (
            json!({"name": "a", "recipients": vec!["u"; 1_001]}),
            "event.recipients",
            "/recipients",
        ),
        (json!({"nme": "a"}), "field.unknown", "/nme"),
    ] {
        let problem = world
            .post(EVENTS, body)
            .await
            .problem(422, "request.invalid");
        let error = &problem["errors"][0];
        assert_eq!(
            (&error["code"], &error["pointer"]),
            (&json!(code), &json!(pointer)),
            "{problem}"
        );
    }
    let large = json!({"name": "a", "data": {"x": "y".repeat(65_536)}});
    let problem = world.post(EVENTS, large).await;
    let problem = problem.problem(413, "request.too_large");
    assert!(
        problem["detail"].as_str().unwrap().contains("65536"),
        "{problem}"
    );
}

#[tokio::test]
async fn many_events_are_answered_line_by_line_in_order() {
    let world = World::furnished(Setup::default()).await;
    let mut lines = String::new();
    for at in 0..120 {
        let mut event = event();
        event["data"]["name"] = json!(format!("n{at}"));
        lines += &match at % 40 {
            7 => "{\"name\": \"a b\"}\n".to_owned(),
            8 => "nope\n".to_owned(),
            _ => format!("{event}\n"),
        };
    }
    let ask = || {
        Ask::new(Method::POST, EVENTS)
            .body("application/x-ndjson", lines.clone())
            .header("idempotency-key", "file-1")
    };
    let answers = world.send(ask()).await.is(200).lines();
    assert_eq!(answers.len(), 120);
    for (at, answer) in answers.iter().enumerate() {
        assert_eq!(answer["line"], at as u64 + 1);
        match at % 40 {
            7 => assert_eq!(answer["problem"]["errors"][0]["code"], "event.name"),
            8 => assert_eq!(answer["problem"]["errors"][0]["code"], "line.syntax"),
            _ => assert_eq!(answer["triggers"][0]["result"], "sent", "{answer}"),
        }
    }
    let again = world.send(ask()).await.is(200).lines();
    for (first, again) in answers.iter().zip(&again) {
        assert_eq!(
            first["triggers"][0]["notifications"],
            again["triggers"][0]["notifications"]
        );
    }
}

#[tokio::test]
async fn a_trial_says_what_would_become_of_an_event_and_sends_nothing() {
    let world = World::furnished(Setup::default()).await;
    only(
        &world,
        json!({"event": "comment.*", "template": "used", "condition": "data.likes >= 3"}),
    )
    .await;
    let path = format!("{PATH}/test");
    let trial = async |likes: u32, change: &dyn Fn(&mut Value)| {
        let mut event = event();
        event["data"]["likes"] = json!(likes);
        change(&mut event);
        let answer = world.post(&path, json!({ "event": event })).await;
        answer.is(200).json()
    };
    let good = trial(3, &|_| {}).await;
    assert_eq!(good["matches"], true);
    assert_eq!(good["audience"]["first_users"], json!(["ann"]));
    let would = &good["would_send"];
    assert_eq!(
        (&would["devices"], &would["first"]),
        (&json!(1), &json!(["phone"]))
    );
    assert_eq!(
        (&would["sampled"], &would["renderable"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(would["samples"][0]["content"]["body"], "Bob");

    let unliked = trial(1, &|_| {}).await;
    assert_eq!(
        (
            &unliked["matches"],
            &unliked["condition_holds"],
            &unliked["name_fits"]
        ),
        (&json!(false), &json!(false), &json!(true))
    );
    let other = trial(3, &|event| event["name"] = json!("order.paid")).await;
    assert_eq!(
        (&other["matches"], &other["name_fits"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(other["audience"], json!(null));
    let actor = trial(3, &|event| event["actor"] = json!("ann")).await;
    assert!(actor["audience"]["nobody"].is_string(), "{actor}");
    assert_eq!(actor["would_send"], json!(null));
    let nameless = trial(3, &|event| event["data"] = json!({"likes": 3})).await;
    assert_eq!(
        nameless["problems"][0]["pointer"], "/event/data/name",
        "{nameless}"
    );
    let stranger = trial(3, &|event| event["recipients"] = json!(["nobody"])).await;
    assert_eq!(
        stranger["problems"][0]["code"], "target.nobody",
        "{stranger}"
    );

    let wrong = world.post(&path, json!({"event": {"name": "a b"}})).await;
    let wrong = wrong.problem(422, "request.invalid");
    assert_eq!(wrong["errors"][0]["pointer"], "/event/name");
    let crowd = json!({"event": "comment.*", "template": "used", "audience": {"all": true}, "enabled": false});
    world.put(PATH, crowd).await.is(200);
    let crowd = trial(0, &|_| {}).await;
    assert_eq!(
        (&crowd["enabled"], &crowd["matches"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(crowd["audience"]["target"], json!({"all": true}));
    assert_eq!(crowd["would_send"]["devices"], 1);
    let sent = world.get("/v1/apps/shop/notifications").await.json();
    assert_eq!(sent["data"], json!([]));
}

#[tokio::test]
async fn a_template_that_is_used_stays() {
    let world = World::furnished(Setup::default()).await;
    let used = "/v1/apps/shop/templates/used";
    for user in ["triggers/comments", "schedules/news", "schedules/resting"] {
        world.delete(used).await.problem(409, "template.in_use");
        let user = format!("/v1/apps/shop/{user}");
        world.delete(&user).await.is(204);
    }
    world.delete(used).await.is(204);
    world.put(used, template()).await.is(201);
}

/// The page's trigger and event can be used as they stand, and its table has every result and audience.
#[tokio::test]
async fn the_guide_is_true() {
    let guide = include_str!("../../../../docs/guide/triggers.md");
    let blocks = guide.split("```json\n").skip(1);
    let blocks: Vec<Value> = blocks
        .map(|block| serde_json::from_str(block.split("```").next().unwrap()).unwrap())
        .collect();
    let [trigger, reported] = &blocks[..] else {
        panic!("a trigger and an event: {blocks:?}");
    };
    let world = World::furnished(Setup::default()).await;
    let says = json!({"default_locale": "en", "variables": {"writer": {"type": "string"}},
                      "content": {"en": {"body": "{{ writer }}"}}});
    world
        .put("/v1/apps/shop/templates/comment-created", says)
        .await
        .is(201);
    only(&world, trigger.clone()).await;
    assert_eq!(report(&world, reported.clone()).await["result"], "gathered");

    let cells: Vec<&str> = guide
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"))
        .map(|(cell, _)| cell)
        .collect();
    for audience in cells.iter().filter(|cell| cell.starts_with('{')) {
        let audience: Value = serde_json::from_str(audience).unwrap();
        let trigger = json!({"event": "a", "template": "used", "audience": audience});
        world.put(PATH, trigger).await.is(200);
    }
    let results = [
        "sent",
        "gathered",
        "throttled",
        "skipped",
        "nobody",
        "refused",
    ];
    for result in results {
        assert!(cells.contains(&result), "{result}: {cells:?}");
    }
}
