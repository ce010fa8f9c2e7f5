//! Live Activities by the API: declared, changed, told of by phones with a publishable key, and what is refused.

use crate::catalogue::{live_activity, update_token};
use crate::world::{Ask, Setup, TOKEN, World};
use axum::http::Method;
use carillon_ports::registry::Scope;
use serde_json::{Value, json};

const LESSON: &str = "/v1/apps/shop/live-activities/piano";
const PHONE: &str = "/v1/apps/shop/devices/5b1c0e9e-3d0b-4f4e-9a57-2f1d6b7a1c11";

fn with(member: &str, value: Value) -> Value {
    let mut body = live_activity();
    body[member] = value;
    body
}

#[tokio::test]
async fn one_is_declared_changed_and_cancelled() {
    let world = World::furnished(Setup::default()).await;
    let made = world.put(LESSON, live_activity()).await.is(201).json();
    assert_eq!(made["state"], "planned");
    assert_eq!(made["ends_at"], "2026-09-01T13:00:00.000Z");
    assert_eq!(
        made["phases"],
        json!([{"name": "ending", "at": "2026-09-01T12:45:00.000Z"}])
    );
    assert_eq!(
        made["plan"]["ends_at"], "starts_at + 1h",
        "as it was written"
    );
    let same = world.put(LESSON, live_activity()).await.is(200).json();
    assert_eq!(same, made);
    let change = json!({"ends_at": "2026-09-01T13:20:00Z"});
    let ask = Ask::new(Method::PATCH, LESSON).json(&change);
    let moved = world.send(ask).await.is(200).json();
    assert_eq!(moved["phases"][0]["at"], "2026-09-01T13:05:00.000Z");
    let state = json!({"content_state": {"since": 1_796_112_000}});
    let ask = Ask::new(Method::PATCH, LESSON).json(&state);
    world.send(ask).await.is(200);
    let over = world
        .post(&format!("{LESSON}/end"), json!({}))
        .await
        .is(200)
        .json();
    assert_eq!(
        (&over["state"], &over["ended_by"]),
        (&json!("cancelled"), &json!("asked"))
    );
    let listed = world
        .get("/v1/apps/shop/live-activities?state=cancelled")
        .await
        .is(200);
    assert_eq!(listed.json()["data"][0]["id"], "piano");
    let what = world.get(&format!("{LESSON}/phases")).await.is(200).json();
    assert_eq!(what["data"][0]["what"], "cancelled");
}

#[tokio::test]
async fn what_is_wrong_is_said_with_its_place() {
    let world = World::furnished(Setup::default()).await;
    for (body, pointer, code) in [
        (
            with("alert", Value::Null),
            "/alert",
            "live_activity.alert_missing",
        ),
        (
            with("starts_at", json!(1_796_112_000_000_i64)),
            "/starts_at",
            "live_activity.time",
        ),
        (
            with("ends_at", json!("phases.ending + 1m")),
            "/ends_at",
            "live_activity.cycle",
        ),
        (
            with("ends_at", json!("starts_at - 1h")),
            "/ends_at",
            "live_activity.ends_before_start",
        ),
        (
            with("content_state", json!({"photo": "x".repeat(5_000)})),
            "/content_state",
            "live_activity.too_large",
        ),
    ] {
        let problem = world
            .put(LESSON, body)
            .await
            .problem(422, "request.invalid");
        let found = problem["errors"].as_array().unwrap();
        assert!(
            found
                .iter()
                .any(|error| error["pointer"] == pointer && error["code"] == code),
            "{pointer}: {found:?}"
        );
    }
    let warned = with("content_state", json!({"endTime": 1_796_112_000}));
    let warned = world.put(LESSON, warned).await.is(201).json();
    assert_eq!(warned["warnings"][0]["pointer"], "/content_state/endTime");
}

#[tokio::test]
async fn a_phone_tells_of_its_own_with_a_publishable_key() {
    let world = World::furnished(Setup::default()).await;
    let key = world
        .make_key(Some(world.app("shop")), &[Scope::Register])
        .await;
    let register = Ask::new(Method::PUT, PHONE).json(&json!({})).key(&key);
    let made = world.send(register).await.is(201).json();
    let secret = made["device_secret"].as_str().unwrap().to_owned();
    let id = PHONE.rsplit('/').next().unwrap();
    let body = with("recipient", json!({"device": id}));
    world.put(LESSON, body).await.is(201);
    let ask = |method: Method, path: &str, body: &Value| {
        let ask = Ask::new(method, path).json(body).key(&key);
        ask.header("carillon-device-secret", &secret)
    };
    let start = format!("{PHONE}/push-to-start-tokens/LessonAttributes");
    let told = json!({"token": TOKEN, "environment": "sandbox", "from_the_future": 1});
    world.send(ask(Method::PUT, &start, &told)).await.is(204);
    world
        .send(ask(Method::DELETE, &start, &json!({})))
        .await
        .is(204);
    let token = format!("{LESSON}/tokens/{id}");
    world
        .send(ask(Method::PUT, &token, &update_token()))
        .await
        .is(204);
    let seen = world.get(LESSON).await.is(200).json();
    assert_eq!(
        seen["state"], "active",
        "the app started it before its time"
    );
    assert_eq!(seen["phones"][0]["has_update_token"], true);
    assert!(
        !seen.to_string().contains(TOKEN),
        "push tokens are not shown"
    );
    let mut other = update_token();
    other["attributes_type"] = json!("Ride");
    let refused = world.send(ask(Method::PUT, &token, &other)).await;
    let problem = refused.problem(422, "request.invalid");
    assert_eq!(
        problem["errors"][0]["code"],
        "live_activity.attributes_type"
    );
    let gone = format!("{LESSON}/ended/{id}");
    world
        .send(ask(Method::POST, &gone, &json!({"reason": "user"})))
        .await
        .is(204);
    let seen = world.get(LESSON).await.is(200).json();
    assert_eq!(seen["phones"][0]["gone"], true);
}

#[tokio::test]
async fn one_has_a_channel_of_its_own() {
    let world = World::furnished(Setup::default()).await;
    let new = json!({"environment": "sandbox", "store": true});
    let mut body = with("recipient", json!({"new_channel": new}));
    let problem = world.put(LESSON, body.clone()).await;
    let problem = problem.problem(422, "request.invalid");
    assert_eq!(problem["errors"][0]["code"], "live_activity.start");
    body["start"] = json!("app");
    world.put(LESSON, body.clone()).await.is(201);
    let made = world
        .wait(LESSON, |seen| seen["channel"]["state"] == "made")
        .await;
    assert_eq!(
        made["channel"],
        json!({"id": "bmV3", "state": "made", "environment": "sandbox", "topic": "com.example.shop", "store": true,
               "tries": 0, "doubts": 0, "next_try_at": null, "error": null})
    );
    assert_eq!(made["state"], "planned");
    body["recipient"]["new_channel"]["store"] = json!(false);
    let problem = world.put(LESSON, body).await;
    let problem = problem.problem(422, "request.invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/recipient");
    world
        .post(&format!("{LESSON}/end"), json!({}))
        .await
        .is(200);
    let over = world
        .wait(LESSON, |seen| seen["channel"]["state"] == "deleted")
        .await;
    assert_eq!(over["channel"]["id"], "bmV3");
}

#[tokio::test]
async fn what_a_phone_was_told_is_told() {
    let world = World::furnished(Setup::default()).await;
    world.put(LESSON, live_activity()).await.is(201);
    let mut token = update_token();
    token["content_state"] = json!({"status": "active"});
    let path = format!("{LESSON}/tokens/phone");
    world.put(&path, token).await.is(204);
    let change = json!({"content_state": {"status": "late"}});
    let ask = Ask::new(Method::PATCH, LESSON).json(&change);
    world.send(ask).await.is(200);
    let records = world
        .wait(&format!("{LESSON}/phases"), |said| {
            said["data"][0]["pushes"][0]["state"] == "accepted"
        })
        .await;
    let push = &records["data"][0]["pushes"][0];
    assert_eq!(push["device"], "phone", "not the one that keeps the token");
    let delivery = push["delivery"].as_str().unwrap();
    let path = format!("/v1/apps/shop/deliveries/{delivery}");
    let story = world.get(&path).await.is(200).json();
    let of = &story["live_activity"];
    assert_eq!(
        (&of["id"], &of["what"]),
        (&json!("piano"), &json!("updated"))
    );
    let told = &story["explanation"];
    assert!(
        told["rule"].as_str().unwrap().contains("tells nobody"),
        "{told}"
    );
    assert!(
        told["story"][2].as_str().unwrap().contains("Priority 5"),
        "{told}"
    );

    let ordinary = world.settled("hello").await;
    let id = ordinary["id"].as_str().unwrap();
    let path = format!("/v1/apps/shop/notifications/{id}/deliveries");
    let delivery = world.get(&path).await.is(200).json()["data"][0]["id"].clone();
    let path = format!("/v1/apps/shop/deliveries/{}", delivery.as_str().unwrap());
    let story = world.get(&path).await.is(200).json();
    assert_eq!(story["live_activity"], Value::Null);
}
