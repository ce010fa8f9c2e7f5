//! Segments: who gets what is sent to one, and how many they are.

use crate::world::{T0, World, address, nobody};
use carillon_engine::segment::CountProgress;
use carillon_engine::{EngineConfig, Refusal, SendItem};
use carillon_model::definition::DefinitionKind;
use carillon_model::delivery::FinalState;
use carillon_model::device::{DeviceRegistration, PushTokenRegistration};
use carillon_model::environment::TokenEnvironment;
use carillon_model::id::{DeliveryId, NotificationNo};
use carillon_model::push_type::TokenKind;
use carillon_model::receipts::ReceiptKind;
use carillon_model::segment::SegmentDefinition;
use carillon_ports::receipt::{NewReceipt, ReceiptAnswer};
use carillon_ports::registry::Registry as _;
use carillon_ports::timer::SendState;
use serde_json::{Value, json};

const DAY: i64 = 86_400_000;

/// Every tenth device is a VIP's; of those, every other one has the plan `pro`.
async fn with_devices(config: EngineConfig, count: u64) -> World {
    let world = World::with(config).await;
    let devices = (1..=count).map(|n| DeviceRegistration {
        id: Some(format!("d{n}")),
        user_id: Some(format!("u{n}")),
        tags: (n % 10 == 0)
            .then(|| "vip".to_owned())
            .into_iter()
            .collect(),
        attributes: (n % 20 == 0).then(|| r#"{"plan":"pro"}"#.to_owned()),
        push_tokens: vec![PushTokenRegistration::new(
            TokenKind::Alert,
            address(n),
            TokenEnvironment::Production,
        )],
        ..DeviceRegistration::default()
    });
    let made = world
        .store
        .register_devices(world.app, devices.collect(), T0);
    made.await.unwrap();
    world
}

async fn define(world: &World, name: &str, filter: &str) {
    let (app, kind) = (world.app, DefinitionKind::Segment);
    let no = world
        .store
        .definition_no(app, kind, name.into())
        .await
        .unwrap();
    let body = json!({ "filter": filter }).to_string();
    let put = world
        .store
        .put_definition(no, app, kind, name.into(), body, None, T0, nobody());
    put.await.unwrap();
    world.engine.refresh().await.unwrap();
}

fn to_segment(name: &str) -> Value {
    json!({ "target": { "segment": name }, "content": { "body": "sale" } })
}

fn definition(filter: &str) -> SegmentDefinition {
    serde_json::from_value(json!({ "filter": filter })).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_segment_gets_it_once() {
    let config = EngineConfig {
        fanout_page: 20,
        fanout_scan: 50,
        fanout_scans: 2,
        ..EngineConfig::default()
    };
    let world = with_devices(config, 1_000).await;
    define(&world, "vips", "tags contains 'vip'").await;
    let no = world.send(to_segment("vips")).await;
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Accepted, 100)]);
    // A few who stand far apart: pages without any move on all the same.
    define(&world, "one", "user_id == 'u990'").await;
    let no = world.send(to_segment("one")).await;
    assert_eq!(world.completed(no).await.deliveries, 1);
    let mut without = to_segment("vips");
    without["except_users"] = json!(["u10", "u20"]);
    let no = world.send(without).await;
    assert_eq!(world.completed(no).await.deliveries, 98);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_sent_later_goes_by_the_segment_and_the_clock_of_then() {
    let world = with_devices(EngineConfig::default(), 100).await;
    define(&world, "fresh", "last_seen > ago('2h')").await;
    define(&world, "stale", "last_seen < ago('2h')").await;
    let later = |name: &str| {
        let mut body = to_segment(name);
        let at = jiff::Timestamp::from_millisecond(T0 + DAY).unwrap();
        body["send_at"] = json!(at.to_string());
        body
    };
    let (fresh, stale) = (
        world.send(later("fresh")).await,
        world.send(later("stale")).await,
    );
    let gone = world.send(later("fresh")).await;
    define(
        &world,
        "stale",
        "last_seen < ago('2h') and tags contains 'vip'",
    )
    .await;
    world.pass(DAY as u64).await;
    assert_eq!(
        world.completed(fresh).await.deliveries,
        0,
        "a day has passed"
    );
    assert_eq!(world.completed(gone).await.deliveries, 0);
    let view = world.completed(stale).await;
    assert_eq!(view.states, [(FinalState::Accepted, 10)], "as it is then");
}

#[tokio::test(start_paused = true)]
async fn a_segment_is_what_it_was_when_the_notification_was_accepted() {
    let config = EngineConfig {
        fanout_page: 10,
        fanout_scan: 10,
        fanout_scans: 1,
        ..EngineConfig::default()
    };
    let world = with_devices(config, 300).await;
    define(
        &world,
        "vips",
        "tags contains 'vip' and last_seen > ago('1d')",
    )
    .await;
    let item = |body: Value| SendItem {
        request: serde_json::from_value(body).unwrap(),
        idempotency: None,
        origin: carillon_engine::Origin::default(),
    };
    let accepted = world
        .engine
        .send(world.app, vec![item(to_segment("vips"))])
        .await;
    let accepted = accepted.unwrap().remove(0).unwrap();
    // Before the first page is read: the segment changes, and days go by.
    define(&world, "vips", "user_id == 'nobody'").await;
    world.clock.jump(3 * DAY);
    let view = world.completed(accepted.no).await;
    assert_eq!(view.deliveries, 30);
    let no = world.send(to_segment("vips")).await;
    assert_eq!(world.completed(no).await.deliveries, 0);
}

#[tokio::test(start_paused = true)]
async fn a_crash_in_the_middle_neither_skips_nor_repeats() {
    let config = EngineConfig {
        fanout_page: 7,
        fanout_scan: 30,
        fanout_scans: 2,
        ..EngineConfig::default()
    };
    let mut world = with_devices(config, 2_000).await;
    define(&world, "vips", "tags contains 'vip'").await;
    let no = world.send(to_segment("vips")).await;
    for _ in 0..5 {
        tokio::task::yield_now().await;
        world = world.crash().await;
    }
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Accepted, 200)]);
}

#[tokio::test(start_paused = true)]
async fn a_segment_that_is_not_there_is_refused_with_the_nearest() {
    let world = with_devices(EngineConfig::default(), 10).await;
    define(&world, "vips", "tags contains 'vip'").await;
    for (name, code, part) in [
        ("vip", "target.unknown_segment", "`vips`"),
        ("a b", "target.segment", "1 to 64 characters"),
    ] {
        let refusal = world.try_send(to_segment(name)).await.unwrap_err();
        let Refusal::Invalid(problems) = refusal else {
            panic!("{refusal:?}");
        };
        assert_eq!(
            (problems[0].code, &*problems[0].pointer),
            (code, "/target/segment")
        );
        assert!(problems[0].message.contains(part), "{problems:?}");
    }
    let trigger: carillon_model::trigger::TriggerDefinition = serde_json::from_value(
        json!({"event": "a", "content": {"body": "b"}, "audience": {"segment": "vip"}}),
    )
    .unwrap();
    let problems = world.engine.trigger_problems(world.app, &trigger);
    assert_eq!(problems[0].pointer, "/audience/segment");
    assert!(problems[0].message.contains("`vips`"), "{problems:?}");
}

#[tokio::test(start_paused = true)]
async fn what_looks_mistyped_is_refused_and_what_is_new_is_told() {
    let world = with_devices(EngineConfig::default(), 100).await;
    let check = async |filter: &str| {
        let check = world
            .engine
            .segment_check(world.app, &definition(filter))
            .await;
        let check = check.unwrap();
        (check.problems.len(), check.warnings.len())
    };
    assert_eq!(
        check("attributes.plan == 'pro' and tags contains 'x'").await,
        (0, 0)
    );
    assert_eq!(check("attributes.paln == 'pro'").await, (1, 0));
    assert_eq!(check("attributes.height > 3").await, (0, 1));
    assert_eq!(check("tags == 3").await, (1, 0));
}

#[tokio::test(start_paused = true)]
async fn estimates_and_counts_agree_with_who_there_is() {
    let config = EngineConfig {
        segment_sample: 400,
        segment_places: 50,
        segment_slice: 300,
        segment_count_ms: 1,
        ..EngineConfig::default()
    };
    let world = with_devices(config, 2_000).await;
    let vips = definition("tags contains 'vip'");
    let estimate = world
        .engine
        .segment_estimate(world.app, &vips)
        .await
        .unwrap()
        .unwrap();
    assert!(
        (estimate.low..=estimate.high).contains(&200),
        "{estimate:?}"
    );
    assert!(estimate.sampled < 800 && estimate.total == 2_000);
    let progress = CountProgress::begin(T0);
    let counted = world.engine.segment_count(world.app, &vips, progress).await;
    let counted = counted.unwrap().unwrap();
    // Paused time stands still: it ran to the end.
    assert_eq!(
        (counted.matched, counted.looked_at, counted.finished),
        (200, 2_000, true)
    );
    let wrong = definition("tags = 3");
    let refused = world
        .engine
        .segment_count(world.app, &wrong, progress)
        .await;
    assert_eq!(refused.unwrap().unwrap_err()[0].pointer, "/filter");
}

/// Sends a campaign to all, of which devices `d1` to `d3` open theirs. Its number.
async fn spring(world: &World) -> NotificationNo {
    let body = json!({"name": "spring", "audience": {"all": true}, "content": {"body": "hello"}});
    let request = serde_json::from_value(body).unwrap();
    let made = world.engine.create_campaign(world.app, request, None).await;
    let no = made.unwrap().unwrap().no;
    world.completed(no).await;
    let receipt = |position| NewReceipt {
        delivery: DeliveryId {
            batch: no.batch(0),
            position,
        },
        kind: ReceiptKind::Opened,
        at: T0,
    };
    let answers = world.engine.receive((0..3).map(receipt).collect()).await;
    assert_eq!(answers.unwrap(), [ReceiptAnswer::Recorded; 3]);
    no
}

#[tokio::test(start_paused = true)]
async fn who_opened_a_campaign_is_a_segment() {
    let world = with_devices(EngineConfig::default(), 50).await;
    spring(&world).await;
    define(&world, "readers", "opened('spring')").await;
    define(&world, "others", "not opened('spring')").await;
    for (name, expected) in [("readers", 3), ("others", 47)] {
        let no = world.send(to_segment(name)).await;
        let view = world.completed(no).await;
        assert_eq!(view.states, [(FinalState::Accepted, expected)], "{name}");
        // By a campaign, and when it is only tried.
        let mut body = json!({"name": name, "content": {"body": "again"}});
        body["audience"] = json!({"segment": name});
        let tried = serde_json::from_value(body.clone()).unwrap();
        let tried = world.engine.rehearse_campaign(world.app, tried).await;
        let tried = tried.unwrap().unwrap();
        assert_eq!(u64::from(tried.report.sampled), expected);
        assert_eq!(tried.audience.unwrap().estimate, expected);
        let made = serde_json::from_value(body).unwrap();
        let made = world.engine.create_campaign(world.app, made, None).await;
        let view = world.completed(made.unwrap().unwrap().no).await;
        assert_eq!(view.states, [(FinalState::Accepted, expected)], "{name}");
    }
    let vip_readers = definition("opened('spring') and tags contains 'vip'");
    let progress = CountProgress::begin(T0);
    let counted = world
        .engine
        .segment_count(world.app, &vip_readers, progress);
    assert_eq!(counted.await.unwrap().unwrap().matched, 0);
}

#[tokio::test(start_paused = true)]
async fn a_campaign_that_is_not_there_is_named_and_nobody_is_sent_to() {
    let world = with_devices(EngineConfig::default(), 20).await;
    spring(&world).await;
    let check = world
        .engine
        .segment_check(
            world.app,
            &definition("tags contains 'vip' or opened('sprig')"),
        )
        .await
        .unwrap();
    let problem = &check.problems[0];
    assert_eq!(
        (problem.code, problem.line, problem.column),
        ("segment.unknown_campaign", Some(1), Some(31))
    );
    assert!(problem.message.contains("`spring`"), "{problem}");
    // It was there when the segment was stored, and is not kept any more.
    define(&world, "others", "not opened('winter')").await;
    let mut later = to_segment("others");
    later["send_at"] = json!("2027-01-15T09:00:00Z");
    let later = world.send(later).await;
    let item = SendItem {
        request: serde_json::from_value(to_segment("others")).unwrap(),
        idempotency: None,
        origin: carillon_engine::Origin::default(),
    };
    let refused = world.engine.send(world.app, vec![item]).await.unwrap();
    let [Err(Refusal::Invalid(problems))] = &refused[..] else {
        panic!("{refused:?}");
    };
    assert_eq!(problems[0].pointer, "/target/segment");
    assert!(problems[0].message.contains("winter"), "{problems:?}");
    let before = world.gateway.written().len();
    world.clock.jump(3_600_000);
    let is_tried = async || {
        let plan = world.view(later).await.plan.unwrap();
        matches!(plan.state, SendState::Waiting { attempts, .. } if attempts > 0)
    };
    world
        .until(std::time::Duration::from_secs(600), is_tried)
        .await;
    assert_eq!(world.gateway.written().len(), before);
}
