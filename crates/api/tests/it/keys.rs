//! API keys and the audit log.

use crate::world::{Ask, Setup, World};
use axum::http::Method;
use serde_json::json;

#[tokio::test]
async fn a_key_is_shown_once() {
    let world = World::furnished(Setup::default()).await;
    let body = json!({"name": "backend", "app": "shop", "scopes": ["send", "read"]});
    let made = world.post("/v1/api-keys", body).await.is(201).json();
    let secret = made["secret"].as_str().unwrap();
    assert!(
        secret.starts_with("crl_app_") && secret.len() == 40,
        "{secret}"
    );
    assert!(secret.starts_with(made["hint"].as_str().unwrap()));
    let list = world.get("/v1/api-keys").await.is(200);
    assert!(!list.text().contains(secret), "never again");
    let list = list.json();
    let listed = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["id"] == made["id"])
        .unwrap();
    assert_eq!(
        (&listed["app"], &listed["scopes"]),
        (&json!("shop"), &json!(["send", "read"]))
    );
    world
        .send(Ask::new(Method::GET, "/v1/apps/shop").key(secret))
        .await
        .is(200);

    let body = json!({"name": "root", "scopes": ["admin"]});
    let made = world.post("/v1/api-keys", body).await.is(201).json();
    assert!(made["secret"].as_str().unwrap().starts_with("crl_admin_"));
    let path = format!("/v1/api-keys/{}", made["id"].as_str().unwrap());
    world.delete(&path).await.is(204);
    let list = world.get("/v1/api-keys?limit=1000").await.is(200).json();
    let listed = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["id"] == made["id"])
        .unwrap();
    assert!(listed["revoked_at"].is_string());
    world
        .delete("/v1/api-keys/key_none")
        .await
        .problem(404, "api_key.unknown");
}

#[tokio::test]
async fn keys_are_checked() {
    let world = World::furnished(Setup::default()).await;
    for (body, pointer) in [
        (json!({"name": "", "scopes": ["read"]}), "/name"),
        (json!({"name": "x", "scopes": []}), "/scopes"),
        (json!({"name": "x", "scopes": ["read", "read"]}), "/scopes"),
        (json!({"name": "x", "scopes": ["root"]}), "/scopes/0"),
        (
            json!({"name": "x", "scopes": ["read"], "app": "nowhere"}),
            "/app",
        ),
    ] {
        let problem = world
            .post("/v1/api-keys", body)
            .await
            .problem(422, "request.invalid");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
}

#[tokio::test]
async fn administrative_acts_are_on_record() {
    let world = World::furnished(Setup::default()).await;
    let ask = Ask::new(Method::PUT, "/v1/apps/new")
        .header("x-request-id", "r-7")
        .json(&json!({}));
    world.send(ask).await.is(201);
    world.delete("/v1/apps/new").await.is(204);
    let page = world.get("/v1/audit?limit=2").await.is(200).json();
    let brief: Vec<_> = page["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            (
                entry["action"].as_str().unwrap(),
                entry["subject"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(brief, [("app.delete", "new"), ("app.put", "new")]);
    let entry = &page["data"][1];
    assert_eq!(entry["request_id"], "r-7");
    assert!(entry["api_key_id"].as_str().unwrap().starts_with("key_"));
    let next = page["next"].as_str().unwrap();
    let older = world
        .get(&format!("/v1/audit?cursor={next}"))
        .await
        .is(200)
        .json();
    assert!(
        older["data"]
            .as_array()
            .unwrap()
            .iter()
            .all(|entry| entry["subject"] != "new")
    );
}
