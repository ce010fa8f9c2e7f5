//! Single notifications: accepted, repeated, read, cancelled.

use crate::catalogue::notification;
use crate::gateway::Mood;
use crate::world::{Ask, Setup, World};
use axum::http::Method;
use serde_json::{Value, json};

const PATH: &str = "/v1/apps/shop/notifications";

#[tokio::test]
async fn accepted_sent_and_read() {
    let world = World::furnished(Setup::default()).await;
    let answer = world.post(PATH, notification()).await.is(202);
    let accepted = answer.json();
    assert_eq!(
        (&accepted["deliveries"], &accepted["repeated"]),
        (&json!(1), &json!(false))
    );
    assert_eq!(accepted["accepted_at"], "2026-08-01T12:00:00.000Z");
    let location = answer.header("location").to_owned();
    assert_eq!(
        location,
        format!("{PATH}/{}", accepted["id"].as_str().unwrap())
    );
    let seen = world
        .wait(&location, |seen| seen["status"] == "completed")
        .await;
    assert_eq!(
        seen["deliveries"],
        json!({
            "total": 1, "complete": true, "open": 0, "accepted": 1, "rejected": 0, "failed": 0,
            "unknown": 0, "expired": 0, "cancelled": 0, "suppressed": 0, "suppressed_by": {},
        })
    );
    assert_eq!(seen["payload"]["aps"]["alert"]["body"], "World");
    assert_eq!(seen["options"]["push_type"], "alert");
    assert!(seen["completed_at"].is_string() && seen["expires_at"].is_null());
}

#[tokio::test]
async fn a_raw_payload_is_shown_byte_for_byte() {
    let world = World::furnished(Setup::default()).await;
    let body = r#"{"target":{"devices":["phone"]},"content":{"apns":{"aps":{"alert":"x"},"b":1.0,"a": [ 1 ]}}}"#;
    let sent = world
        .send(Ask::new(Method::POST, PATH).body("application/json", body))
        .await
        .is(202);
    let read = world.get(sent.header("location")).await.is(200).text();
    assert!(
        read.contains(r#""payload":{"aps":{"alert":"x"},"b":1.0,"a": [ 1 ]}"#),
        "{read}"
    );
}

#[tokio::test]
async fn the_same_key_and_body_is_the_same_notification() {
    let world = World::furnished(Setup::default()).await;
    let ask = |body: &Value| {
        Ask::new(Method::POST, PATH)
            .header("idempotency-key", "order-17")
            .json(body)
    };
    let first = world.send(ask(&notification())).await.is(202).json();
    let second = world.send(ask(&notification())).await.is(202).json();
    assert_eq!(first["id"], second["id"]);
    assert_eq!(second["repeated"], true);
    let other = json!({"target": {"devices": ["phone"]}, "content": {"body": "other"}});
    world
        .send(ask(&other))
        .await
        .problem(422, "idempotency.reused");
    // Another API key has keys of its own.
    let key = world
        .make_key(None, &[carillon_ports::registry::Scope::Send])
        .await;
    let third = world.send(ask(&other).key(&key)).await.is(202).json();
    assert_ne!(first["id"], third["id"]);
}

#[tokio::test]
async fn lists_newest_first() {
    let world = World::furnished(Setup::default()).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(world.post(PATH, notification()).await.is(202).json()["id"].clone());
        world.clock.advance(1_000);
    }
    let page = world.get(&format!("{PATH}?limit=2")).await.is(200).json();
    assert_eq!(
        (&page["data"][0]["id"], &page["data"][1]["id"]),
        (&ids[2], &ids[1])
    );
    let next = page["next"].as_str().unwrap();
    let page = world
        .get(&format!("{PATH}?limit=2&cursor={next}"))
        .await
        .is(200)
        .json();
    assert_eq!(
        (&page["data"][0]["id"], &page["next"]),
        (&ids[0], &json!(null))
    );
}

#[tokio::test]
async fn ids_are_whole_or_unknown() {
    let world = World::furnished(Setup::default()).await;
    let id = world.settled("x").await["id"].as_str().unwrap().to_owned();
    // The number is right and the time is not: the id of another installation, or a guess.
    let forged = id.replacen("ntf_019", "ntf_018", 1);
    assert_ne!(forged, id);
    for bad in [forged.as_str(), "ntf_1", "x"] {
        world
            .get(&format!("{PATH}/{bad}"))
            .await
            .problem(404, "notification.unknown");
        world
            .post(&format!("{PATH}/{bad}/cancel"), json!({}))
            .await
            .problem(404, "notification.unknown");
    }
    world
        .get(&format!("/v1/apps/bare/notifications/{id}"))
        .await
        .problem(404, "notification.unknown");
}

#[tokio::test]
async fn deliveries_by_state_and_page() {
    let world = World::furnished(Setup::default()).await;
    for n in 0..4 {
        let token = format!("{n:064x}");
        let body = json!({"user_id": "crowd", "push_tokens": [{"token": token, "environment": "production"}]});
        world
            .put(&format!("/v1/apps/shop/devices/c{n}"), body)
            .await
            .is(201);
    }
    world
        .put("/v1/apps/shop/devices/c4", json!({"user_id": "crowd"}))
        .await
        .is(201);
    let body = json!({"target": {"users": ["crowd"]}, "content": {"body": "x"}});
    let id = world.post(PATH, body).await.is(202).json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let seen = world
        .wait(&format!("{PATH}/{id}"), |seen| {
            seen["deliveries"]["open"] == 0
        })
        .await;
    assert_eq!(
        (
            &seen["deliveries"]["accepted"],
            &seen["deliveries"]["suppressed"]
        ),
        (&json!(4), &json!(1))
    );
    let path = format!("{PATH}/{id}/deliveries");
    let page = world
        .get(&format!("{path}?state=suppressed"))
        .await
        .is(200)
        .json();
    assert_eq!(page["data"][0]["suppressed_by"], "no_push_token");
    assert_eq!(page["data"].as_array().unwrap().len(), 1);
    let mut found = 0;
    let mut next = format!("{path}?state=accepted&limit=3");
    loop {
        let page = world.get(&next).await.is(200).json();
        found += page["data"].as_array().unwrap().len();
        let Some(cursor) = page["next"].as_str() else {
            break;
        };
        next = format!("{path}?state=accepted&limit=3&cursor={cursor}");
    }
    assert_eq!(found, 4);
    world
        .get(&format!("{path}?state=sent"))
        .await
        .problem(400, "request.parameter");

    let page = world.get(&format!("{path}?state=open")).await.is(200);
    assert_eq!(page.json()["data"], json!([]), "all have ended");
    world.gateway.set(Mood::Hold);
    let body = json!({"target": {"users": ["crowd"]}, "content": {"body": "y"}});
    let sent = world.post(PATH, body).await.is(202).json();
    let path = format!("{PATH}/{}/deliveries", sent["id"].as_str().unwrap());
    world
        .wait(
            &format!("{PATH}/{}", sent["id"].as_str().unwrap()),
            |seen| seen["deliveries"]["suppressed"] == 1,
        )
        .await;
    let page = world.get(&format!("{path}?state=open")).await.is(200);
    let page = page.json();
    let open = page["data"].as_array().unwrap();
    assert_eq!(open.len(), 4);
    assert!(open.iter().all(|row| row["state"] == "open"), "{page}");
}

#[tokio::test]
async fn cancelling_what_is_out_and_what_is_done() {
    let world = World::furnished(Setup::default()).await;
    let done = world.settled("x").await;
    let path = format!("{PATH}/{}/cancel", done["id"].as_str().unwrap());
    let late = world.post(&path, json!({})).await.is(200).json();
    assert_eq!(
        late,
        json!({"status": "cancelled", "not_sent": 0, "sent": 1})
    );
    let seen = path.trim_end_matches("/cancel");
    let seen = world.get(seen).await.is(200).json();
    assert_eq!(seen["status"], "completed", "it came too late");
    let listed = world.get(PATH).await.is(200).json();
    assert_eq!(listed["data"][0]["status"], "completed");

    world.gateway.set(Mood::Hold);
    let sent = world.post(PATH, notification()).await.is(202);
    let location = sent.header("location").to_owned();
    world
        .wait("/v1/status", |seen| seen["lanes"][0]["in_flight"] == 1)
        .await;
    let cancelling = world
        .post(&format!("{location}/cancel"), json!({}))
        .await
        .is(202)
        .json();
    assert_eq!(cancelling["status"], "cancelling");
    assert_eq!(
        world.get(&location).await.is(200).json()["status"],
        "cancelling"
    );
}
