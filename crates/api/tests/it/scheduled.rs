//! Notifications that are sent later: accepted, listed, changed, cancelled.

use crate::catalogue::notification;
use crate::world::{Ask, Setup, World};
use axum::http::Method;
use serde_json::{Value, json};

const PATH: &str = "/v1/apps/shop/notifications";

async fn later(world: &World, send_at: Value) -> Value {
    let mut body = notification();
    body["send_at"] = send_at;
    world.post(PATH, body).await.is(202).json()
}

fn address(accepted: &Value) -> String {
    format!("{PATH}/{}", accepted["id"].as_str().unwrap())
}

async fn change(world: &World, address: &str, body: Value) -> crate::world::Answer {
    let ask = Ask::new(Method::PATCH, address).json(&body);
    world.send(ask).await
}

#[tokio::test]
async fn waits_and_is_sent() {
    let world = World::furnished(Setup::default()).await;
    let seoul = json!({"local": "2026-08-01T22:00", "time_zone": "Asia/Seoul"});
    let accepted = later(&world, seoul).await;
    assert_eq!(accepted["send_at"], "2026-08-01T13:00:00.000Z");
    assert_eq!(accepted["deliveries"], json!(null));
    assert!(accepted.get("late").is_none());
    let seen = world.get(&address(&accepted)).await.is(200).json();
    assert_eq!(
        (
            &seen["status"],
            &seen["send_at"],
            &seen["begun_at"],
            &seen["trouble"]
        ),
        (
            &json!("scheduled"),
            &accepted["send_at"],
            &json!(null),
            &json!(null)
        )
    );
    assert_eq!(
        (
            &seen["deliveries"]["total"],
            &seen["deliveries"]["complete"]
        ),
        (&json!(0), &json!(false))
    );
    world.clock.advance(3_600_000);
    let seen = world
        .wait(&address(&accepted), |seen| seen["status"] == "completed")
        .await;
    assert_eq!(seen["begun_at"], "2026-08-01T13:00:00.000Z");
    assert_eq!(seen["deliveries"]["accepted"], 1);
}

#[tokio::test]
async fn a_time_that_has_passed_is_named() {
    let world = World::furnished(Setup::default()).await;
    let mut body = notification();
    body["send_at"] = json!("2026-08-01T11:59:59Z");
    let refused = world.post(PATH, body.clone()).await;
    let problem = refused.problem(422, "request.invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/send_at");
    assert_eq!(problem["errors"][0]["code"], "send_at.past");
    body["if_past"] = json!("send_now");
    let sent = world.post(PATH, body.clone()).await.is(202).json();
    assert_eq!(
        (&sent["late"], &sent["deliveries"]),
        (&json!("sent_now"), &json!(1))
    );
    let line = Ask::new(Method::POST, PATH).body("application/x-ndjson", body.to_string());
    assert_eq!(
        world.send(line).await.is(200).lines()[0]["late"],
        "sent_now"
    );
    for (send_at, pointer, code) in [
        (json!(5), "/send_at", "field.type"),
        (
            json!({"local": "2026-09-01T09:00"}),
            "/send_at/time_zone",
            "field.missing",
        ),
        (
            json!({"local": "2026-09-01T09:00", "time_zone": "UTC", "fold": 1}),
            "/send_at/fold",
            "field.unknown",
        ),
        (
            json!({"local": "2026-09-01T09:00", "time_zone": "Asia/Soul"}),
            "/send_at/time_zone",
            "send_at.time_zone",
        ),
        (json!("2026-02-31T09:00:00Z"), "/send_at", "send_at.time"),
    ] {
        let mut body = notification();
        body["send_at"] = send_at;
        let problem = world.post(PATH, body).await.problem(422, "request.invalid");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
        assert_eq!(problem["errors"][0]["code"], code, "{problem}");
    }
}

#[tokio::test]
async fn what_is_coming_is_listed_by_its_times() {
    let world = World::furnished(Setup::default()).await;
    let mut ids = Vec::new();
    for hour in ["15", "13", "14"] {
        let accepted = later(&world, json!(format!("2026-08-01T{hour}:00:00Z"))).await;
        ids.push(accepted["id"].clone());
    }
    world.settled("now").await;
    let first = world
        .get(&format!("{PATH}?status=scheduled&limit=2"))
        .await
        .is(200)
        .json();
    let of = |page: &Value| -> Vec<Value> {
        let data = page["data"].as_array().unwrap().iter();
        data.map(|one| one["id"].clone()).collect()
    };
    assert_eq!(of(&first), [ids[1].clone(), ids[2].clone()]);
    let cursor = first["next"].as_str().unwrap();
    let rest = format!("{PATH}?status=scheduled&limit=2&cursor={cursor}");
    let rest = world.get(&rest).await.is(200).json();
    assert_eq!(
        (of(&rest), &rest["next"]),
        (vec![ids[0].clone()], &json!(null))
    );
    let aside = world.get(&format!("{PATH}?status=set_aside")).await;
    assert!(of(&aside.is(200).json()).is_empty());
    world
        .get(&format!("{PATH}?status=sending"))
        .await
        .problem(400, "request.parameter");
    world
        .get(&format!("{PATH}?status=scheduled&cursor=ntf-1"))
        .await
        .problem(400, "request.cursor");
    world
        .get(&format!("{PATH}?status=scheduled&cursor=nts-1"))
        .await
        .problem(400, "request.cursor");
}

#[tokio::test]
async fn changed_and_cancelled_until_it_is_sent() {
    let world = World::furnished(Setup::default()).await;
    let accepted = later(&world, json!("2026-08-01T13:00:00Z")).await;
    let address = address(&accepted);
    let body = json!({"send_at": "2026-08-01T14:00:00Z", "content": {"body": "Other"}, "expires_in": "10m"});
    let changed = change(&world, &address, body).await.is(200).json();
    assert_eq!(
        (
            &changed["id"],
            &changed["status"],
            &changed["send_at"],
            &changed["expires_at"]
        ),
        (
            &accepted["id"],
            &json!("scheduled"),
            &json!("2026-08-01T14:00:00.000Z"),
            &json!("2026-08-01T14:10:00.000Z"),
        )
    );
    let seen = world.get(&address).await.is(200).json();
    assert_eq!(seen["payload"]["aps"]["alert"]["body"], "Other");
    let bad = change(
        &world,
        &address,
        json!({"expires_at": "2026-08-01T13:30:00Z"}),
    )
    .await;
    let problem = bad.problem(422, "request.invalid");
    assert_eq!(problem["errors"][0]["code"], "expiry.past");
    let cancel = format!("{address}/cancel");
    let cancelled = world.post(&cancel, json!({})).await.is(200).json();
    assert_eq!(
        cancelled,
        json!({"status": "cancelled", "not_sent": 0, "sent": 0})
    );
    let seen = world.get(&address).await.is(200).json();
    assert_eq!(
        (&seen["status"], &seen["deliveries"]["total"]),
        (&json!("cancelled"), &json!(0))
    );
    change(&world, &address, json!({}))
        .await
        .problem(409, "notification.not_waiting");
}

#[tokio::test]
async fn the_scheduler_is_resumed_once() {
    let world = World::furnished(Setup::default()).await;
    let status = world.get("/v1/status").await.is(200).json();
    assert_eq!(status["scheduler_paused"], false);
    let resumed = world.post("/v1/scheduler/resume", json!({})).await;
    assert_eq!(resumed.is(200).json(), json!({"was_paused": false}));
}
