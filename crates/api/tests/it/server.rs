//! Health, metrics, status, counters and events.

use crate::world::{Ask, Setup, World};
use axum::http::Method;
use carillon_api::Limits;
use serde_json::json;

#[tokio::test]
async fn open_doors_and_closed_ones() {
    let world = World::new().await;
    for path in ["/healthz", "/readyz", "/v1/openapi.json", "/docs/errors"] {
        world
            .send(Ask::new(Method::GET, path).no_key())
            .await
            .is(200);
    }
    let metrics = world.get("/metrics").await.is(200);
    assert_eq!(metrics.text(), "carillon_up 1\n");
    assert!(
        metrics
            .header("content-type")
            .starts_with("text/plain; version=0.0.4")
    );
    world
        .send(Ask::new(Method::GET, "/metrics").no_key())
        .await
        .problem(401, "auth.missing");
    let limits = Limits {
        open_metrics: true,
        ..Setup::default().limits
    };
    let world = World::with(Setup {
        limits,
        ..Setup::default()
    })
    .await;
    world
        .send(Ask::new(Method::GET, "/metrics").no_key())
        .await
        .is(200);
}

#[tokio::test]
async fn lanes_pools_counters_and_events() {
    let world = World::furnished(Setup::default()).await;
    world.settled("hello").await;
    let status = world.get("/v1/status").await.is(200).json();
    assert_eq!(status["version"], "0.0.0-test");
    let lane = &status["lanes"][0];
    assert_eq!(
        (&lane["app"], &lane["environment"], &lane["breaker"]),
        (&json!("shop"), &json!("production"), &json!("closed"))
    );
    assert_eq!(status["pools"][0]["credential"], "apple");

    let stats = world.get("/v1/apps/shop/stats").await.is(200).json();
    assert_eq!(
        (&stats["devices"], &stats["totals"]["accepted"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(stats["data"][0]["hour"], "2026-08-01T12:00:00.000Z");
    assert_eq!(stats["from"], "2026-07-31T12:00:00.000Z");
    let within = "/v1/apps/shop/stats?from=2026-08-01T14:59:59%2B02:00";
    let within = world.get(within).await.is(200).json();
    assert_eq!(within["totals"]["accepted"], 1, "the hour counts whole");
    let later = world
        .get("/v1/apps/shop/stats?from=2026-08-01T13:00:00Z")
        .await
        .is(200)
        .json();
    assert_eq!(later["totals"]["accepted"], 0);
    world
        .get("/v1/apps/shop/stats?from=yesterday")
        .await
        .problem(400, "request.parameter");

    let events = world.get("/v1/apps/shop/events").await.is(200).json();
    let completed = events["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|event| event["kind"] == "notification.completed");
    assert!(
        completed.unwrap()["subject"]
            .as_str()
            .unwrap()
            .starts_with("ntf_"),
        "{events}"
    );
    let next = events["next"].as_i64().unwrap();
    let after = world
        .get(&format!("/v1/apps/shop/events?after={next}"))
        .await
        .is(200)
        .json();
    assert_eq!(after, json!({"data": [], "next": next}));
}

#[tokio::test]
async fn without_a_credential_the_app_says_what_is_missing() {
    let world = World::furnished(Setup::default()).await;
    world
        .delete("/v1/apps/shop/credentials/apple")
        .await
        .is(204);
    let body = crate::catalogue::notification();
    let sent = world
        .post("/v1/apps/shop/notifications", body)
        .await
        .is(202);
    let app = world
        .wait("/v1/apps/shop", |seen| {
            seen["problems"][0]["reason"].is_string()
        })
        .await;
    assert_eq!(app["problems"][0]["is_credential"], true, "{app}");
    let id = sent.json()["id"].as_str().unwrap().to_owned();
    let list = world
        .get(&format!("/v1/apps/shop/notifications/{id}/deliveries"))
        .await
        .is(200)
        .json();
    let delivery = list["data"][0]["id"].as_str().unwrap().to_owned();
    let told = world
        .get(&format!("/v1/apps/shop/deliveries/{delivery}"))
        .await
        .is(200)
        .json();
    assert!(told["explanation"]["mend"].is_string(), "{told}");
}
