//! `acknowledged`: a receipt that takes an incident in hand.

use crate::catalogue::receipt_of;
use crate::watching::furnished;
use crate::world::{Answer, Ask, Setup, World};
use axum::http::Method;
use carillon_model::id::DeliveryId;
use serde_json::{Value, json};

const INCIDENT: &str = "/v1/apps/shop/incidents/cron/1";

/// Ann and Bob are paged at once, for a job that failed: the notification and the receipt token of each, in this order.
async fn paged(world: &World) -> Vec<(String, String)> {
    let token = json!({"kind": "alert", "token": "ab".repeat(32)});
    let bob = json!({"user_id": "bob", "push_tokens": [token]});
    let ladder = json!({"steps": [{"whom": {"users": ["ann", "bob"]}}]});
    let monitor = json!({"check": {"heartbeat": {"period": "1d"}}, "ladder": "now"});
    let put = async |path: &str, body: Value| {
        let path = format!("/v1/apps/shop/{path}");
        world.put(&path, body).await.is(201).json()
    };
    put("devices/tablet", bob).await;
    put("ladders/now", ladder).await;
    let url = put("monitors/cron", monitor).await["heartbeat_url"].clone();
    let fail = Ask::new(Method::POST, &format!("{}/fail", url.as_str().unwrap()));
    world.send(fail.no_key()).await.is(204);
    let incident = world.get(INCIDENT).await.is(200).json();
    let entries = incident["entries"].as_array().unwrap();
    let page = entries.iter().find(|entry| entry["what"] == "paged");
    let told = page.unwrap()["told"].as_array().unwrap();
    let users: Vec<&Value> = told.iter().map(|told| &told["user"]).collect();
    assert_eq!(users, ["ann", "bob"]);
    let mut pages = Vec::new();
    for told in told {
        let notification = told["notification"].as_str().unwrap().to_owned();
        let receipt = receipt_for(world, &notification).await;
        pages.push((notification, receipt));
    }
    pages
}

/// The receipt token of a notification's only delivery.
async fn receipt_for(world: &World, notification: &str) -> String {
    let path = format!("/v1/apps/shop/notifications/{notification}/deliveries");
    let deliveries = world.get(&path).await.is(200).json();
    let id = deliveries["data"][0]["id"].as_str().unwrap();
    receipt_of(DeliveryId::parse(id).unwrap())
}

async fn bring(world: &World, body: Value) -> Answer {
    let ask = Ask::new(Method::POST, "/v1/receipts");
    world.send(ask.no_key().json(&body)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_is_acknowledged_by_its_receipt() {
    let world = furnished(Setup::default()).await;
    let pages = paged(&world).await;
    let says = |at: usize| json!({"receipt": pages[at].1, "event": "acknowledged"});
    let counted =
        |recorded: u8, repeated: u8| json!({"recorded": recorded, "repeated": repeated, "gone": 0});
    let answer = bring(&world, says(1)).await.is(200).json();
    assert_eq!(answer, counted(1, 0));
    let incident = world.get(INCIDENT).await.is(200).json();
    assert_eq!(incident["state"], "acknowledged");
    assert_eq!(incident["acknowledged"]["by"], "bob");
    // Said again, and by somebody who is late: both are written down, and bob has it.
    let both = json!([says(1), says(0)]);
    assert_eq!(bring(&world, both).await.is(200).json(), counted(1, 1));
    let incident = world.get(INCIDENT).await.is(200).json();
    assert_eq!(incident["acknowledged"]["by"], "bob");
    // In the books both were opened.
    for (notification, _) in &pages {
        let path = format!("/v1/apps/shop/notifications/{notification}");
        let shown = world.get(&path).await.is(200).json();
        assert_eq!(shown["receipts"], json!({"delivered": 0, "opened": 1}));
    }
    // The same when it is over.
    let resolve = format!("{INCIDENT}/resolve");
    world.post(&resolve, json!({"by": "bob"})).await.is(200);
    assert_eq!(bring(&world, says(0)).await.is(200).json(), counted(0, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_no_page_is_named_and_nothing_of_the_request_is_done() {
    let world = furnished(Setup::default()).await;
    let (_, page) = paged(&world).await.remove(0);
    let sent = world.settled("hello").await;
    let hello = receipt_for(&world, sent["id"].as_str().unwrap()).await;
    let says = |receipt: &str, event: &str| json!({"receipt": receipt, "event": event});
    let body = json!([
        says(&page, "acknowledged"),
        says(&hello, "opened"),
        says(&hello, "acknowledged")
    ]);
    let refused = bring(&world, body).await.problem(422, "request.invalid");
    let errors = refused["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{refused}");
    assert_eq!(errors[0]["pointer"], "/2/event");
    assert_eq!(errors[0]["code"], "receipt.no_page");
    let incident = world.get(INCIDENT).await.is(200).json();
    assert_eq!(incident["state"], "firing");
    let recorded = bring(&world, says(&hello, "opened")).await.is(200).json();
    assert_eq!(recorded["recorded"], 1, "it was not written down before");
    let alone = bring(&world, says(&hello, "acknowledged")).await;
    let problem = alone.problem(422, "request.invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/event");
}
