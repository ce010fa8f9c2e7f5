//! The rates of an App's pushes: kept over lanes, changed at once, fair between classes, and no attempt
//! is used up by waiting.

use crate::fake_gateway::{Written, signing_key};
use crate::world::{World, nobody, to, to_with};
use carillon_engine::{BreakerState, LaneStatus};
use carillon_model::app::AppSettings;
use carillon_model::delivery::FinalState;
use carillon_model::environment::{Environment, TokenEnvironment};
use carillon_model::lane::Gateway;
use carillon_model::outcome::Outcome;
use carillon_model::push_type::TokenKind;
use carillon_model::rate::{Rate, RateOf, Rates};
use carillon_ports::registry::Registry;
use serde_json::json;
use std::ops::Range;
use std::time::Duration;
use tokio::time::Instant;

impl World {
    /// The usual App has these rates from now on.
    async fn rates(&self, rates: Rates) {
        let settings = AppSettings {
            rates,
            ..AppSettings::default()
        };
        let put = self
            .store
            .put_app("shop".into(), "shop".into(), settings, 0, nobody());
        put.await.unwrap();
        self.engine.refresh().await.unwrap();
    }

    fn lane(&self) -> LaneStatus {
        self.engine.status().lanes[0].clone()
    }
}

fn total(per_second: u32) -> Rates {
    Rates {
        total: Some(Rate::per_second(per_second)),
        ..Rates::default()
    }
}

/// The number of the device that a push was for.
fn number(written: &Written) -> u64 {
    u64::from_be_bytes(written.push_token[..8].try_into().unwrap())
}

/// How many of these pushes were for devices of these numbers.
fn count(written: &[Written], numbers: &Range<u64>) -> usize {
    let is_meant = |written: &&Written| numbers.contains(&number(written));
    written.iter().filter(is_meant).count()
}

/// In no second there are more than the rate and its burst.
fn keeps_to(rate: Rate, written: &[Written]) -> bool {
    let most = (rate.per_second + rate.burst()) as usize;
    let mut seconds = written.windows(most + 1);
    seconds.all(|some| some[most].at - some[0].at >= Duration::from_millis(990))
}

#[tokio::test(start_paused = true)]
async fn lanes_of_an_app_share_its_total_rate() {
    let world = World::new().await;
    world
        .credential_for(
            world.app,
            "google",
            Gateway::Fcm,
            signing_key(&[Environment::Production]),
        )
        .await;
    let (apple, google) = (1..301, 1_001..1_301);
    world.devices(apple.clone()).await;
    let production = TokenEnvironment::Production;
    world
        .devices_of(world.app, google.clone(), TokenKind::Fcm, production)
        .await;
    world.rates(total(100)).await;
    let start = Instant::now();
    let of_apple = world.to(apple.clone()).await;
    let of_google = world.to(google.clone()).await;
    world.completed(of_apple).await;
    world.completed(of_google).await;
    let took = start.elapsed();
    assert!(
        took >= Duration::from_millis(5_700) && took < Duration::from_secs(7),
        "{took:?}"
    );
    let written = world.gateway.written();
    assert!(keeps_to(Rate::per_second(100), &written));
    // Neither has to wait until the other is done.
    let half = &written[..300];
    assert!((100..=200).contains(&count(half, &apple)));
    assert!((100..=200).contains(&count(half, &google)));
}

#[tokio::test(start_paused = true)]
async fn the_rate_of_a_gateway_does_not_hold_back_another() {
    let world = World::new().await;
    world
        .credential_for(
            world.app,
            "google",
            Gateway::Fcm,
            signing_key(&[Environment::Production]),
        )
        .await;
    let production = TokenEnvironment::Production;
    world.devices(1..101).await;
    world
        .devices_of(world.app, 1_001..1_101, TokenKind::Fcm, production)
        .await;
    let fcm = Rate {
        per_second: 10,
        burst: Some(1),
    };
    world
        .rates(Rates {
            fcm: Some(fcm),
            ..Rates::default()
        })
        .await;
    let start = Instant::now();
    let of_google = world.to(1_001..1_101).await;
    let of_apple = world.to(1..101).await;
    world.completed(of_apple).await;
    assert!(start.elapsed() < Duration::from_millis(100));
    let lanes = world.engine.status().lanes;
    for lane in &lanes {
        let of = lane.limited.map(|limit| limit.of);
        let expected = RateOf::Gateway(Gateway::Fcm);
        let is_google = lane.lane.gateway == Gateway::Fcm;
        assert_eq!(of, is_google.then_some(expected), "{lane:?}");
    }
    world.completed(of_google).await;
    assert!(start.elapsed() >= Duration::from_millis(9_800));
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_rate_is_told_and_uses_no_attempt() {
    let world = World::new().await;
    world.devices(1..101).await;
    world.rates(total(10)).await;
    let sent = world.to(1..101).await;
    // Also when the next permit is nearly there, and when it has just been used.
    for _ in 0..10 {
        world.pass(333).await;
        let lane = world.lane();
        let limit = lane.limited.unwrap();
        assert_eq!(
            (limit.of, limit.rate),
            (RateOf::Total, Rate::per_second(10))
        );
        assert_eq!((lane.breaker, lane.problem), (BreakerState::Closed, None));
    }
    let view = world.completed(sent).await;
    assert_eq!(view.states, [(FinalState::Accepted, 100)]);
    for position in 0..100 {
        assert_eq!(world.attempts(sent, position).await, []);
    }
    assert_eq!(world.lane().limited, None, "nothing waits any more");
}

#[tokio::test(start_paused = true)]
async fn another_rate_holds_at_once() {
    let world = World::new().await;
    world.devices(1..1_001).await;
    world.rates(total(1)).await;
    let sent = world.to(1..1_001).await;
    world.pass(5_000).await;
    let before = world.gateway.written().len();
    assert!(before <= 6, "{before}");

    world.rates(total(100)).await;
    world.pass(2_000).await;
    let then = world.gateway.written().len() - before;
    assert!((190..=221).contains(&then), "{then}");

    world.rates(Rates::default()).await;
    let start = Instant::now();
    world.completed(sent).await;
    assert!(start.elapsed() < Duration::from_millis(500));
}

#[tokio::test(start_paused = true)]
async fn what_expires_while_it_waits_uses_nothing_of_the_rate() {
    let world = World::new().await;
    world.devices(1..201).await;
    world.rates(total(10)).await;
    let mut body = to(1..101);
    body["expires_in"] = json!("1s");
    let expiring = world.send(body).await;
    let lasting = world.to(101..201).await;
    let start = Instant::now();
    world.completed(lasting).await;
    let view = world.completed(expiring).await;
    let of = |state| {
        let found = view.states.iter().find(|(of, _)| *of == state);
        found.map_or(0, |(_, count)| *count)
    };
    assert_eq!(of(FinalState::Accepted) + of(FinalState::Expired), 100);
    assert!(of(FinalState::Expired) >= 85, "{view:?}");
    let most = Duration::from_millis(11_500);
    assert!(start.elapsed() < most, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_urgent_ones_leaves_bulk_its_share() {
    let world = World::new().await;
    let (urgent, bulk) = (1..1_501, 1_501..2_501);
    world.devices(1..2_501).await;
    world.rates(total(100)).await;
    world
        .send(to_with(1_501..2_501, json!({ "class": "bulk" })))
        .await;
    for from in [1, 501, 1_001] {
        let options = json!({ "class": "urgent" });
        world.send(to_with(from..from + 500, options)).await;
    }
    let begun = world.gateway.written().len();
    world.pass(10_000).await;
    let written = &world.gateway.written()[begun..];
    assert!(written.len() >= 990, "the rate is used: {}", written.len());
    let (urgent, bulk) = (count(written, &urgent), count(written, &bulk));
    // One in seventeen: urgent work weighs 16, bulk 1.
    let share = written.len() / 17;
    assert!(bulk + 16 >= share, "{bulk} of bulk, {urgent} urgent");
    assert!(bulk <= share + 16, "{bulk} of bulk, {urgent} urgent");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_urgent_ones_without_a_rate_leaves_bulk_its_share() {
    let world = World::new().await;
    world.gateway.window(40);
    world
        .gateway
        .script(|_| vec![(100, Outcome::accepted(1, 100_000))]);
    let (urgent, bulk) = (1..2_001, 2_001..3_001);
    world.devices(1..3_001).await;
    world
        .send(to_with(2_001..3_001, json!({ "class": "bulk" })))
        .await;
    for from in [1, 501, 1_001, 1_501] {
        let options = json!({ "class": "urgent" });
        world.send(to_with(from..from + 500, options)).await;
    }
    let begun = world.gateway.written().len();
    world.pass(4_000).await;
    let written = &world.gateway.written()[begun..];
    let (urgent, bulk) = (count(written, &urgent), count(written, &bulk));
    assert!(
        urgent > 1_000 && urgent < 2_000,
        "the flood lasts: {urgent}"
    );
    let share = written.len() / 17;
    assert!(bulk + 16 >= share, "{bulk} of bulk, {urgent} urgent");
}

#[tokio::test(start_paused = true)]
async fn a_backlog_of_bulk_under_a_rate_delays_an_urgent_one_by_a_few_pushes() {
    let world = World::new().await;
    world.devices(1..3_002).await;
    world.rates(total(100)).await;
    for from in [1, 1_001, 2_001] {
        let options = json!({ "class": "bulk" });
        world.send(to_with(from..from + 1_000, options)).await;
    }
    world.pass(3_003).await;
    let before = world.gateway.written().len();
    let options = json!({ "class": "urgent" });
    let urgent = world.send(to_with(3_001..3_002, options)).await;
    world.completed(urgent).await;
    let written = world.gateway.written();
    let at = written.iter().position(|push| number(push) == 3_001);
    let overtaken_by = at.unwrap() - before;
    assert!(overtaken_by <= 2, "{overtaken_by} of bulk went first");
    assert!(written.len() < 1_000, "the backlog is there still");
}

#[tokio::test(start_paused = true)]
async fn a_backlog_of_bulk_delays_an_urgent_one_by_less_than_a_batch() {
    let world = World::new().await;
    world.gateway.window(50);
    world
        .gateway
        .script(|_| vec![(50, Outcome::accepted(1, 50_000))]);
    world.devices(1..4_002).await;
    for from in (1..4_001).step_by(1_000) {
        let options = json!({ "class": "bulk" });
        world.send(to_with(from..from + 1_000, options)).await;
    }
    world.pass(200).await;
    let before = world.gateway.written().len();
    let options = json!({ "class": "urgent" });
    let urgent = world.send(to_with(4_001..4_002, options)).await;
    world.completed(urgent).await;
    let written = world.gateway.written();
    let at = written.iter().position(|push| number(push) == 4_001);
    let overtaken_by = at.unwrap() - before;
    assert!(overtaken_by < 1_000, "{overtaken_by} of bulk went first");
    assert!(written.len() < 3_000, "the backlog is there still");
}
