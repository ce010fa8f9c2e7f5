//! Deliveries and their stories.

use crate::gateway::Mood;
use crate::world::{Setup, World};
use serde_json::{Value, json};

async fn only_delivery(world: &World, notification: &Value) -> Value {
    let id = notification["id"].as_str().unwrap();
    let list = world
        .get(&format!("/v1/apps/shop/notifications/{id}/deliveries"))
        .await
        .is(200)
        .json();
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    let id = list["data"][0]["id"].as_str().unwrap();
    world
        .get(&format!("/v1/apps/shop/deliveries/{id}"))
        .await
        .is(200)
        .json()
}

#[tokio::test]
async fn an_accepted_delivery_needs_no_attempts_to_be_told() {
    let world = World::furnished(Setup::default()).await;
    let sent = world.settled("hello").await;
    let delivery = only_delivery(&world, &sent).await;
    assert_eq!(
        (&delivery["state"], &delivery["device_id"]),
        (&json!("accepted"), &json!("phone"))
    );
    assert_eq!(delivery["notification_id"], sent["id"]);
    assert_eq!(delivery["attempts"], json!([]));
    assert_eq!(delivery["explanation"]["summary"], "The gateway took it.");
    assert_eq!(delivery["gateway_id"].as_str().unwrap().len(), 36);
}

#[tokio::test]
async fn a_rejected_delivery_has_the_gateways_words_and_the_mend() {
    let world = World::furnished(Setup::default()).await;
    world.gateway.set(Mood::Reject("Unregistered"));
    let sent = world.settled("hello").await;
    assert_eq!(sent["deliveries"]["rejected"], 1);
    assert_eq!(sent["status"], "completed");
    let delivery = only_delivery(&world, &sent).await;
    assert_eq!(delivery["state"], "rejected");
    let attempt = &delivery["attempts"][0];
    assert_eq!(
        (&attempt["status"], &attempt["reason"]),
        (&json!(410), &json!("Unregistered"))
    );
    assert_eq!(attempt["raw"], "{\"reason\":\"Unregistered\"}");
    assert_eq!(attempt["elapsed_ms"], 1.5);
    let told = &delivery["explanation"];
    assert_eq!(
        told["summary"],
        "The gateway refused it for good: Unregistered."
    );
    assert!(
        told["mend"].as_str().unwrap().contains("it was retired"),
        "{told}"
    );
    assert_eq!(told["story"].as_array().unwrap().len(), 3, "{told}");

    let device = world
        .get("/v1/apps/shop/devices/phone")
        .await
        .is(200)
        .json();
    assert!(
        device["push_tokens"][0]["retired_at"].is_string(),
        "{device}"
    );
    let sent = world.settled("again").await;
    assert_eq!(
        sent["deliveries"]["suppressed_by"],
        json!({"push_token_retired": 1})
    );
    let delivery = only_delivery(&world, &sent).await;
    assert_eq!(
        (&delivery["state"], &delivery["suppressed_by"]),
        (&json!("suppressed"), &json!("push_token_retired"))
    );
}

#[tokio::test]
async fn ids_of_other_apps_and_other_makes_are_unknown() {
    let world = World::furnished(Setup::default()).await;
    let sent = world.settled("hello").await;
    let id = only_delivery(&world, &sent).await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    for path in [
        format!("/v1/apps/bare/deliveries/{id}"),
        "/v1/apps/shop/deliveries/dlv_1".into(),
        "/v1/apps/shop/deliveries/x".into(),
    ] {
        world.get(&path).await.problem(404, "delivery.unknown");
    }
}

#[tokio::test]
async fn what_waits_for_a_rate_of_its_app_says_so() {
    let world = World::furnished(Setup::default()).await;
    let tokens: Vec<_> = (0..60u8).map(|n| format!("{n:02x}").repeat(32)).collect();
    let settings = json!({"settings": {"rates": {"apns": {"per_second": 1}}}});
    world.put("/v1/apps/shop", settings).await.is(200);
    let body = json!({"target": {"push_tokens": tokens}, "content": {"body": "one a second"}});
    let sent = world.post("/v1/apps/shop/notifications", body).await;
    let id = sent.is(202).json()["id"].as_str().unwrap().to_owned();
    let status = world
        .wait("/v1/status", |seen| {
            !seen["lanes"][0]["rate_limit"].is_null()
        })
        .await;
    assert_eq!(
        status["lanes"][0]["rate_limit"],
        json!({"setting": "rates.apns", "per_second": 1, "burst": 1})
    );
    assert_eq!(status["lanes"][0]["breaker"], "closed");
    let list = format!("/v1/apps/shop/notifications/{id}/deliveries?state=open");
    let open = world.get(&list).await.is(200).json();
    // The last of sixty, which is not tried for a minute.
    let last = open["data"].as_array().unwrap().last().unwrap();
    let path = format!("/v1/apps/shop/deliveries/{}", last["id"].as_str().unwrap());
    let delivery = world.get(&path).await.is(200).json();
    assert_eq!(delivery["attempts"], json!([]));
    let summary = &delivery["explanation"]["summary"];
    assert_eq!(
        summary,
        "It waits for its turn: a rate of its App holds pushes back just now, `rates.apns` with 1 in a second."
    );

    let settings = json!({"settings": {}});
    world.put("/v1/apps/shop", settings).await.is(200);
    let path = format!("/v1/apps/shop/notifications/{id}");
    world
        .wait(&path, |seen| seen["status"] == "completed")
        .await;
}
