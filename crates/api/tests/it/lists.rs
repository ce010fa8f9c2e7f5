//! Lists: uploaded, refused, and sent to.

use crate::world::{Ask, Setup, TOKEN, World};
use axum::body::{Body, Bytes};
use axum::http::Method;
use serde_json::{Value, json};

const PATH: &str = "/v1/apps/shop/lists/new";

fn upload(query: &str, content_type: &'static str, body: impl Into<Body>) -> Ask {
    Ask::new(Method::PUT, &format!("{PATH}{query}")).body(content_type, body.into())
}

fn csv(query: &str, body: &str) -> Ask {
    upload(query, "text/csv", body.to_owned())
}

fn lines(query: &str, body: &str) -> Ask {
    upload(query, "application/x-ndjson", body.to_owned())
}

/// Devices `a1` of ann, `a2` of ann and `b1` of bob, the last with a push token.
async fn furnished() -> World {
    let world = World::furnished(Setup::default()).await;
    let alert = json!([{"kind": "alert", "token": TOKEN.replace("00fc", "11fc")}]);
    for (id, user, push_tokens) in [
        ("a1", "ann-1", json!([])),
        ("a2", "ann-1", json!([])),
        ("b1", "bob-1", alert),
    ] {
        let device = json!({"user_id": user, "push_tokens": push_tokens});
        let path = format!("/v1/apps/shop/devices/{id}");
        world.put(&path, device).await.is(201);
    }
    world
}

fn counts(list: &Value) -> [&Value; 5] {
    ["rows", "taken", "doubled", "unknown", "bad"].map(|count| &list["upload"][count])
}

#[tokio::test]
async fn a_list_is_uploaded_replaced_and_deleted() {
    let world = furnished().await;
    let body = "device,city\r\na1,Seoul\r\nnobody,Busan\r\n,Jeju\r\na1,Seoul\r\nb1\r\n";
    let made = world.send(csv("", body)).await.is(201).json();
    assert_eq!((&made["version"], &made["devices"]), (&json!(1), &json!(1)));
    assert_eq!(counts(&made), [5, 1, 1, 1, 2], "{made}");
    assert_eq!(made["upload"]["unknown_lines"], json!([3]));
    let bad = &made["upload"]["bad_lines"];
    assert_eq!((&bad[0]["line"], &bad[1]["line"]), (&json!(4), &json!(6)));
    let message = bad[1]["message"].as_str().unwrap();
    assert!(message.contains("expected 2 values"), "{message}");

    let ask = lines("", "{\"user\":\"ann-1\"}\n\n{\"device\":\"b1\"}\n");
    let second = world.send(ask).await.is(200).json();
    assert_eq!(
        (&second["version"], &second["devices"]),
        (&json!(2), &json!(3))
    );
    assert_eq!(counts(&second), [2, 2, 0, 0, 0]);
    let read = world.get(PATH).await.is(200).json();
    assert_eq!(read["upload"]["unknown_lines"], Value::Null);
    assert_eq!((&read["devices"], &read["version"]), (&json!(3), &json!(2)));
    let list = world.get("/v1/apps/shop/lists").await.is(200).json();
    assert_eq!(list["data"].as_array().unwrap().len(), 2);
    world.delete(PATH).await.is(204);
    let gone = world.get("/v1/apps/shop/lists/buyer").await;
    let gone = gone.problem(404, "list.unknown");
    assert!(
        gone["detail"].as_str().unwrap().contains("buyers"),
        "{gone}"
    );
}

#[tokio::test]
async fn the_column_is_the_one_that_the_caller_says() {
    let world = furnished().await;
    let token = TOKEN.replace("00fc", "11fc");
    for (ask, devices) in [
        (
            csv("?by=user&column=customer", "x,customer\n1,ann-1\n2,bob-1\n"),
            3,
        ),
        (csv("?by=user", "device,user\na1,bob-1\n"), 1),
        (csv("?by=device&header=false", "a1\na2\n"), 2),
        (csv("?by=device&header=false&column=2", "x,a1\ny,a2\n"), 2),
        (csv("", &format!("push_token\n{token}\n")), 1),
        (
            csv(
                "?by=push_token&kind=alert&column=t",
                &format!("t\n{token}\n"),
            ),
            1,
        ),
        (lines("?by=user&column=uid", "{\"uid\":\"ann-1\"}\n"), 2),
    ] {
        let path = ask.path.clone();
        let stored = world.send(ask).await.json();
        assert_eq!(stored["devices"], devices, "{path}: {stored}");
    }
    let before = world.get(PATH).await.is(200).json();
    for (ask, status, code) in [
        (csv("", "id\na1\n"), 422, "request.invalid"),
        (csv("", ""), 422, "request.invalid"),
        (
            csv("?by=user&column=uid", "user\nann-1\n"),
            422,
            "request.invalid",
        ),
        // Nobody at all: the wrong column, most likely.
        (
            csv("?by=user&column=city", "city\nSeoul\n"),
            422,
            "request.invalid",
        ),
        (csv("?column=uid", "uid\nann-1\n"), 400, "request.parameter"),
        (csv("?header=false", "a1\n"), 400, "request.parameter"),
        (csv("?by=name", "a1\n"), 400, "request.parameter"),
        (
            csv("?by=device&header=false&column=9", "a1\n"),
            400,
            "request.parameter",
        ),
        (
            lines("?header=true", "{\"device\":\"a1\"}\n"),
            400,
            "request.parameter",
        ),
        (lines("", "nope\n"), 422, "request.invalid"),
        (
            upload("", "application/json", "{}".to_owned()),
            415,
            "request.content_type",
        ),
    ] {
        let path = ask.path.clone();
        let problem = world.send(ask).await.problem(status, code);
        assert!(!problem["detail"].as_str().unwrap().is_empty(), "{path}");
    }
    let after = world.get(PATH).await.is(200).json();
    assert_eq!(after, before, "what is refused changes nothing");
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_the_old_list() {
    let world = furnished().await;
    let made = world.send(csv("", "device\na1\n")).await.is(201).json();
    let parts = vec![
        Ok(Bytes::from_static(b"device\na2\nb1\n")),
        Err(std::io::Error::other("the line went dead")),
    ];
    let broken = Body::from_stream(futures_util::stream::iter(parts));
    let answer = world.send(upload("", "text/csv", broken)).await;
    answer.problem(400, "request.syntax");
    let read = world.get(PATH).await.is(200).json();
    assert_eq!(
        (&read["version"], &read["devices"]),
        (&made["version"], &json!(1))
    );
}

#[tokio::test]
async fn a_list_is_sent_to() {
    let world = furnished().await;
    let ask = csv("", "device\na1\nb1\n");
    world.send(ask).await.is(201);
    let send = json!({"target": {"list": "new"}, "content": {"body": "b"}});
    let sent = world
        .post("/v1/apps/shop/notifications", send.clone())
        .await;
    let id = sent.is(202).json()["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/apps/shop/notifications/{id}");
    // a1 has no push token.
    let read = world
        .wait(&path, |read| read["status"] == "completed")
        .await;
    assert_eq!(read["deliveries"]["accepted"], 1, "{read}");
    world.delete(PATH).await.is(204);
    let refused = world.post("/v1/apps/shop/notifications", send).await;
    let problem = refused.problem(422, "request.invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/target/list");
    assert_eq!(problem["errors"][0]["code"], "target.unknown_list");
}
