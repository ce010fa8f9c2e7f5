//! Pages that do not arrive at once: how long they are sent, what is taken back, and what counts for nobody. And definitions
//! that one process does not know yet.

use crate::fake_gateway::{accept, blocked, signing_key};
use crate::watched::{SHOP, means, step};
use crate::world::{World, address, nobody};
use carillon_engine::watch::IncidentRefusal;
use carillon_model::definition::{Definition, DefinitionKind};
use carillon_model::delivery::FinalState;
use carillon_model::device::{DeviceRegistration, PushTokenRegistration};
use carillon_model::environment::{Environment, TokenEnvironment};
use carillon_model::id::NotificationNo;
use carillon_model::monitor::{CALL_SCREEN, Detour, IncidentMove, PageHow, Rings, WatchState};
use carillon_model::outcome::{Outcome, TroubleScope};
use carillon_model::push_type::{PushType, TokenKind};
use carillon_ports::clock::Clock as _;
use carillon_ports::registry::Registry as _;
use carillon_ports::store::StoreError;
use carillon_ports::watch::StoredIncident;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

/// A shop that breaks, and a ladder of these steps.
async fn broken(world: &World, steps: Value) -> Definition {
    world.ladder("night", steps).await;
    let shop = world
        .monitor("shop", SHOP, json!({"ladder": "night"}))
        .await;
    world.checker.break_down(SHOP);
    shop
}

/// The gateway takes nothing until told otherwise.
fn troubled(world: &World) -> Arc<AtomicBool> {
    let is_bad = Arc::new(AtomicBool::new(true));
    let bad = is_bad.clone();
    world.gateway.script(move |_| match bad.load(Relaxed) {
        true => blocked(TroubleScope::Gateway, "Shutdown", None),
        false => accept(),
    });
    is_bad
}

/// The notification of the page with this place, as soon as there is one.
async fn page(world: &World, shop: &Definition, place: usize) -> NotificationNo {
    let is_paged = async || world.paged(shop, 1).await.len() > place;
    world.until(Duration::from_secs(86_400), is_paged).await;
    let paged = world.paged(shop, 1).await;
    let id = paged[place][0].notification.as_ref().unwrap();
    NotificationNo::parse(id).unwrap().0
}

#[tokio::test(start_paused = true)]
async fn a_ring_that_is_not_sent_at_once_is_never_sent() {
    let world = World::new().await;
    world.phone(1, "ann", true).await;
    let is_bad = troubled(&world);
    let shop = broken(&world, json!([step(&["ann"], "ring", "0s")])).await;
    let no = page(&world, &shop, 0).await;
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Expired, 1)]);
    let lasted_ms = view.completed_at.unwrap() - view.head.accepted_at;
    assert!((45_000..50_000).contains(&lasted_ms), "{lasted_ms}");
    is_bad.store(false, Relaxed);
    world.pass(3_600_000).await;
    assert_eq!(world.got(), [], "nobody is woken later");
}

#[tokio::test(start_paused = true)]
async fn an_alert_is_sent_until_the_next_step_is_due_within_bounds() {
    let world = World::new().await;
    world.phone(1, "ann", false).await;
    let steps = json!([
        step(&["ann"], "alert", "0s"),
        step(&["ann"], "critical", "1m"),
        step(&["ann"], "alert", "20m"),
        step(&["ann"], "alert", "3h"),
    ]);
    let shop = broken(&world, steps).await;
    for (place, life_ms) in [600_000, 1_200_000, 3_600_000, 600_000]
        .into_iter()
        .enumerate()
    {
        let no = page(&world, &shop, place).await;
        let head = world.view(no).await.head;
        let lasts_ms = head.expires_at.unwrap() - head.accepted_at;
        assert_eq!(lasts_ms, life_ms, "{place}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_still_waits_is_taken_back_when_it_is_not_so_any_more() {
    let world = World::new().await;
    world.phone(1, "ann", false).await;
    let is_bad = troubled(&world);
    let shop = broken(&world, json!([step(&["ann"], "alert", "0s")])).await;
    let paged = page(&world, &shop, 0).await;
    world.acknowledge(&shop, 1, "bob").await;
    let view = world.completed(paged).await;
    assert_eq!(view.states, [(FinalState::Cancelled, 1)]);
    // That Bob has it waits too, and is not so any more when it is over.
    world.checker.mend(SHOP);
    world.until_state(&shop, WatchState::Ok).await;
    world.pass(1_000).await;
    is_bad.store(false, Relaxed);
    let got = world.until_got(1).await;
    assert_eq!(got[0].incident["state"], "resolved");
    world.pass(3_600_000).await;
    assert_eq!(world.got().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_busy_store_does_not_take_back_is_tried_again() {
    let world = World::new().await;
    world.phone(1, "ann", false).await;
    let is_bad = troubled(&world);
    let shop = broken(&world, json!([step(&["ann"], "alert", "0s")])).await;
    let paged = page(&world, &shop, 0).await;
    world.store.fail_cancels(Some(StoreError::Busy));
    world.acknowledge(&shop, 1, "bob").await;
    world.pass(60_000).await;
    assert_eq!(world.view(paged).await.completed_at, None);
    world.store.fail_cancels(None);
    world.pass(10_000).await;
    let view = world.view(paged).await;
    assert_eq!(view.states, [(FinalState::Cancelled, 1)]);
    is_bad.store(false, Relaxed);
    let got = world.until_got(1).await;
    assert_eq!(got[0].incident["state"], "acknowledged");
}

#[tokio::test(start_paused = true)]
async fn only_so_many_pages_are_taken_back_at_once() {
    let world = World::new().await;
    let users: Vec<String> = (1..=20).map(|n| format!("user{n}")).collect();
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    for (number, user) in (1..).zip(&users) {
        world.phone(number, user, false).await;
    }
    // What is being sent is waited for.
    world
        .gateway
        .script(|_| vec![(60_000, Outcome::accepted(1, 60_000))]);
    let shop = broken(&world, json!([step(&users, "alert", "0s")])).await;
    page(&world, &shop, 0).await;
    world.pass(1_000).await;
    let told = world.paged(&shop, 1).await.remove(0);
    let pages = told.iter().filter_map(|told| told.notification.as_deref());
    let pages: BTreeSet<NotificationNo> = pages
        .map(|id| NotificationNo::parse(id).unwrap().0)
        .collect();
    assert_eq!(pages.len(), 20);
    let taken_back = async || {
        let mut count = 0;
        for no in &pages {
            count += usize::from(world.view(*no).await.head.cancelled);
        }
        count
    };
    world.acknowledge(&shop, 1, "bob").await;
    world.pass(100).await;
    assert_eq!(taken_back().await, 16);
    world.pass(5_000).await;
    assert_eq!(taken_back().await, 20);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_cannot_be_made_counts_for_nobody_and_the_next_step_is_taken_at_once() {
    let world = World::new().await;
    world.phone(1, "ann", true).await;
    world.phone(2, "bob", false).await;
    world.gateway.refuse(Some(PushType::Voip));
    let steps = json!([step(&["ann"], "ring", "0s"), step(&["bob"], "alert", "5m")]);
    let shop = broken(&world, steps).await;
    assert_eq!(world.until_got(1).await[0].phone, 2);
    let paged = world.paged(&shop, 1).await;
    let how: Vec<_> = paged.iter().map(|told| means(told)).collect();
    assert_eq!(
        how,
        [vec![("ann", None)], vec![("bob", Some(PageHow::Alert))]]
    );
    let entries = world.entries(&shop, 1).await;
    let at: Vec<_> = entries.iter().map(|entry| entry.what.entry.at).collect();
    assert_eq!(at.first(), at.last(), "in one step");
    let events = world.events("incident.paged").await.into_iter();
    let devices = events.map(|event| {
        let data: Value = serde_json::from_str(&event.data).unwrap();
        data["page"]["devices"].as_u64().unwrap()
    });
    assert_eq!(devices.collect::<Vec<_>>(), [0, 1]);
    let phones = world.hot.page_phones(world.app, vec!["ann".into()], 20);
    let rings = phones.await.unwrap().remove(0).rings;
    assert_eq!(rings, Rings::default(), "it was not rung");
}

#[tokio::test(start_paused = true)]
async fn a_device_that_has_another_owner_is_not_told_how_it_went_on() {
    let world = World::new().await;
    world.phone(1, "ann", false).await;
    world.phone(2, "ann", false).await;
    let shop = broken(&world, json!([step(&["ann"], "alert", "0s")])).await;
    world.until_got(2).await;
    world.phone(1, "bob", false).await;
    world.acknowledge(&shop, 1, "cid").await;
    let got = world.until_got(3).await;
    assert_eq!(
        (got[2].phone, &got[2].incident["state"]),
        (2, &json!("acknowledged"))
    );
    world.pass(60_000).await;
    assert_eq!(world.got().len(), 3);
}

/// A phone of Ann's whose app has a call screen, with these push tokens.
async fn phone_with(world: &World, push_tokens: Vec<PushTokenRegistration>) {
    let registration = DeviceRegistration {
        id: Some("d1".to_owned()),
        user_id: Some("ann".to_owned()),
        capabilities: vec![CALL_SCREEN.to_owned()],
        push_tokens,
        ..DeviceRegistration::default()
    };
    let now = world.clock.now();
    let registered = world
        .store
        .register_devices(world.app, vec![registration], now);
    registered.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_another_environment_lacks_stops_no_ring() {
    let world = World::new().await;
    let facts = signing_key(&[Environment::Production]);
    world.credential(world.app, "key", facts).await;
    world.phone(1, "ann", true).await;
    let (kind, sandbox) = (TokenKind::Alert, TokenEnvironment::Sandbox);
    world.devices_of(world.app, 9..10, kind, sandbox).await;
    world.to(9..10).await;
    let is_stuck = async || {
        let status = world.engine.status();
        status.lanes.iter().any(|lane| lane.problem.is_some())
    };
    world.until(Duration::from_secs(60), is_stuck).await;
    let shop = broken(&world, json!([step(&["ann"], "ring", "0s")])).await;
    assert!(world.until_got(1).await[0].is_ring);
    let paged = world.paged(&shop, 1).await;
    assert_eq!(paged[0][0].detour, None);
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_pages_went_around_for_an_hour_is_tried_by_a_ring() {
    let world = World::new().await;
    let (auto, production) = (TokenEnvironment::Auto, TokenEnvironment::Production);
    let push_tokens = vec![
        PushTokenRegistration::new(TokenKind::Alert, address(1), production),
        PushTokenRegistration::new(TokenKind::Voip, address(101), auto),
    ];
    phone_with(&world, push_tokens).await;
    let is_bad = Arc::new(AtomicBool::new(true));
    let bad = is_bad.clone();
    world.gateway.script(move |push| {
        let is_stuck = push.pool.probing && bad.load(Relaxed);
        match is_stuck {
            true => blocked(TroubleScope::Gateway, "Shutdown", None),
            false => accept(),
        }
    });
    let steps = json!([
        step(&["ann"], "ring", "0s"),
        step(&["ann"], "ring", "5m"),
        step(&["ann"], "ring", "1h"),
    ]);
    let shop = broken(&world, steps).await;
    assert!(!world.until_got(1).await[0].is_ring);
    is_bad.store(false, Relaxed);
    assert!(world.until_got(2).await[1].is_ring);
    let paged = world.paged(&shop, 1).await;
    let how: Vec<_> = paged
        .iter()
        .map(|told| (told[0].how.unwrap(), told[0].detour))
        .collect();
    let around = (PageHow::Critical, Some(Detour::OtherGateway));
    let rung = (PageHow::Ring, None);
    assert_eq!(how, [rung, around, rung]);
}

#[tokio::test(start_paused = true)]
async fn a_phone_that_only_a_ring_reaches_is_rung_on() {
    let world = World::new().await;
    let production = TokenEnvironment::Production;
    let voip = PushTokenRegistration::new(TokenKind::Voip, address(101), production);
    phone_with(&world, vec![voip]).await;
    let steps: Vec<Value> = (0..5).map(|_| step(&["ann"], "ring", "5m")).collect();
    let shop = broken(&world, steps.into()).await;
    let got = world.until_got(5).await;
    assert!(got.iter().all(|got| got.is_ring), "{got:?}");
    let paged = world.paged(&shop, 1).await;
    let rung = vec![("ann", Some(PageHow::Ring))];
    for told in &paged {
        assert_eq!(means(told), rung);
    }
}

/// A monitor with an open incident, as it was before its record took a turn by a newer definition, which this process has
/// not read.
async fn behind(world: &World) -> (Definition, Definition) {
    world.phone(1, "ann", false).await;
    let old = broken(world, json!([step(&["ann"], "alert", "0s")])).await;
    world.until_got(1).await;
    let mut body: Value = serde_json::from_str(&old.body).unwrap();
    body["retries"] = 1.into();
    let put = world.store.put_definition(
        old.no,
        world.app,
        DefinitionKind::Monitor,
        "shop".into(),
        body.to_string(),
        None,
        world.clock.now(),
        nobody(),
    );
    let newer = put.await.unwrap();
    world.engine.monitor_changed(&newer).await.unwrap();
    assert!(newer.version > old.version);
    assert_eq!(version(world, &old).await, newer.version);
    (old, newer)
}

async fn version(world: &World, monitor: &Definition) -> u32 {
    let found = world.hot.watches(vec![monitor.no]).await.unwrap();
    found[0].as_ref().unwrap().as_ref().unwrap().version
}

async fn acknowledge(
    world: &World,
    monitor: &Definition,
) -> Result<StoredIncident, IncidentRefusal> {
    let (by, wanted) = ("ann".to_owned(), IncidentMove::Acknowledge);
    world.engine.move_incident(monitor, 1, by, wanted).await
}

#[tokio::test(start_paused = true)]
async fn who_has_an_older_definition_takes_a_step_by_the_newer_one() {
    let world = World::shared("api,sender,scheduler,worker").await;
    let (old, newer) = behind(&world).await;
    let moved = acknowledge(&world, &old).await;
    assert_eq!(moved.unwrap().acknowledged.unwrap().0, "ann");
    assert_eq!(version(&world, &old).await, newer.version);
    let asked = world.checker.asked(SHOP).len();
    world.pass(45_000).await;
    assert!(world.checker.asked(SHOP).len() >= asked + 3);
}

#[tokio::test(start_paused = true)]
async fn who_cannot_know_the_newer_definition_takes_no_step() {
    let world = World::new().await;
    let (old, newer) = behind(&world).await;
    let refused = acknowledge(&world, &old).await;
    assert!(
        matches!(refused, Err(IncidentRefusal::Store(StoreError::Busy))),
        "{refused:?}"
    );
    assert_eq!(version(&world, &old).await, newer.version);
    world.engine.refresh().await.unwrap();
    let moved = acknowledge(&world, &old).await;
    moved.unwrap();
    assert_eq!(version(&world, &old).await, newer.version);
}
