//! Acknowledging on the device: the receipt of a page takes its incident in hand, in the name of whoever was paged.

use crate::watched::{SHOP, step};
use crate::world::{World, to_with};
use carillon_engine::receipt::DATA_KEY;
use carillon_engine::watch::PagedUser;
use carillon_model::definition::Definition;
use carillon_model::id::{DeliveryId, NotificationNo};
use carillon_model::monitor::{IncidentMove, WatchState};
use carillon_ports::store::StoreError;
use serde_json::{Value, json};

/// Ann is alerted, a minute later Bob, and a minute after that both; the shop breaks.
async fn broken(world: &World) -> Definition {
    world.phone(1, "ann", true).await;
    world.phone(2, "bob", true).await;
    let steps = json!([
        step(&["ann"], "alert", "0s"),
        step(&["bob"], "ring", "1m"),
        step(&["ann", "bob"], "critical", "1m"),
    ]);
    world.ladder("night", steps).await;
    let shop = world
        .monitor("shop", SHOP, json!({"ladder": "night"}))
        .await;
    world.checker.break_down(SHOP);
    shop
}

/// The delivery of each push that was written, in order; `None`: it carries no receipt token.
fn deliveries(world: &World) -> Vec<Option<DeliveryId>> {
    let key = &world.engine.receipts().receipt_key;
    let read = world.gateway.written().into_iter().map(|push| {
        let text = String::from_utf8(push.payload.to_vec()).unwrap();
        let (_, data) = text.split_once('{')?;
        let data: Value = serde_json::from_str(&format!("{{{data}")).unwrap();
        Some(key.read(data[DATA_KEY].as_str()?).unwrap())
    });
    read.collect()
}

/// What the page was that was written at this place.
async fn page(world: &World, at: usize) -> PagedUser {
    let delivery = deliveries(world)[at].unwrap();
    let found = world.engine.pages_of(&[delivery]).await;
    found.unwrap().remove(0).unwrap()
}

async fn acknowledge(world: &World, at: usize) {
    let page = page(world, at).await;
    let done = world.engine.acknowledge_pages(vec![page]).await;
    done.unwrap();
}

async fn in_hand(world: &World, shop: &Definition) -> Option<String> {
    let incident = world.engine.incident(shop.no, 1).await.unwrap().unwrap();
    incident.acknowledged.map(|(by, _)| by)
}

#[tokio::test(start_paused = true)]
async fn a_page_that_is_answered_is_the_last_one_and_says_who_answered() {
    let world = World::new().await;
    let shop = broken(&world).await;
    world.until_got(2).await;
    let expected = PagedUser {
        monitor: shop.no,
        incident: 1,
        user: "bob".into(),
        is_acknowledged: false,
    };
    assert_eq!(page(&world, 1).await, expected);
    acknowledge(&world, 1).await;
    assert_eq!(in_hand(&world, &shop).await.as_deref(), Some("bob"));
    let got = world.until_got(3).await;
    assert_eq!((got[2].phone, got[2].is_ring), (1, false), "ann knows");
    assert_eq!(got[2].incident["state"], "acknowledged");
    assert_eq!(deliveries(&world)[2], None, "it is no page");
    world.pass(3_600_000).await;
    assert_eq!(world.got().len(), 3, "nobody is paged while he has it");
}

#[tokio::test(start_paused = true)]
async fn the_first_has_it_and_the_others_do_no_harm() {
    let world = World::new().await;
    let shop = broken(&world).await;
    world.until_got(2).await;
    acknowledge(&world, 0).await;
    for at in [0, 1] {
        acknowledge(&world, at).await;
        assert_eq!(in_hand(&world, &shop).await.as_deref(), Some("ann"));
    }
    assert_eq!(world.events("incident.acknowledged").await.len(), 1);
    // Over: it is not opened again by it.
    world.checker.mend(SHOP);
    world.until_state(&shop, WatchState::Ok).await;
    acknowledge(&world, 1).await;
    assert_eq!(world.watch(&shop).await.state, WatchState::Ok);
    assert_eq!(world.events("incident.acknowledged").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_said_once_more_does_not_take_in_hand_what_was_given_back() {
    let world = World::new().await;
    let shop = broken(&world).await;
    world.until_got(1).await;
    acknowledge(&world, 0).await;
    let by = "ann".to_owned();
    let given_back = IncidentMove::Unacknowledge;
    let moved = world.engine.move_incident(&shop, 1, by, given_back).await;
    moved.unwrap();
    let anew = world.until_got(2).await;
    assert_eq!(anew[1].phone, 1, "the ladder begins anew");
    assert!(page(&world, 0).await.is_acknowledged);
    acknowledge(&world, 0).await;
    assert_eq!(in_hand(&world, &shop).await, None);
    // The new page is another question.
    acknowledge(&world, 1).await;
    assert_eq!(in_hand(&world, &shop).await.as_deref(), Some("ann"));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_page_acknowledges_nothing() {
    let world = World::new().await;
    let shop = broken(&world).await;
    world.until_got(1).await;
    let sent = world.try_send(to_with(1..2, json!({ "receipt": true })));
    let sent = sent.await.unwrap().no.batch(0);
    // How it went on is told by a push that belongs to the incident, and is no page of it.
    acknowledge(&world, 0).await;
    world.checker.mend(SHOP);
    world.until_state(&shop, WatchState::Ok).await;
    let entries = world.entries(&shop, 1).await;
    let told = entries.last().unwrap().what.told[0].notification.clone();
    let (told, _) = NotificationNo::parse(&told.unwrap()).unwrap();
    let of = |batch| DeliveryId { batch, position: 0 };
    let asked = [of(sent), of(told.batch(0)), deliveries(&world)[0].unwrap()];
    let found = world.engine.pages_of(&asked).await.unwrap();
    let is_page: Vec<bool> = found.iter().map(Option::is_some).collect();
    assert_eq!(is_page, [false, false, true]);
}

#[tokio::test(start_paused = true)]
async fn it_is_on_disk_or_an_error_and_can_be_said_again() {
    let world = World::new().await;
    let shop = broken(&world).await;
    world.until_got(1).await;
    world.pass(1_000).await;
    let page = page(&world, 0).await;
    world.store.fail(Some(StoreError::DiskFull));
    let refused = world.engine.acknowledge_pages(vec![page.clone()]).await;
    assert!(matches!(refused, Err(StoreError::DiskFull)), "{refused:?}");
    assert_eq!(in_hand(&world, &shop).await, None);
    world.store.fail(None);
    let pages = vec![page.clone(), page];
    world.engine.acknowledge_pages(pages).await.unwrap();
    let world = world.crash().await;
    assert_eq!(in_hand(&world, &shop).await.as_deref(), Some("ann"));
}
