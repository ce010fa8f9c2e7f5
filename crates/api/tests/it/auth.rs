//! API keys at the door.

use crate::world::{Ask, Setup, World};
use axum::http::Method;
use carillon_model::rate::Rate;
use carillon_ports::registry::Scope;
use serde_json::json;

#[tokio::test]
async fn an_admin_key_of_an_app_rules_only_there() {
    let world = World::furnished(Setup::default()).await;
    let key = world
        .make_key(Some(world.app("shop")), &[Scope::Admin])
        .await;
    let ask = |method: Method, path: &str| Ask::new(method, path).key(&key);
    world
        .send(ask(Method::PUT, "/v1/apps/shop").json(&json!({"name": "Mine"})))
        .await
        .is(200);
    for path in ["/v1/apps/bare", "/v1/apps/nowhere"] {
        world
            .send(ask(Method::PUT, path).json(&json!({})))
            .await
            .problem(403, "auth.app");
        world
            .send(ask(Method::GET, path))
            .await
            .problem(403, "auth.app");
    }
    for path in [
        "/v1/apps",
        "/v1/api-keys",
        "/v1/audit",
        "/v1/status",
        "/metrics",
    ] {
        world
            .send(ask(Method::GET, path))
            .await
            .problem(403, "auth.app");
    }
}

#[tokio::test]
async fn keys_of_a_deleted_app_and_revoked_keys_open_nothing() {
    let world = World::furnished(Setup::default()).await;
    let body = json!({"name": "x", "app": "shop", "scopes": ["read"]});
    let made = world
        .post("/v1/api-keys", body.clone())
        .await
        .is(201)
        .json();
    let secret = made["secret"].as_str().unwrap();
    let ask = || Ask::new(Method::GET, "/v1/apps/shop").key(secret);
    world.send(ask()).await.is(200);
    world
        .delete(&format!("/v1/api-keys/{}", made["id"].as_str().unwrap()))
        .await
        .is(204);
    world.send(ask()).await.problem(401, "auth.unknown");

    let other = world.post("/v1/api-keys", body).await.is(201).json();
    world.delete("/v1/apps/shop").await.is(204);
    let orphan = Ask::new(Method::GET, "/v1/apps/shop").key(other["secret"].as_str().unwrap());
    world.send(orphan).await.problem(401, "auth.unknown");
}

#[tokio::test]
async fn the_scheme_may_be_written_in_any_case() {
    let world = World::new().await;
    let value = format!("bearer {}", world.admin);
    let ask = Ask::new(Method::GET, "/v1/apps")
        .no_key()
        .header("authorization", &value);
    world.send(ask).await.is(200);
}

#[tokio::test]
async fn a_publishable_key_has_a_rate_that_is_not_that_of_others() {
    let limits = carillon_api::Limits {
        registrations: Some(Rate {
            per_second: 1,
            burst: Some(2),
        }),
        ..Setup::default().limits
    };
    let world = World::furnished(Setup {
        limits,
        ..Setup::default()
    })
    .await;
    let shop = Some(world.app("shop"));
    let (one, other) = (
        world.make_key(shop, &[Scope::Register]).await,
        world.make_key(shop, &[Scope::Register]).await,
    );
    let register = |key: &str| {
        let path = "/v1/apps/shop/devices";
        world.send(Ask::new(Method::POST, path).key(key).json(&json!({})))
    };
    let mut answer = register(&one).await.is(201);
    // The third, unless this machine takes a second for one.
    for _ in 0..20 {
        if answer.status == 429 {
            break;
        }
        answer = register(&one).await;
    }
    assert_eq!(answer.header("retry-after"), "1");
    let problem = answer.problem(429, "request.rate");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("api.registrations_per_second"), "{detail}");
    register(&other).await.is(201);
    for _ in 0..10 {
        world.get("/v1/status").await.is(200);
    }
}
