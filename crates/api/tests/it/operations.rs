//! Backups, and the rotation of the master key.

use crate::catalogue::backup;
use crate::faulty::Fault;
use crate::world::{Ask, Setup, World};
use axum::http::Method;
use carillon_api::Limits;
use carillon_ports::store::StoreError;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::time::Duration;

const ROTATE: &str = "/v1/server/rotate-master-key";

async fn acts(world: &World) -> Vec<(String, String)> {
    let log = world.get("/v1/audit").await.is(200).json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    log["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|act| !act["api_key_id"].is_null())
        .map(|act| (text(&act["action"]), text(&act["subject"])))
        .collect()
}

#[tokio::test]
async fn a_backup_is_written_once_and_is_in_the_audit_log() {
    let world = World::new().await;
    let body = backup();
    let file = body["file"].as_str().unwrap().to_owned();
    let ask = Ask::new(Method::POST, "/v1/server/backup")
        .header("x-request-id", "copy-1")
        .json(&body);
    assert_eq!(
        world.send(ask).await.is(200).json(),
        json!({"file": file, "bytes": 4})
    );
    let again = world.post("/v1/server/backup", body).await;
    let detail = again.problem(422, "store.refused")["detail"].to_string();
    assert!(detail.contains(&file), "{detail}");
    let asked = ("server.backup".to_owned(), file);
    assert_eq!(acts(&world).await, [asked.clone(), asked]);
    let log = world.get("/v1/audit").await.json();
    assert_eq!(log["data"][1]["request_id"], "copy-1");

    let relative = json!({"file": "copy.db"});
    let problem = world.post("/v1/server/backup", relative).await;
    let problem = problem.problem(422, "request.invalid");
    assert_eq!(problem["errors"][0]["code"], "backup.file");
    assert_eq!(acts(&world).await.len(), 2, "nothing was tried");
}

#[tokio::test]
async fn a_backup_has_a_deadline_of_its_own() {
    let limits = Limits {
        backup_deadline: Duration::from_millis(50),
        ..Setup::default().limits
    };
    let world = World::with(Setup {
        limits,
        ..Setup::default()
    })
    .await;
    world.faults.set(Some(Fault::Hang));
    let late = world.post("/v1/server/backup", backup()).await;
    let problem = late.problem(503, "server.late");
    assert_eq!(problem["detail"], "no answer within 0.05 s");
}

#[tokio::test]
async fn the_upload_of_a_list_has_a_deadline_of_its_own() {
    let limits = Limits {
        list_deadline: Duration::from_millis(50),
        ..Setup::default().limits
    };
    let world = World::furnished(Setup {
        limits,
        ..Setup::default()
    })
    .await;
    world.faults.set(Some(Fault::Hang));
    let ask = Ask::new(Method::PUT, "/v1/apps/shop/lists/new").body("text/csv", "device\nphone\n");
    let problem = world.send(ask).await.problem(503, "server.late");
    assert_eq!(problem["detail"], "no answer within 0.05 s");
}

#[tokio::test]
async fn a_rotation_seals_before_and_after_the_fresh_key() {
    let world = World::new().await;
    world.furnish().await;
    let rotate = || world.send(Ask::new(Method::POST, ROTATE));
    let asked = || std::mem::take(&mut *world.master_keys.asked.lock().unwrap());
    assert_eq!(
        rotate().await.is(200).json(),
        json!({"resealed": 1, "master_key_id": "0badcafe"})
    );
    let reseal = "reseal credentials.secret";
    assert_eq!(asked(), [reseal, "rotate", reseal]);
    let act = ("master_key.rotate".to_owned(), "1 secrets".to_owned());
    assert_eq!(acts(&world).await, [act.clone(), act]);

    world.master_keys.foreign.store(true, Ordering::SeqCst);
    rotate().await.is(200);
    assert_eq!(asked(), [reseal, "rotate"], "no key was made");
}

/// What cannot be sealed again would be lost with the key that a fresh one pushes out.
#[tokio::test]
async fn no_key_is_made_when_something_cannot_be_sealed_again() {
    let world = World::furnished(Setup::default()).await;
    let rotate = || world.send(Ask::new(Method::POST, ROTATE));
    *world.master_keys.trouble.lock().unwrap() = Some("bring back the former key file");
    let problem = rotate().await.problem(422, "store.refused");
    assert_eq!(problem["detail"], "bring back the former key file");
    *world.master_keys.trouble.lock().unwrap() = None;

    world.faults.set(Some(Fault::Error(StoreError::Failed(
        "no such table: credentials".into(),
    ))));
    let problem = rotate().await.problem(500, "server.error");
    assert!(!problem.to_string().contains("no such table"), "{problem}");
    world.faults.set(None);
    let asked = world.master_keys.asked.lock().unwrap().clone();
    assert!(!asked.contains(&"rotate".to_owned()), "{asked:?}");
}
