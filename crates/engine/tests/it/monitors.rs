//! Monitors: from a service that breaks to somebody who has it in hand, each step once, and nothing after that.

use crate::watched::{Got, SHOP, means, step};
use crate::world::World;
use carillon_engine::receipt::DATA_KEY;
use carillon_engine::watch::{IncidentLink, IncidentRefusal};
use carillon_model::definition::DefinitionKind;
use carillon_model::frequency::FrequencyCap;
use carillon_model::monitor::{
    Hold, IncidentMove, Instead, PageHow, Refused, ResolvedBy, WatchState,
};
use carillon_model::receipts::ReceiptKind;
use carillon_ports::clock::Clock as _;
use carillon_ports::receipt::NewReceipt;
use carillon_ports::registry::Registry as _;
use carillon_ports::watch::{HOUR_MS, WatchClaim, WatchStep};
use serde_json::json;
use std::time::Duration;

/// Ann is alerted, and rung a minute later; a minute after that Bob's phone sounds.
async fn on_call(world: &World) {
    world.phone(1, "ann", true).await;
    world.phone(2, "bob", true).await;
    let steps = json!([
        step(&["ann"], "alert", "0s"),
        step(&["ann"], "ring", "1m"),
        step(&["bob"], "critical", "1m"),
    ]);
    world.ladder("night", steps).await;
}

fn is_about(got: &Got, after_ms: u64) -> bool {
    (after_ms..after_ms + 2_000).contains(&got.at)
}

#[tokio::test(start_paused = true)]
async fn each_is_paged_until_somebody_has_it_in_hand_and_all_are_told_that_it_is_over() {
    let world = World::new().await;
    on_call(&world).await;
    let shop = world
        .monitor("shop", SHOP, json!({"ladder": "night"}))
        .await;
    world.until_state(&shop, WatchState::Ok).await;
    world.checker.break_down(SHOP);
    let got = world.until_got(3).await;
    assert_eq!((got[0].phone, got[0].is_ring), (1, false));
    assert_eq!(got[0].text, "no connection to shop.example:443");
    assert_eq!((got[1].phone, got[1].is_ring), (1, true));
    assert_eq!(got[1].text, "", "a call says nothing but in its data");
    assert_eq!(got[1].incident["title"], "shop is down");
    assert!(is_about(&got[1], 60_000), "{got:#?}");
    assert_eq!((got[2].phone, got[2].is_ring), (2, false));
    assert!(is_about(&got[2], 120_000), "{got:#?}");
    for one in &got {
        assert_eq!(one.incident["monitor"], "shop");
        assert_eq!(one.incident["app"], "shop");
        assert_eq!(one.incident["incident"], 1);
        assert_eq!(one.incident["state"], "firing");
    }
    let link = got[2].incident["link"]
        .as_str()
        .unwrap()
        .strip_prefix("/i/");
    let link = world.engine.read_incident_link(link.unwrap()).unwrap();
    let until = link.until;
    let expected = IncidentLink {
        app: world.app,
        monitor: shop.no,
        incident: 1,
        user: "bob".into(),
        until,
    };
    assert_eq!(link, expected);
    assert_eq!(world.engine.monitor_of_link(&link).unwrap().no, shop.no);

    world.acknowledge(&shop, 1, "bob").await;
    let got = world.until_got(4).await;
    assert_eq!((got[3].phone, got[3].is_ring), (1, false), "bob knows");
    assert_eq!(got[3].incident["state"], "acknowledged");
    world.pass(3_600_000).await;
    assert_eq!(world.got().len(), 4, "nobody is paged while he has it");
    assert_eq!(world.watch(&shop).await.state, WatchState::Acknowledged);

    world.checker.mend(SHOP);
    let mut told = world.until_got(6).await.split_off(4);
    told.sort_by_key(|got| got.phone);
    let phones: Vec<_> = told.iter().map(|got| (got.phone, got.is_ring)).collect();
    assert_eq!(phones, [(1, false), (2, false)]);
    assert!(told.iter().all(|got| got.incident["state"] == "resolved"));
    world.pass(3_600_000).await;
    assert_eq!(world.got().len(), 6, "it is over");

    let incident = world.engine.incident(shop.no, 1).await.unwrap().unwrap();
    assert_eq!(incident.pages, 3);
    assert_eq!(incident.acknowledged.unwrap().0, "bob");
    assert_eq!(incident.resolved.unwrap().0, ResolvedBy::Recovery);
    let paged = world.paged(&shop, 1).await;
    let how: Vec<_> = paged.iter().map(|told| means(told)).collect();
    let by = |user, how| vec![(user, Some(how))];
    assert_eq!(
        how,
        [
            by("ann", PageHow::Alert),
            by("ann", PageHow::Ring),
            by("bob", PageHow::Critical)
        ]
    );
    for told in paged.iter().flatten() {
        let id = told.notification.as_ref().unwrap();
        assert!(id.starts_with("ntf_"), "{id}");
    }
    for (kind, count) in [
        ("incident.opened", 1),
        ("incident.paged", 3),
        ("incident.acknowledged", 1),
        ("incident.resolved", 1),
        ("incident.given_up", 0),
    ] {
        assert_eq!(world.events(kind).await.len(), count, "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_ladder_that_nobody_answers_is_given_up_and_told() {
    let world = World::new().await;
    on_call(&world).await;
    let shop = world
        .monitor("shop", SHOP, json!({"ladder": "night"}))
        .await;
    world.checker.break_down(SHOP);
    let is_given_up = async || !world.events("incident.given_up").await.is_empty();
    world.until(Duration::from_secs(7_200), is_given_up).await;
    world.pass(86_400_000).await;
    assert_eq!(world.until_got(3).await.len(), 3);
    let incident = world.engine.incident(shop.no, 1).await.unwrap().unwrap();
    assert!(incident.is_given_up && incident.resolved.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_restart_in_the_middle_takes_each_step_once() {
    let world = World::new().await;
    on_call(&world).await;
    let shop = world
        .monitor("shop", SHOP, json!({"ladder": "night"}))
        .await;
    world.checker.break_down(SHOP);
    world.until_got(1).await;
    let world = world.crash().await;
    let got = world.until_got(2).await;
    assert!(is_about(&got[1], 60_000), "{got:#?}");
    // Over the time of the third step.
    let world = world.crash_for(90_000).await;
    let got = world.until_got(3).await;
    assert_eq!(got[2].phone, 2);
    let world = world.crash().await;
    world.acknowledge(&shop, 1, "ann").await;
    world.until_got(4).await;
    let world = world.crash().await;
    world.pass(3_600_000).await;
    assert_eq!(world.got().len(), 4);
    assert_eq!(world.paged(&shop, 1).await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn two_processes_on_one_store_check_and_page_once_and_the_other_goes_on() {
    let world = World::shared("api,sender,scheduler,worker").await;
    on_call(&world).await;
    let other = world.another("scheduler,worker").await;
    let places: Vec<String> = (0..20).map(|n| format!("s{n}.example:443")).collect();
    let mut all = Vec::new();
    for (n, place) in places.iter().enumerate() {
        let with = json!({"interval": "20s"});
        all.push(world.monitor(&format!("s{n}"), place, with).await);
    }
    let shop = world
        .monitor("shop", SHOP, json!({"ladder": "night"}))
        .await;
    world.until_state(&shop, WatchState::Ok).await;
    world.pass(200_000).await;
    for place in &places {
        let count = world.checker.asked(place).len();
        assert!((9..=13).contains(&count), "{place} was asked {count} times");
    }
    world.checker.break_down(SHOP);
    world.until_got(1).await;
    // The first one, which leads everything, is gone as by a crash.
    let World { engine, .. } = world;
    drop(engine);
    other.until_got(1).await;
    let is_paged = async || other.paged(&shop, 1).await.len() == 3;
    other.until(Duration::from_secs(600), is_paged).await;
    other.pass(3_600_000).await;
    assert_eq!(other.paged(&shop, 1).await.len(), 3, "each step once");
    for place in &places {
        let count = other.checker.asked(place).len();
        assert!(count > 150, "{place} was asked {count} times");
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_who_take_it_in_hand_at_once_one_has_it() {
    let world = World::new().await;
    on_call(&world).await;
    let shop = world
        .monitor("shop", SHOP, json!({"ladder": "night"}))
        .await;
    world.checker.break_down(SHOP);
    world.until_got(1).await;
    let take = |by: &str| {
        let (by, wanted) = (by.to_owned(), IncidentMove::Acknowledge);
        world.engine.move_incident(&shop, 1, by, wanted)
    };
    let (ann, bob) = tokio::join!(take("ann"), take("bob"));
    let refusal = match (ann, bob) {
        (Ok(_), Err(refusal)) | (Err(refusal), Ok(_)) => refusal,
        both => panic!("{both:?}"),
    };
    assert!(
        matches!(
            refusal,
            IncidentRefusal::Refused(Refused::Acknowledged { no: 1, .. })
        ),
        "{refusal:?}"
    );
    let anns = |no, wanted| world.engine.move_incident(&shop, no, "ann".into(), wanted);
    let refusal = anns(2, IncidentMove::Resolve).await.unwrap_err();
    assert!(
        matches!(refusal, IncidentRefusal::NoIncident(_)),
        "{refusal:?}"
    );
    // Given back: the ladder begins anew.
    anns(1, IncidentMove::Unacknowledge).await.unwrap();
    let is_paged = async || world.paged(&shop, 1).await.len() == 2;
    world.until(Duration::from_secs(10), is_paged).await;
    // Closed by a person while it is still down: opened again by as many failures as the first time.
    let closed = anns(1, IncidentMove::Resolve).await.unwrap();
    assert_eq!(closed.resolved.unwrap().0, ResolvedBy::Person("ann".into()));
    let is_open = async || world.events("incident.opened").await.len() == 2;
    world.until(Duration::from_secs(60), is_open).await;
}

#[tokio::test(start_paused = true)]
async fn maintenance_and_what_it_depends_on_hold_pages_back() {
    let world = World::new().await;
    on_call(&world).await;
    let router = world.monitor("router", "router.example:1", json!({})).await;
    let with = json!({"ladder": "night", "depends_on": ["router"]});
    let shop = world.monitor("shop", SHOP, with).await;
    world.until_state(&shop, WatchState::Ok).await;
    world.until_state(&router, WatchState::Ok).await;
    world.checker.break_down("router.example:1");
    world.checker.break_down(SHOP);
    world.until_state(&router, WatchState::Firing).await;
    world.pass(600_000).await;
    let watch = world.watch(&shop).await;
    assert_eq!(watch.hold, Some(Hold::Dependency("router".into())));
    assert_eq!(watch.state, WatchState::Suspected);
    assert_eq!(world.got(), [], "it is behind the router");
    world.checker.mend("router.example:1");
    world.until_got(1).await;
    let watch = world.watch(&shop).await;
    assert_eq!((watch.hold, watch.state), (None, WatchState::Firing));

    // On purpose from now on for an hour: the ladder rests, and goes on after it.
    let at = |ms: i64| {
        let at = jiff::Timestamp::from_millisecond(world.clock.now() + ms);
        at.unwrap().to_string()
    };
    let window = json!([{"from": at(0), "until": at(3_600_000)}]);
    let with = json!({"ladder": "night", "maintenance": window});
    let shop = world.monitor("shop", SHOP, with).await;
    world.pass(3_500_000).await;
    assert_eq!(world.watch(&shop).await.hold, Some(Hold::Maintenance));
    assert_eq!(world.got().len(), 1);
    let got = world.until_got(2).await;
    assert!(got[1].at > 3_500_000, "{got:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_phone_without_a_call_screen_sounds_and_the_reason_is_written_down() {
    let world = World::new().await;
    world.phone(1, "ann", false).await;
    world.phone(2, "ann", true).await;
    world
        .ladder("night", json!([step(&["ann"], "ring", "0s")]))
        .await;
    let shop = world
        .monitor("shop", SHOP, json!({"ladder": "night"}))
        .await;
    world.checker.break_down(SHOP);
    let mut got = world.until_got(2).await;
    got.sort_by_key(|got| got.phone);
    let rung: Vec<_> = got.iter().map(|got| (got.phone, got.is_ring)).collect();
    assert_eq!(rung, [(1, false), (2, true)]);
    let paged = world.paged(&shop, 1).await;
    let told: Vec<_> = paged[0]
        .iter()
        .map(|told| (told.how, told.instead))
        .collect();
    assert_eq!(
        told,
        [
            (Some(PageHow::Critical), Some(Instead::NoCallScreen)),
            (Some(PageHow::Ring), None)
        ]
    );
    // A ladder that rings where nobody can be rung is not stored at all.
    world.phone(3, "cid", false).await;
    let steps = json!({"steps": [step(&["cid"], "ring", "0s")]});
    let ladder = serde_json::from_value(steps).unwrap();
    let problems = world.engine.plan_ladder(world.app, &ladder).await.unwrap();
    let problems = problems.unwrap_err();
    assert_eq!(problems[0].code, "ladder.no_call_screen");
    assert!(
        problems[0].message.contains("iOS ends an app"),
        "{problems:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_phone_that_is_not_heard_of_is_rung_no_more_until_it_is() {
    let world = World::new().await;
    world.phone(1, "ann", true).await;
    let steps: Vec<_> = (0..6).map(|_| step(&["ann"], "ring", "1m")).collect();
    world.ladder("night", json!(steps)).await;
    let shop = world
        .monitor("shop", SHOP, json!({"ladder": "night"}))
        .await;
    world.checker.break_down(SHOP);
    let got = world.until_got(4).await;
    let rung: Vec<_> = got.iter().map(|got| got.is_ring).collect();
    assert_eq!(rung, [true, true, true, false]);
    let paged = world.paged(&shop, 1).await;
    assert_eq!(paged[3][0].instead, Some(Instead::Unanswered));
    // Its app says that the last page arrived.
    let last = world.gateway.written().pop().unwrap();
    let text = String::from_utf8(last.payload.to_vec()).unwrap();
    let data = text.split_once('{').unwrap().1;
    let data: serde_json::Value = serde_json::from_str(&format!("{{{data}")).unwrap();
    let key = &world.engine.receipts().receipt_key;
    let delivery = key.read(data[DATA_KEY].as_str().unwrap()).unwrap();
    let receipt = NewReceipt {
        delivery,
        kind: ReceiptKind::Delivered,
        at: world.clock.now(),
    };
    world.engine.receive(vec![receipt]).await.unwrap();
    let got = world.until_got(5).await;
    assert!(got[4].is_ring, "{got:#?}");
}

#[tokio::test(start_paused = true)]
async fn what_reaches_nobody_goes_on_at_once() {
    let world = World::new().await;
    world.phone(2, "bob", false).await;
    let steps = json!([
        step(&["ann"], "alert", "0s"),
        step(&["cid"], "ring", "5m"),
        step(&["bob"], "alert", "5m"),
        step(&["bob"], "critical", "5m"),
    ]);
    world.ladder("night", steps).await;
    let shop = world
        .monitor("shop", SHOP, json!({"ladder": "night"}))
        .await;
    world.checker.break_down(SHOP);
    world.until_got(1).await;
    let paged = world.paged(&shop, 1).await;
    let how: Vec<_> = paged.iter().map(|told| means(told)).collect();
    assert_eq!(
        how,
        [
            vec![("ann", None)],
            vec![("cid", None)],
            vec![("bob", Some(PageHow::Alert))]
        ]
    );
    let entries = world.entries(&shop, 1).await;
    let at: Vec<_> = entries.iter().map(|entry| entry.what.entry.at).collect();
    assert_eq!(at.first(), at.last(), "in one step");
    let got = world.until_got(2).await;
    assert!(
        is_about(&got[1], 300_000),
        "whom it reaches has the time to answer"
    );
}

#[tokio::test(start_paused = true)]
async fn caps_hold_no_page_back() {
    let world = World::new().await;
    let cap = FrequencyCap {
        max: 1,
        per: 86_400_000,
        categories: Vec::new(),
    };
    let settings = carillon_model::app::AppSettings {
        frequency_cap: vec![cap],
        ..Default::default()
    };
    world.app("shop", settings).await;
    on_call(&world).await;
    world
        .monitor("shop", SHOP, json!({"ladder": "night"}))
        .await;
    world.checker.break_down(SHOP);
    world.until_got(3).await;
}

#[tokio::test(start_paused = true)]
async fn a_monitor_that_is_up_is_written_now_and_then_and_checked_all_the_time() {
    let world = World::new().await;
    let shop = world.monitor("shop", SHOP, json!({"interval": "1s"})).await;
    world.until_state(&shop, WatchState::Ok).await;
    world.pass(15_000).await;
    let (fence, asked) = (
        world.watch_fence(&shop).await,
        world.checker.asked(SHOP).len(),
    );
    let mut fences = std::collections::BTreeSet::from([fence]);
    for _ in 0..600 {
        world.pass(100).await;
        fences.insert(world.watch_fence(&shop).await);
    }
    let asked = world.checker.asked(SHOP).len() - asked;
    assert!((58..=61).contains(&asked), "{asked} checks in a minute");
    assert!(fences.len() <= 8, "{} writes in a minute", fences.len() - 1);
    let watch = world.watch(&shop).await;
    let late = world.clock.now() - watch.last.unwrap().at;
    assert!(late <= 11_000, "what is on disk is {late} ms old");
    // A failure is on disk at once.
    world.checker.break_down(SHOP);
    world.until_state(&shop, WatchState::Suspected).await;
    let status = world
        .engine
        .monitor_status(world.app, std::slice::from_ref(&shop));
    let status = status.await.unwrap().remove(0);
    assert_eq!(status.windows[0].name, "1h");
    let present = world.clock.now().div_euclid(HOUR_MS);
    let begun: Vec<i64> = status.windows.iter().map(|window| window.from).collect();
    let hours = [1, 24, 7 * 24, 30 * 24, 90 * 24];
    assert_eq!(begun, hours.map(|hours| (present + 1 - hours) * HOUR_MS));
    assert_eq!(status.first_hour, present - 23);
    let hour = &status.windows[1].tally;
    assert_eq!(hour.down_ms, 0, "what is only suspected is up");
    assert!((70_000..90_000).contains(&hour.up_ms), "{hour:?}");
    assert!(hour.answers() >= 70, "{hour:?}");
    assert_eq!(hour.percentile_ms(0.99), Some(5));
    assert_eq!(status.hours.len(), 24);
}

#[tokio::test(start_paused = true)]
async fn what_a_crash_left_undone_is_made_up_for() {
    let world = World::new().await;
    on_call(&world).await;
    let body = json!({"check": {"tcp": {"host": "shop.example", "port": 443}}, "ladder": "night",
        "interval": "10s", "retries": 0, "failures": 1});
    // Stored, and its process dies before it was told of.
    let shop = world
        .put_plan(DefinitionKind::Monitor, "shop", body.clone())
        .await;
    world.until_state(&shop, WatchState::Ok).await;
    let mut paused = body;
    paused["paused"] = true.into();
    let shop = world
        .put_plan(DefinitionKind::Monitor, "shop", paused)
        .await;
    world.until_state(&shop, WatchState::Waiting).await;
    world.checker.break_down(SHOP);
    let asked = world.checker.asked(SHOP).len();
    world.pass(60_000).await;
    assert_eq!(world.checker.asked(SHOP).len(), asked, "it rests");
}

#[tokio::test(start_paused = true)]
async fn a_monitor_that_was_to_leave_and_stayed_is_watched_again() {
    let world = World::new().await;
    let shop = world.monitor("shop", SHOP, json!({})).await;
    world.until_state(&shop, WatchState::Ok).await;
    // The process that deletes it dies in between.
    world.engine.monitor_leaves(&shop).await.unwrap();
    assert_eq!(world.watch(&shop).await.state, WatchState::Waiting);
    world.until_state(&shop, WatchState::Ok).await;
    let asked = world.checker.asked(SHOP).len();
    world.pass(60_000).await;
    assert!(world.checker.asked(SHOP).len() >= asked + 5);
}

#[tokio::test(start_paused = true)]
async fn one_whose_people_cannot_be_read_keeps_nobody_else_from_being_paged() {
    let world = World::new().await;
    on_call(&world).await;
    world
        .ladder("spoilt", json!([step(&["eve"], "alert", "0s")]))
        .await;
    world.store.spoil_user(Some("eve"));
    let with = json!({"ladder": "spoilt"});
    world.monitor("first", "first.example:443", with).await;
    let with = json!({"ladder": "night"});
    let shop = world.monitor("shop", SHOP, with).await;
    world.until_state(&shop, WatchState::Ok).await;
    world.checker.break_down("first.example:443");
    world.checker.break_down(SHOP);
    assert_eq!(world.until_got(1).await[0].incident["monitor"], "shop");
    let failed = tokio::time::timeout(Duration::from_secs(60), world.engine.failed());
    assert!(failed.await.is_err(), "the process goes on");
}

#[tokio::test(start_paused = true)]
async fn one_whose_record_cannot_be_read_keeps_nobody_else_from_being_watched() {
    let world = World::new().await;
    on_call(&world).await;
    let router = world
        .monitor("router", "router.example:443", json!({}))
        .await;
    // What it depends on is not known to be down: it pages.
    let with = json!({"ladder": "night", "depends_on": ["router"]});
    let shop = world.monitor("shop", SHOP, with).await;
    world.until_state(&router, WatchState::Ok).await;
    world.until_state(&shop, WatchState::Ok).await;
    world.store.spoil_watch(router.no, true);
    // Over a full round of the comparison with definitions.
    world.pass(70_000).await;
    world.checker.break_down(SHOP);
    assert_eq!(world.until_got(1).await[0].incident["monitor"], "shop");
    let asked = world.checker.asked("router.example:443").len();
    world.pass(60_000).await;
    let now = world.checker.asked("router.example:443").len();
    assert_eq!(now, asked, "it is not checked");
    world.store.spoil_watch(router.no, false);
    world.pass(60_000).await;
    assert!(world.checker.asked("router.example:443").len() >= asked + 3);
    let failed = tokio::time::timeout(Duration::from_secs(60), world.engine.failed());
    assert!(failed.await.is_err(), "the process goes on");
}

#[tokio::test(start_paused = true)]
async fn a_record_of_an_older_definition_is_no_reason_to_rest() {
    let world = World::new().await;
    world.monitor("shop", SHOP, json!({})).await;
    let shop = world.monitor("shop", SHOP, json!({"retries": 1})).await;
    world.until_state(&shop, WatchState::Ok).await;
    world.pass(20_000).await;
    // A process that did not know the newer definition yet wrote last.
    let stored = world.hot.watches(vec![shop.no]).await.unwrap();
    let stored = stored.into_iter().flatten().flatten().next().unwrap();
    let step = WatchStep {
        monitor: shop.no,
        app: world.app,
        claim: WatchClaim::Known(stored.fence),
        state: stored.state,
        record: stored.record,
        version: stored.version - 1,
        check_at: stored.check_at,
        look_at: None,
        entries: Vec::new(),
        events: Vec::new(),
        rings: Vec::new(),
        pages: Vec::new(),
        now: world.clock.now(),
    };
    assert_eq!(world.hot.step_watches(vec![step]).await.unwrap(), [true]);
    let asked = world.checker.asked(SHOP).len();
    // Less than the minute in which all records are looked at anyway.
    world.pass(45_000).await;
    assert!(world.checker.asked(SHOP).len() >= asked + 3);
}

#[tokio::test(start_paused = true)]
async fn a_monitor_that_leaves_closes_its_incident_and_its_checks_end() {
    let world = World::new().await;
    on_call(&world).await;
    let shop = world
        .monitor("shop", SHOP, json!({"ladder": "night"}))
        .await;
    world.checker.break_down(SHOP);
    world.until_got(1).await;
    assert_eq!(
        world
            .engine
            .who_names(world.app, DefinitionKind::Ladder, "night"),
        ["monitor shop"]
    );
    world.engine.monitor_leaves(&shop).await.unwrap();
    let got = world.until_got(2).await;
    assert_eq!(got[1].incident["state"], "resolved");
    let deleted = world.store.delete_definition(
        world.app,
        DefinitionKind::Monitor,
        "shop".into(),
        world.clock.now(),
        crate::world::nobody(),
    );
    deleted.await.unwrap();
    world.engine.refresh().await.unwrap();
    let asked = world.checker.asked(SHOP).len();
    world.pass(3_600_000).await;
    assert!(world.checker.asked(SHOP).len() <= asked + 1);
    assert_eq!(world.got().len(), 2);
    assert_eq!(world.hot.watches(vec![shop.no]).await.unwrap(), [None]);
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_a_monitor_is_said_at_once() {
    let world = World::new().await;
    let of = |body: serde_json::Value| serde_json::from_value(body).unwrap();
    world
        .checker
        .forbid("10.0.0.1:1", "10.0.0.1 is a private address");
    let wrong = of(
        json!({"check": {"tcp": {"host": "10.0.0.1", "port": 1}}, "ladder": "nihgt",
        "depends_on": ["router", "shop"]}),
    );
    world
        .ladder("night", json!([step(&["ann"], "alert", "0s")]))
        .await;
    let problems = world
        .engine
        .plan_monitor(world.app, "shop", &wrong)
        .unwrap_err();
    let found: Vec<_> = problems
        .iter()
        .map(|one| (&*one.pointer, one.code))
        .collect();
    assert_eq!(
        found,
        [
            ("/ladder", "monitor.ladder"),
            ("/depends_on/0", "monitor.depends_on"),
            ("/depends_on/1", "monitor.cycle"),
            ("/check/tcp/host", "monitor.host")
        ]
    );
    assert!(problems[0].message.contains("night"), "{problems:?}");
    let right = of(json!({"check": {"tcp": {"host": "a.example", "port": 1}}, "ladder": "night"}));
    let plan = world
        .engine
        .plan_monitor(world.app, "shop", &right)
        .unwrap();
    let result = world.engine.try_monitor(world.app, &plan).await;
    assert_eq!(result.elapsed_ms, Some(5));
    assert_eq!(world.checker.asked("a.example:1").len(), 1);
}
