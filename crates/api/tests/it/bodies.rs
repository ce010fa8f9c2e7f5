//! Requests as they come: ids, unknown addresses, methods, panics, and what errors look like.

use crate::faulty::Fault;
use crate::world::{Ask, Setup, World};
use axum::http::Method;
use serde_json::json;

#[tokio::test]
async fn request_ids_are_echoed_when_sane_and_made_otherwise() {
    let world = World::new().await;
    let ask = |id: &str| Ask::new(Method::GET, "/healthz").header("x-request-id", id);
    assert_eq!(
        world.send(ask("trace-1.2:3")).await.header("x-request-id"),
        "trace-1.2:3"
    );
    for bad in ["a b", "<script>", &"x".repeat(129)] {
        let made = world.send(ask(bad)).await.header("x-request-id").to_owned();
        assert!(made.starts_with("req_") && made.len() == 20, "{made}");
    }
    let one = world
        .get("/healthz")
        .await
        .header("x-request-id")
        .to_owned();
    assert_ne!(one, world.get("/healthz").await.header("x-request-id"));
}

#[tokio::test]
async fn unknown_addresses_and_methods() {
    let world = World::new().await;
    for path in ["/", "/v1", "/v1/nothing", "/v2/apps"] {
        let problem = world.get(path).await.problem(404, "route.unknown");
        assert!(problem["detail"].as_str().unwrap().ends_with(path));
    }
    let answer = world.send(Ask::new(Method::PATCH, "/v1/apps/shop")).await;
    let mut allowed: Vec<_> = answer.header("allow").split(',').collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["DELETE", "GET", "HEAD", "PUT"]);
    answer.problem(405, "method.not_allowed");
}

#[tokio::test]
async fn a_problem_in_full() {
    let world = World::furnished(Setup::default()).await;
    let ask = Ask::new(Method::POST, "/v1/apps/shop/notifications")
        .header("x-request-id", "r1")
        .body(
            "application/json",
            r#"{"target": {"all": true}, "content": {"badge": "three"}}"#,
        );
    let answer = world.send(ask).await;
    insta::assert_json_snapshot!(answer.json());
    answer.problem(422, "request.invalid");
}

#[tokio::test]
async fn a_panic_is_an_answer_and_the_next_request_works() {
    let world = World::furnished(Setup::default()).await;
    world.faults.set(Some(Fault::Panic));
    let problem = world
        .get("/v1/apps/shop/devices")
        .await
        .problem(500, "server.error");
    assert!(!problem.to_string().contains("planted"), "{problem}");
    world.faults.set(None);
    world.get("/v1/apps/shop/devices").await.is(200);
}

#[tokio::test]
async fn a_bare_word_for_an_object_is_told_where_it_stands() {
    let world = World::furnished(Setup::default()).await;
    let steps = json!({"steps": [{"whom": "users"}]});
    for (method, path, body, pointer, word) in [
        (
            Method::POST,
            "notifications",
            json!({"target": "all"}),
            "/target",
            "all",
        ),
        (
            Method::PUT,
            "monitors/new",
            json!({"check": "http"}),
            "/check",
            "http",
        ),
        (
            Method::POST,
            "campaigns",
            json!({"audience": "all"}),
            "/audience",
            "all",
        ),
        (Method::PUT, "ladders/new", steps, "/steps/0/whom", "users"),
        (
            Method::PUT,
            "live-activities/new",
            json!({"recipient": "user"}),
            "/recipient",
            "user",
        ),
        (
            Method::PUT,
            "schedules/new",
            json!({"missed": "fire_if_late_by_under"}),
            "/missed",
            "fire_if_late_by_under",
        ),
    ] {
        let ask = Ask::new(method, &format!("/v1/apps/shop/{path}")).json(&body);
        let problem = world.send(ask).await.problem(422, "request.invalid");
        let error = &problem["errors"][0];
        let message =
            format!("expected an object such as {{\"{word}\": …}}, found the word \"{word}\"");
        assert_eq!(
            (&error["pointer"], &error["message"]),
            (&json!(pointer), &json!(message)),
            "{problem}"
        );
    }
}

#[tokio::test]
async fn a_wrong_number_in_the_path_is_named() {
    let world = World::furnished(Setup::default()).await;
    for no in ["abc", "-1", "1.5", "18446744073709551616"] {
        for word in ["acknowledge", "unacknowledge", "snooze", "resolve"] {
            let path = format!("/v1/apps/shop/incidents/web/{no}/{word}");
            let problem = world
                .post_to(path, json!({"by": "ann"}))
                .await
                .problem(400, "request.parameter");
            let error = &problem["errors"][0];
            assert_eq!(error["pointer"], "no", "{problem}");
            assert_eq!(
                error["message"],
                format!("expected a whole number from 1, of fitting size, found \"{no}\"")
            );
        }
    }
}

#[tokio::test]
async fn every_word_of_the_body_must_be_known() {
    let world = World::furnished(Setup::default()).await;
    for (body, pointer, code) in [
        (
            json!({"target": {"devices": ["phone"]}, "content": {}, "sent_at": "x"}),
            "/sent_at",
            "field.unknown",
        ),
        (
            json!({"target": {"devices": "phone"}, "content": {}}),
            "/target/devices",
            "field.type",
        ),
        (
            json!({"target": {"devices": []}, "content": {}}),
            "/target/devices",
            "target.entries",
        ),
        (
            json!({"target": {"devices": ["phone", "nobody"]}, "content": {}}),
            "/target/devices/1",
            "target.unknown_device",
        ),
        (
            json!({"target": {"users": ["nobody"]}, "content": {}}),
            "/target",
            "target.nobody",
        ),
        (
            json!({"target": {"all": false}, "content": {}}),
            "/target/all",
            "target.all_is_true",
        ),
        (
            json!({"target": {"devices": ["phone"]}, "content": {"body": "x".repeat(4097)}}),
            "/content",
            "apns.too_large",
        ),
    ] {
        let problem = world
            .post("/v1/apps/shop/notifications", body)
            .await
            .problem(422, "request.invalid");
        let error = &problem["errors"][0];
        assert_eq!(
            (error["pointer"].as_str(), error["code"].as_str()),
            (Some(pointer), Some(code)),
            "{problem}"
        );
    }
    let expired = json!({"target": {"devices": ["phone"]}, "content": {}, "expires_at": "2020-01-01T00:00:00Z"});
    let problem = world
        .post("/v1/apps/shop/notifications", expired)
        .await
        .problem(422, "request.invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/expires_at");
    assert_eq!(
        world
            .get("/v1/apps/shop/notifications")
            .await
            .is(200)
            .json()["data"],
        json!([]),
        "nothing was stored"
    );
}
