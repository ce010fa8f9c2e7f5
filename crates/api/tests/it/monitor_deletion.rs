//! A monitor whose deletion stops half way.

use crate::faulty::Fault;
use crate::world::{Setup, World};
use serde_json::json;

const MAIL: &str = "/v1/apps/shop/monitors/mail";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_monitor_that_is_not_deleted_is_watched_on() {
    let world = World::furnished(Setup::default()).await;
    let check = json!({"tcp": {"host": "mail.example.com", "port": 25}});
    let made = world.put(MAIL, json!({ "check": check })).await.is(201);
    assert!(made.json()["next_check_at"].is_string());
    world.faults.set(Some(Fault::Kept));
    world.delete(MAIL).await.problem(503, "store.busy");
    world.faults.set(None);
    let kept = world.get(MAIL).await.is(200).json();
    assert!(kept["next_check_at"].is_string(), "{kept}");
    world.delete(MAIL).await.is(204);
    world.get(MAIL).await.problem(404, "monitor.unknown");
}
