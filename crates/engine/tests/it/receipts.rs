//! Receipts: each push carries its own receipt token, and what comes back is written down once, together.

use crate::fake_gateway::{accept, retry};
use crate::world::{World, to_with};
use carillon_engine::Refusal;
use carillon_engine::receipt::DATA_KEY;
use carillon_model::app::AppSettings;
use carillon_model::id::{DeliveryId, NotificationNo};
use carillon_model::receipts::ReceiptKind;
use carillon_ports::clock::Clock;
use carillon_ports::receipt::{NewReceipt, ReceiptAnswer, ReceiptStore};
use carillon_ports::store::StoreError;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The receipt token in each push that was written, in order.
fn receipts(world: &World) -> Vec<Option<DeliveryId>> {
    let key = &world.engine.receipts().receipt_key;
    let written = world.gateway.written();
    let read = written.iter().map(|push| {
        let text = String::from_utf8(push.payload.to_vec()).unwrap();
        let (_, data) = text.split_once(' ')?;
        let data: Value = serde_json::from_str(data).unwrap();
        let receipt = data[DATA_KEY].as_str()?.to_owned();
        Some(key.read(&receipt).expect("it is one of ours"))
    });
    read.collect()
}

fn delivery(no: NotificationNo, position: u16) -> DeliveryId {
    DeliveryId {
        batch: no.batch(0),
        position,
    }
}

fn said(world: &World, no: NotificationNo, position: u16) -> NewReceipt {
    NewReceipt {
        delivery: delivery(no, position),
        kind: ReceiptKind::Delivered,
        at: world.clock.now(),
    }
}

#[tokio::test(start_paused = true)]
async fn each_push_carries_its_own_and_every_try_the_same() {
    let world = World::new().await;
    world.devices(1..4).await;
    world.gateway.script(|w| match w.before {
        0 => retry(),
        _ => accept(),
    });
    let no = world.send(to_with(1..4, json!({ "receipt": true }))).await;
    world.completed(no).await;
    let all = receipts(&world);
    assert_eq!(all.len(), 6);
    let distinct: BTreeSet<_> = all.into_iter().flatten().collect();
    let expected: BTreeSet<_> = (0..3).map(|position| delivery(no, position)).collect();
    assert_eq!(distinct, expected);
}

#[tokio::test(start_paused = true)]
async fn an_app_can_have_them_in_what_people_get() {
    let world = World::new().await;
    world.devices(1..2).await;
    let settings = AppSettings {
        receipts: true,
        ..AppSettings::default()
    };
    world.app("shop", settings).await;
    for (options, carries) in [
        (json!({}), true),
        (json!({ "receipt": false }), false),
        (json!({ "push_type": "background" }), true),
        (json!({ "push_type": "liveactivity" }), false),
    ] {
        let before = world.gateway.written().len();
        let sent = world.try_send(to_with(1..2, options.clone())).await;
        world.completed(sent.unwrap().no).await;
        let all = receipts(&world);
        let carried = all.get(before).is_some_and(Option::is_some);
        assert_eq!(carried, carries, "{options}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_in_their_way_is_refused() {
    let world = World::new().await;
    world.devices(1..2).await;
    let mut taken = to_with(1..2, json!({ "receipt": true }));
    taken["content"]["data"] = json!({ DATA_KEY: 1 });
    let channel = json!({
        "target": {"channel": "b2xk"}, "content": {"body": "x"},
        "options": {"receipt": true, "push_type": "liveactivity"},
    });
    for (body, code) in [(taken, "content.receipt"), (channel, "options.receipt")] {
        let Err(Refusal::Invalid(problems)) = world.try_send(body).await else {
            panic!("{code}: it was taken");
        };
        assert_eq!(problems[0].code, code);
    }
}

#[tokio::test(start_paused = true)]
async fn many_that_come_at_once_are_written_together() {
    let world = World::new().await;
    world.devices(1..101).await;
    let no = world.to(1..101).await;
    world.completed(no).await;
    let calls = (0..100).map(|position| {
        let engine = world.engine.clone();
        let receipts = vec![said(&world, no, position), said(&world, no, position)];
        tokio::spawn(async move { engine.receive(receipts).await.unwrap() })
    });
    let calls: Vec<_> = calls.collect();
    for call in calls {
        let answers = call.await.unwrap();
        assert_eq!(answers, [ReceiptAnswer::Recorded, ReceiptAnswer::Repeated]);
    }
    assert_eq!(
        world.events("receipt.delivered").await.len(),
        1,
        "one event"
    );
    let counts = world.store.receipt_counts(no).await.unwrap();
    assert_eq!(counts, (100, 0));
    let gone = world
        .engine
        .receive(vec![said(&world, NotificationNo(999), 0)]);
    assert_eq!(gone.await.unwrap(), [ReceiptAnswer::Gone]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_means_that_it_is_on_disk() {
    let world = World::new().await;
    world.devices(1..2).await;
    let no = world.to(1..2).await;
    world.completed(no).await;
    world.store.fail(Some(StoreError::DiskFull));
    let refused = world.engine.receive(vec![said(&world, no, 0)]).await;
    assert!(matches!(refused, Err(StoreError::DiskFull)), "{refused:?}");
    world.store.fail(None);
    let again = world.engine.receive(vec![said(&world, no, 0)]).await;
    assert_eq!(again.unwrap(), [ReceiptAnswer::Recorded]);
}
