//! Devices: registered one by one and in files, listed, erased.

use crate::catalogue::device;
use crate::world::{Answer, Ask, Setup, TOKEN, World};
use axum::http::Method;
use serde_json::{Value, json};

const DEVICES: &str = "/v1/apps/shop/devices";

#[tokio::test]
async fn a_device_is_registered_again_and_deleted() {
    let world = World::furnished(Setup::default()).await;
    let made = world
        .put("/v1/apps/shop/devices/tablet", device())
        .await
        .is(201)
        .json();
    assert_eq!(
        (&made["user_id"], &made["locale"], &made["tags"]),
        (&json!("ann"), &json!("ko-KR"), &json!(["beta"]))
    );
    let token = &made["push_tokens"][0];
    assert_eq!(
        (&token["kind"], &token["environment"]),
        (&json!("alert"), &json!("production"))
    );
    assert!(
        !made.to_string().contains(TOKEN),
        "a push token is not shown"
    );
    assert_eq!(token["fingerprint"], "00fc…e8f0");
    world.clock.advance(5_000);
    let again = world
        .put("/v1/apps/shop/devices/tablet", device())
        .await
        .is(200)
        .json();
    assert!(again["push_tokens"][0]["generation"].as_u64() > token["generation"].as_u64());
    assert_eq!(again["last_seen_at"], "2026-08-01T12:00:05.000Z");
    let phone = world
        .get("/v1/apps/shop/devices/phone")
        .await
        .is(200)
        .json();
    assert_eq!(phone["push_tokens"], json!([]), "its push token moved");
    world.delete("/v1/apps/shop/devices/tablet").await.is(204);
    world
        .get("/v1/apps/shop/devices/tablet")
        .await
        .problem(404, "device.unknown");
}

#[tokio::test]
async fn carillon_makes_ids_and_a_repeated_request_makes_no_second_device() {
    let world = World::furnished(Setup::default()).await;
    let body = json!({"user_id": "eve"});
    let made = world.post(DEVICES, body.clone()).await.is(201);
    let id = made.json()["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("dev_"), "{id}");
    assert_eq!(made.header("location"), format!("{DEVICES}/{id}"));
    world.get(made.header("location")).await.is(200);

    let ask = |body: &Value| {
        Ask::new(Method::POST, DEVICES)
            .header("idempotency-key", "k1")
            .json(body)
    };
    let first = world.send(ask(&body)).await.is(201).json();
    let second = world.send(ask(&body)).await.is(200).json();
    assert_eq!(first, second);
    world
        .send(ask(&json!({"user_id": "bob"})))
        .await
        .problem(422, "idempotency.reused");
    let eves = world
        .get("/v1/apps/shop/devices?user_id=eve")
        .await
        .is(200)
        .json();
    assert_eq!(eves["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn names_and_bodies_are_checked() {
    let world = World::furnished(Setup::default()).await;
    world
        .put("/v1/apps/shop/devices/a%2Fb", json!({}))
        .await
        .problem(400, "request.parameter");
    let problem = world
        .put("/v1/apps/shop/devices/a", json!({"id": "b"}))
        .await
        .problem(422, "request.invalid");
    assert_eq!(problem["errors"][0]["code"], "device.id_in_body");
    let body = json!({"push_tokens": [{"token": "xyz"}, {"kind": "fax", "token": "aa"}]});
    let problem = world
        .post(DEVICES, body)
        .await
        .problem(422, "request.invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/push_tokens/1/kind");
}

#[tokio::test]
async fn lists_by_user_and_page() {
    let world = World::furnished(Setup::default()).await;
    for n in 0..5 {
        world
            .put(
                &format!("{DEVICES}/d{n}"),
                json!({"user_id": format!("u{}", n % 2)}),
            )
            .await
            .is(201);
    }
    let ids = |page: &Value| -> Vec<String> {
        page["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|d| d["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let page = world
        .get(&format!("{DEVICES}?user_id=u0&limit=2"))
        .await
        .is(200)
        .json();
    assert_eq!(ids(&page), ["d0", "d2"]);
    let next = page["next"].as_str().unwrap();
    let page = world
        .get(&format!("{DEVICES}?user_id=u0&limit=2&cursor={next}"))
        .await
        .is(200)
        .json();
    assert_eq!(
        (ids(&page), &page["next"]),
        (vec!["d4".to_owned()], &json!(null))
    );
}

#[tokio::test]
async fn a_user_is_erased() {
    let world = World::furnished(Setup::default()).await;
    world.settled("for ann").await;
    let erased = world.delete("/v1/apps/shop/users/ann").await.is(200).json();
    assert_eq!(erased, json!({"devices": 1, "notifications": 1}));
    world
        .get("/v1/apps/shop/devices/phone")
        .await
        .problem(404, "device.unknown");
    let again = world.delete("/v1/apps/shop/users/ann").await.is(200).json();
    assert_eq!(again["devices"], 0);
}

#[tokio::test]
async fn what_was_sent_to_a_device_newest_first() {
    let world = World::furnished(Setup::default()).await;
    let mut ids = Vec::new();
    for body in ["one", "two", "three"] {
        ids.push(world.settled(body).await["id"].clone());
    }
    let page = world
        .get(&format!("{DEVICES}/phone/deliveries?limit=2"))
        .await
        .is(200)
        .json();
    let found: Vec<_> = page["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| d["notification_id"].clone())
        .collect();
    assert_eq!(found, [ids[2].clone(), ids[1].clone()]);
    let next = page["next"].as_str().unwrap();
    let page = world
        .get(&format!("{DEVICES}/phone/deliveries?limit=2&cursor={next}"))
        .await
        .is(200)
        .json();
    assert_eq!(page["data"][0]["notification_id"], ids[0]);
    assert_eq!(page["next"], json!(null));
}

async fn import(world: &World, content_type: &'static str, body: impl Into<String>) -> Answer {
    let ask =
        Ask::new(Method::POST, "/v1/apps/shop/devices/import").body(content_type, body.into());
    world.send(ask).await.is(200)
}

#[tokio::test]
async fn ndjson_files_are_imported_and_bad_rows_reported_by_line() {
    let world = World::furnished(Setup::default()).await;
    let body = "{\"id\":\"a\"}\n\n{\"id\":\"b c\"}\nnope\n{\"id\":\"phone\"}\n{\"colour\":1}\n{\"user_id\":\"zoe\"}";
    let lines = import(&world, "application/x-ndjson", body).await.lines();
    let brief: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line["line"].as_u64().unwrap(),
                line["created"].as_bool(),
                line["problem"]["errors"][0]["code"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        brief,
        [
            (1, Some(true), None),
            (3, None, Some("device.id")),
            (4, None, Some("line.syntax")),
            (5, Some(false), None),
            (6, None, Some("field.unknown")),
            (7, Some(true), None),
        ]
    );
    world.get("/v1/apps/shop/devices/a").await.is(200);
}

#[tokio::test]
async fn csv_files_are_imported() {
    let world = World::furnished(Setup::default()).await;
    let body = format!(
        "\u{feff}id,user_id,tags,push_token,kind,environment\r\n\
         x1,u1,\"a|b\",{TOKEN},alert,sandbox\r\n\
         x1,u1,\"a|b\",00ff,voip,\r\n\
         x2,u1\r\n\
         x3,\"multi\nline\",,zz,,\r\n\
         x4,,,,,\r\n"
    );
    let lines = import(&world, "text/csv; charset=utf-8", body)
        .await
        .lines();
    let brief: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line["line"].as_u64().unwrap(),
                line["id"].as_str(),
                line["problem"]["errors"][0]["code"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        brief,
        [
            (2, Some("x1"), None),
            (3, Some("x1"), None),
            (4, None, Some("import.row")),
            (5, None, Some("device.push_token")),
            (7, Some("x4"), None),
        ]
    );
    let device = world.get("/v1/apps/shop/devices/x1").await.is(200).json();
    let kinds: Vec<_> = device["push_tokens"]
        .as_array()
        .unwrap()
        .iter()
        .map(|token| &token["kind"])
        .collect();
    assert_eq!(kinds, ["alert", "voip"]);
    assert_eq!(device["tags"], json!(["a", "b"]));
}

#[tokio::test]
async fn a_file_may_be_sent_again() {
    let world = World::furnished(Setup::default()).await;
    let send = || {
        let ask = Ask::new(Method::POST, "/v1/apps/shop/devices/import")
            .header("idempotency-key", "file-1");
        world.send(ask.body(
            "application/x-ndjson",
            "{\"user_id\":\"a\"}\n{\"user_id\":\"b\"}\n",
        ))
    };
    let first = send().await.is(200).lines();
    let second = send().await.is(200).lines();
    assert_eq!(first[1]["id"], second[1]["id"]);
    assert_eq!(
        (&first[1]["created"], &second[1]["created"]),
        (&json!(true), &json!(false))
    );
}
