//! Campaigns: nobody twice, nobody skipped, at their pace, by the devices' own clocks; what rests, rests.

use crate::fake_gateway::{accept, rejected};
use crate::world::{T0, World, address, nobody};
use carillon_engine::{CancelAnswer, EngineConfig, PauseAnswer, Refusal, ResumeAnswer};
use carillon_model::campaign::{CampaignState, Phase};
use carillon_model::delivery::FinalState;
use carillon_model::device::{DeviceRegistration, PushTokenRegistration};
use carillon_model::environment::TokenEnvironment;
use carillon_model::id::NotificationNo;
use carillon_model::outcome::{Outcome, TokenFate};
use carillon_model::push_type::TokenKind;
use carillon_ports::campaign::{CampaignStore as _, CampaignView};
use carillon_ports::clock::Clock as _;
use carillon_ports::registry::Registry as _;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const HOUR: i64 = 3_600_000;
const DAY: Duration = Duration::from_secs(86_400);

fn body(with: Value) -> Value {
    let mut body =
        json!({"name": "spring", "audience": {"all": true}, "content": {"body": "hello"}});
    for (key, value) in with.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

async fn create(world: &World, with: Value) -> Result<NotificationNo, Refusal> {
    let request = serde_json::from_value(body(with)).unwrap();
    let answer = world.engine.create_campaign(world.app, request, None);
    answer.await.unwrap().map(|accepted| accepted.no)
}

async fn view(world: &World, no: NotificationNo) -> CampaignView {
    world.store.campaign(world.app, no).await.unwrap().unwrap()
}

async fn state(world: &World, no: NotificationNo) -> CampaignState {
    serde_json::from_str(&view(world, no).await.head.state).unwrap()
}

async fn pause(world: &World, no: NotificationNo) -> u64 {
    match world.engine.pause_campaign(world.app, no).await.unwrap() {
        Some(PauseAnswer::Paused { in_flight }) => in_flight,
        other => panic!("{other:?}"),
    }
}

async fn resume(world: &World, no: NotificationNo) {
    let answer = world.engine.resume_campaign(world.app, no).await.unwrap();
    assert_eq!(answer, Some(ResumeAnswer::Going));
}

/// How often each push token was written to.
fn written(world: &World) -> BTreeMap<Vec<u8>, usize> {
    let mut count = BTreeMap::new();
    for push in world.gateway.written() {
        *count.entry(push.push_token).or_default() += 1;
    }
    count
}

/// Each of devices `d<n>` was written to once, and nobody else.
fn assert_once(world: &World, numbers: std::ops::Range<u64>) {
    let expected: BTreeMap<_, _> = numbers.map(|n| (address(n).0.to_vec(), 1)).collect();
    assert_eq!(written(world), expected);
}

fn in_zone(n: u64, zone: Option<&str>) -> DeviceRegistration {
    DeviceRegistration {
        id: Some(format!("d{n}")),
        user_id: Some(format!("u{n}")),
        time_zone: zone.map(str::to_owned),
        push_tokens: vec![PushTokenRegistration::new(
            TokenKind::Alert,
            address(n),
            TokenEnvironment::Production,
        )],
        ..DeviceRegistration::default()
    }
}

#[tokio::test(start_paused = true)]
async fn everybody_gets_it_once_in_either_mode() {
    for mode in ["live", "frozen"] {
        let config = EngineConfig {
            campaign_gather: 70,
            ..EngineConfig::default()
        };
        let world = World::with(config).await;
        world.devices(1..501).await;
        let no = create(&world, json!({"audience_mode": mode, "slice_size": 33})).await;
        let seen = world.completed(no.unwrap()).await;
        assert_eq!(seen.states, [(FinalState::Accepted, 500)], "{mode}");
        assert_once(&world, 1..501);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pace_is_kept_also_over_a_crash() {
    let mut world = World::new().await;
    world.devices(1..601).await;
    let no = create(&world, json!({"pace": {"per_second": 10}}))
        .await
        .unwrap();
    let mut last = 0;
    for second in 1..60 {
        world.pass(1_000).await;
        if second % 20 == 0 {
            world = world.crash().await;
        }
        let made = world.view(no).await.deliveries;
        assert!(made <= 10 * (second + 2), "{made} after {second} s");
        assert!(made >= last);
        last = made;
    }
    assert!(last > 500, "{last} after a minute");
    world.completed(no).await;
    assert_once(&world, 1..601);
}

#[tokio::test(start_paused = true)]
async fn an_audience_is_spread_over_a_time() {
    let world = World::new().await;
    world.devices(1..101).await;
    let no = create(&world, json!({"pace": {"over": "100m"}}))
        .await
        .unwrap();
    world.pass(50 * 60_000).await;
    let made = world.view(no).await.deliveries;
    assert!(
        (49..=52).contains(&made),
        "half of them after half of the time: {made}"
    );
    let until = state(&world, no).await;
    assert_eq!((until.audience(), until.left()), (Some(100), 100 - made));
    world
        .until(DAY, async || world.view(no).await.completed_at.is_some())
        .await;
    assert_once(&world, 1..101);
}

#[tokio::test(start_paused = true)]
async fn what_rests_rests_and_goes_on_where_it_was() {
    for mode in ["live", "frozen"] {
        let mut world = World::new().await;
        world.devices(1..4_001).await;
        let with = json!({"audience_mode": mode, "slice_size": 100, "pace": {"per_second": 200}});
        let no = create(&world, with).await.unwrap();
        for round in 0..4 {
            world.pass(1_100).await;
            assert_eq!(pause(&world, no).await, 0, "nothing is in flight any more");
            let before = (
                world.gateway.written().len(),
                world.view(no).await.deliveries,
            );
            if round % 2 == 0 {
                world = world.crash().await;
            }
            world.clock.jump(600_000);
            world.pass(5_000).await;
            let after = (
                world.gateway.written().len(),
                world.view(no).await.deliveries,
            );
            assert_eq!(before, after, "paused means nothing leaves");
            assert!(view(&world, no).await.notification.head.paused);
            resume(&world, no).await;
        }
        world
            .until(DAY, async || world.view(no).await.completed_at.is_some())
            .await;
        assert_once(&world, 1..4_001);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_tells_what_is_in_flight_and_takes_the_rest_back() {
    let world = World::new().await;
    world.devices(1..5_001).await;
    world
        .gateway
        .script(|_| vec![(30_000, Outcome::accepted(1, 1_000))]);
    let no = create(&world, json!({})).await.unwrap();
    let count = || world.gateway.written().len();
    world.until(DAY, async || count() > 0).await;
    let in_flight = pause(&world, no).await;
    assert_eq!(in_flight, count() as u64);
    assert!((1..5_000).contains(&in_flight), "{in_flight}");
    world.pass(60_000).await;
    assert_eq!(count() as u64, in_flight);
    assert_eq!(pause(&world, no).await, 0, "by now all are answered");
    world.gateway.script(|_| accept());
    resume(&world, no).await;
    world.completed(no).await;
    assert_once(&world, 1..5_001);
}

#[tokio::test(start_paused = true)]
async fn devices_come_move_and_go_meanwhile() {
    for mode in ["live", "frozen"] {
        let world = World::new().await;
        world.devices(1..301).await;
        let with = json!({"audience_mode": mode, "slice_size": 10, "pace": {"per_second": 10}});
        let no = create(&world, with).await.unwrap();
        world.pass(3_500).await;
        // New ones are not in it; those that move to another user or zone, and have a new push token, are, once.
        world.devices(301..401).await;
        let moved = (1..101).map(|n| DeviceRegistration {
            user_id: Some(format!("other{n}")),
            time_zone: Some("Asia/Seoul".into()),
            push_tokens: vec![PushTokenRegistration::new(
                TokenKind::Alert,
                address(n + 10_000),
                TokenEnvironment::Production,
            )],
            ..in_zone(n, None)
        });
        let moved = world.store.register_devices(world.app, moved.collect(), T0);
        moved.await.unwrap();
        let gone: Vec<String> = (251..301).map(|n| format!("d{n}")).collect();
        let before: BTreeSet<_> = written(&world).into_keys().collect();
        for id in &gone {
            let deleted = world
                .store
                .delete_device(world.app, id.clone(), T0, nobody());
            assert!(deleted.await.unwrap());
        }
        world
            .until(DAY, async || world.view(no).await.completed_at.is_some())
            .await;
        let all = written(&world);
        assert!(all.values().all(|times| *times == 1));
        let has = |n: u64| usize::from(all.contains_key(&address(n).0.to_vec()));
        for n in 1..101 {
            assert_eq!(has(n) + has(n + 10_000), 1, "d{n} once, {mode}");
        }
        for n in 101..251 {
            assert_eq!(has(n), 1, "d{n}, {mode}");
        }
        for n in 251..301 {
            assert_eq!(
                has(n) == 1,
                before.contains(&address(n).0.to_vec()),
                "d{n} was gone"
            );
        }
        assert!((301..401).all(|n| has(n) == 0), "registered after it began");
    }
}

#[tokio::test(start_paused = true)]
async fn a_good_canary_goes_first_and_the_rest_follows() {
    let mut world = World::new().await;
    world.devices(1..1_001).await;
    let canary = json!({"size": 40, "hold": "30m", "halt_if": {"failed": 0.05}});
    let no = create(&world, json!({"canary": canary})).await.unwrap();
    world.pass(10 * 60_000).await;
    let seen = world.view(no).await;
    assert_eq!(seen.states, [(FinalState::Accepted, 40)]);
    assert!(!seen.fanout_finished);
    assert_eq!(state(&world, no).await.phase, Phase::Hold);
    world = world.crash().await;
    world.pass(10 * 60_000).await;
    assert_eq!(world.view(no).await.deliveries, 40, "it holds over a crash");
    world
        .until(DAY, async || world.view(no).await.completed_at.is_some())
        .await;
    assert_once(&world, 1..1_001);
}

#[tokio::test(start_paused = true)]
async fn a_canary_keeps_the_pace_and_is_judged_after_the_last_of_it() {
    let mut world = World::new().await;
    world.devices(1..1_001).await;
    let canary = json!({"size": 45, "hold": "1m", "halt_if": {"failed": 0.05}});
    let with = json!({"canary": canary, "pace": {"per_second": 10}});
    let no = create(&world, with).await.unwrap();
    for second in 1..=4 {
        world.pass(1_000).await;
        let made = world.view(no).await.deliveries;
        assert!(made <= 10 * (second + 1), "{made} after {second} s");
        if second == 2 {
            world = world.crash().await;
        }
    }
    world.pass(30_000).await;
    assert_eq!(world.view(no).await.deliveries, 45, "the others wait");
    let held = state(&world, no).await;
    assert_eq!((held.phase, held.canary), (Phase::Hold, 45));
    let told = written(&world);
    let young = (501..1_001).filter(|n| told.contains_key(&address(*n).0.to_vec()));
    let young = young.count();
    assert!((15..=30).contains(&young), "from all over: {young} of 45");
    world
        .until(DAY, async || world.view(no).await.completed_at.is_some())
        .await;
    assert_once(&world, 1..1_001);
}

#[tokio::test(start_paused = true)]
async fn a_bad_canary_halts_it_and_says_why() {
    let world = World::new().await;
    world.devices(1..1_001).await;
    world
        .gateway
        .script(|_| rejected(TokenFate::Retire { since: None }, 410, "Unregistered"));
    let canary = json!({"size": 40, "hold": "5m", "halt_if": {"failed": 0.05}});
    let no = create(&world, json!({"canary": canary})).await.unwrap();
    world
        .until(DAY, async || {
            view(&world, no).await.notification.head.paused
        })
        .await;
    world.clock.jump(HOUR);
    world.pass(5_000).await;
    let seen = view(&world, no).await;
    assert_eq!(seen.notification.deliveries, 40);
    assert_eq!(
        (seen.failures[0].reason.as_str(), seen.failures[0].count),
        ("Unregistered", 40)
    );
    let halted = state(&world, no).await.halted.unwrap();
    assert_eq!(halted.reason, "failed");
    let told = world.events("campaign.halted").await;
    assert_eq!(told.len(), 1);
    assert!(
        told[0].data.contains("40 of the canary's 40"),
        "{}",
        told[0].data
    );
    // Whoever lets it go on has decided.
    world.gateway.script(|_| accept());
    resume(&world, no).await;
    world.completed(no).await;
    let all = written(&world);
    assert_eq!((all.len(), all.values().max()), (1_000, Some(&1)));
}

/// 40 zones, nine in the morning in each.
const ZONES: [&str; 40] = [
    "Pacific/Kiritimati",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Pacific/Auckland",
    "Pacific/Fiji",
    "Australia/Sydney",
    "Australia/Lord_Howe",
    "Australia/Adelaide",
    "Australia/Brisbane",
    "Australia/Darwin",
    "Asia/Tokyo",
    "Australia/Eucla",
    "Asia/Shanghai",
    "Asia/Bangkok",
    "Asia/Yangon",
    "Asia/Dhaka",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Asia/Karachi",
    "Asia/Kabul",
    "Asia/Dubai",
    "Asia/Tehran",
    "Europe/Moscow",
    "Europe/Athens",
    "Europe/Berlin",
    "Europe/London",
    "Atlantic/Azores",
    "Atlantic/South_Georgia",
    "America/Sao_Paulo",
    "America/St_Johns",
    "America/Halifax",
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
    "America/Anchorage",
    "Pacific/Marquesas",
    "Pacific/Honolulu",
    "Pacific/Pago_Pago",
    "Etc/GMT+12",
];

#[tokio::test(start_paused = true)]
async fn nine_local_reaches_each_of_forty_zones_once() {
    let mut world = World::new().await;
    let devices: Vec<_> = (0..400)
        .map(|n| in_zone(n, ZONES.get(n as usize % 41).copied()))
        .collect();
    let made = world.store.register_devices(world.app, devices, T0).await;
    made.unwrap();
    // T0 is 2027-01-15T08:00Z.
    let local = json!({"at": "2027-01-20T09:00", "default_time_zone": "Asia/Seoul"});
    let no = create(&world, json!({"local_time": local})).await.unwrap();
    let wave_at = |n: u64| {
        let zone = ZONES.get(n as usize % 41).copied().unwrap_or("Asia/Seoul");
        let nine = jiff::civil::date(2027, 1, 20).at(9, 0, 0, 0);
        let at = nine.in_tz(zone).unwrap().timestamp().as_millisecond();
        (zone, at)
    };
    // Ten minutes before the first clocks show it, its audience is written down.
    world.clock.jump(wave_at(0).1 - 12 * 60_000 - T0);
    world.pass(5_000).await;
    assert!(
        view(&world, no).await.next_step_at.is_none(),
        "it has not begun"
    );
    let (mut before, mut seen, mut crashes) = (world.clock.now(), 0, 0);
    while world.view(no).await.completed_at.is_none() {
        world.clock.jump(5 * 60_000);
        world.pass(3_000).await;
        let now = world.clock.now();
        for push in &world.gateway.written()[seen..] {
            let n = u64::from_be_bytes(push.push_token[..8].try_into().unwrap());
            let (zone, at) = wave_at(n);
            assert!((before - 5_000..=now).contains(&at), "{zone}: not then");
        }
        if world.gateway.written().len() > seen && crashes < 5 {
            world = world.crash().await;
            crashes += 1;
        }
        (before, seen) = (now, world.gateway.written().len());
        assert!(now < T0 + 8 * 24 * HOUR, "it comes to an end");
    }
    assert_eq!(crashes, 5);
    assert_once(&world, 0..400);
    let waves = state(&world, no).await.waves;
    assert_eq!(waves.iter().map(|wave| wave.devices).sum::<u64>(), 400);
    assert!(waves.iter().all(|wave| wave.left == 0));
}

#[tokio::test(start_paused = true)]
async fn zones_whose_time_has_passed_follow_if_past() {
    for (if_past, sent, left_out) in [("refuse", 1, 1), ("send_now", 2, 0)] {
        let world = World::new().await;
        let devices = vec![
            in_zone(1, Some("Asia/Tokyo")),
            in_zone(2, Some("America/New_York")),
        ];
        world
            .store
            .register_devices(world.app, devices, T0)
            .await
            .unwrap();
        // At T0 it is 17:00 in Tokyo and 03:00 in New York.
        let local = json!({"at": "2027-01-15T09:00", "default_time_zone": "Asia/Tokyo"});
        let no = create(&world, json!({"local_time": local, "if_past": if_past}))
            .await
            .unwrap();
        world
            .until(DAY, async || world.view(no).await.completed_at.is_some())
            .await;
        assert_eq!(world.view(no).await.deliveries, sent, "{if_past}");
        assert_eq!(state(&world, no).await.left_out, left_out, "{if_past}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancel_ends_it_whatever_it_is_doing() {
    for with in [
        json!({"pace": {"per_second": 5}}),
        json!({"pace": {"over": "1h"}}),
        json!({"canary": {"size": 5, "hold": "1h", "halt_if": {"failed": 0.5}}}),
        json!({"send_at": "2027-01-16T00:00:00Z"}),
    ] {
        for paused in [false, true] {
            let world = World::new().await;
            world.devices(1..101).await;
            let no = create(&world, with.clone()).await.unwrap();
            world.pass(5_000).await;
            if paused {
                pause(&world, no).await;
            }
            let answer = world.engine.cancel(world.app, no).await.unwrap().unwrap();
            assert!(
                matches!(
                    answer,
                    CancelAnswer {
                        confirmed: true,
                        ..
                    }
                ),
                "{with}"
            );
            let written = world.gateway.written().len();
            world.clock.jump(24 * HOUR);
            world.pass(5_000).await;
            assert_eq!(world.gateway.written().len(), written, "{with}");
            assert!(world.view(no).await.completed_at.is_some(), "{with}");
            let over = world.engine.pause_campaign(world.app, no).await.unwrap();
            assert_eq!(over, Some(PauseAnswer::Over));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_waits_for_its_time_can_rest_as_well() {
    let world = World::new().await;
    world.devices(1..11).await;
    let no = create(&world, json!({"send_at": "2027-01-15T09:00:00Z"}))
        .await
        .unwrap();
    pause(&world, no).await;
    world.clock.jump(3 * HOUR);
    world.pass(5_000).await;
    assert!(world.gateway.written().is_empty());
    resume(&world, no).await;
    world.completed(no).await;
    assert_once(&world, 1..11);
}

#[tokio::test(start_paused = true)]
async fn at_its_expiry_it_ends() {
    let world = World::new().await;
    world.devices(1..101).await;
    let with = json!({"pace": {"per_second": 1}, "expires_in": "10s"});
    let no = create(&world, with).await.unwrap();
    world.completed(no).await;
    let made = world.view(no).await.deliveries;
    assert!((5..=12).contains(&made), "{made}");
    assert!(world.clock.now() < T0 + 60_000);
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_is_said_with_its_place() {
    let world = World::new().await;
    world.devices(1..3).await;
    let first = create(&world, json!({})).await.unwrap();
    let taken = create(&world, json!({})).await.unwrap_err();
    let Refusal::NameTaken { no, accepted_at } = taken else {
        panic!("{taken:?}");
    };
    assert_eq!((no, accepted_at), (first, T0));
    for (with, pointer) in [
        (json!({"pace": {"per_second": 0}}), "/pace/per_second"),
        (
            json!({"audience": {"segment": "nobody-knows"}}),
            "/audience/segment",
        ),
        (
            json!({"audience": {"tags": "tags containz 'a'"}}),
            "/audience/tags",
        ),
        (json!({"expires_at": "2027-01-15T07:00:00Z"}), "/expires_at"),
        (json!({"send_at": "2027-02-31T09:00:00Z"}), "/send_at"),
        (
            json!({"content": null, "template": {"name": "nope"}}),
            "/template",
        ),
    ] {
        let mut with = with;
        with["name"] = json!("other");
        let refused = create(&world, with.clone()).await.unwrap_err();
        let Refusal::Invalid(problems) = refused else {
            panic!("{with}: {refused:?}");
        };
        assert!(
            problems[0].pointer.starts_with(pointer),
            "{with}: {problems:?}"
        );
    }
    let unknown = world
        .engine
        .pause_campaign(world.app, NotificationNo(999_999));
    assert_eq!(unknown.await.unwrap(), None);
}
