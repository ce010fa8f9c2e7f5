//! Broadcast channels, through the App's credential.

use crate::world::{Setup, World};
use serde_json::json;

#[tokio::test]
async fn channels_are_made_read_listed_and_deleted() {
    let world = World::furnished(Setup::default()).await;
    let made = world
        .post("/v1/apps/shop/channels", json!({"environment": "sandbox"}))
        .await
        .is(201)
        .json();
    assert_eq!(
        made,
        json!({"id": "bmV3", "environment": "sandbox", "topic": "com.example.shop", "store": false})
    );
    let read = world
        .get("/v1/apps/shop/channels/b2xk?environment=production")
        .await
        .is(200)
        .json();
    assert_eq!(read["store"], true);
    let list = world
        .get("/v1/apps/shop/channels?environment=production")
        .await
        .is(200)
        .json();
    assert_eq!(
        list,
        json!({"data": [{"id": "b2xk", "environment": "production", "topic": "com.example.shop"}], "next": null})
    );
    world
        .delete("/v1/apps/shop/channels/b2xk?environment=production")
        .await
        .is(204);
    let problem = world
        .get("/v1/apps/shop/channels/eA?environment=production")
        .await
        .problem(404, "channel.unknown");
    assert_eq!(problem["gateway"]["reason"], "ChannelNotRegistered");
}

#[tokio::test]
async fn credential_and_topic_may_be_named() {
    let world = World::furnished(Setup::default()).await;
    let body =
        json!({"environment": "production", "credential": "apple", "topic": "com.example.shop"});
    world.post("/v1/apps/shop/channels", body).await.is(201);
    let body = json!({"environment": "production", "credential": "pear"});
    let problem = world
        .post("/v1/apps/shop/channels", body)
        .await
        .problem(409, "credential.missing");
    assert!(problem["detail"].as_str().unwrap().contains("\"pear\""));
    let body = json!({"environment": "production", "topic": "com.example.other"});
    let problem = world
        .post("/v1/apps/shop/channels", body)
        .await
        .problem(422, "request.invalid");
    assert_eq!(problem["errors"][0]["code"], "channel.topic");
    world
        .get("/v1/apps/shop/channels")
        .await
        .problem(400, "request.parameter");
    world
        .get("/v1/apps/shop/channels?environment=moon")
        .await
        .problem(400, "request.parameter");
}
