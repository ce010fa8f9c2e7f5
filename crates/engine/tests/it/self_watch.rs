//! The server watches itself, and pages by the gateways that work.

use crate::fake_gateway::{accept, blocked, signing_key};
use crate::world::{T0, World, address, nobody, to};
use carillon_engine::{EngineConfig, SelfWatch, ServerMonitor};
use carillon_model::UnixMs;
use carillon_model::definition::DefinitionKind;
use carillon_model::device::{DeviceRegistration, PushTokenRegistration};
use carillon_model::environment::{Environment, TokenEnvironment};
use carillon_model::id::CredentialNo;
use carillon_model::lane::Gateway;
use carillon_model::monitor::{
    CheckResult, Detour, FaultKind, ServerPart, Verdict, WatchState, What,
};
use carillon_model::outcome::TroubleScope;
use carillon_model::push_type::TokenKind;
use carillon_ports::clock::Clock as _;
use carillon_ports::registry::Registry;
use carillon_ports::store::StoreError;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

const DAY_MS: i64 = 86_400_000;
/// Where somebody outside listens.
const URL: &str = "https://hc.example.net/x";

fn config() -> EngineConfig {
    EngineConfig {
        self_watch: SelfWatch {
            app: "shop".into(),
            ladder: "night".into(),
            ..SelfWatch::default()
        },
        ..EngineConfig::default()
    }
}

/// A world whose own monitors page `ann`, and which are made.
async fn world() -> World {
    let world = World::with(config()).await;
    let ladder = json!({"steps": [{"whom": {"users": ["ann"]}, "how": "critical"}]});
    world
        .put_plan(DefinitionKind::Ladder, "night", ladder)
        .await;
    let all_there = async || world.engine.server_monitors().await.unwrap().len() == 5;
    world.until(Duration::from_secs(30), all_there).await;
    world
}

/// A phone of `ann`'s with push tokens at these gateways.
async fn phone(world: &World, id: &str, gateways: &[Gateway], number: u64) {
    let push_token = |gateway: &Gateway| {
        let kind = match gateway {
            Gateway::Apns => TokenKind::Alert,
            Gateway::Fcm => TokenKind::Fcm,
            Gateway::WebPush => TokenKind::WebPush,
        };
        let number = number + u64::from(gateway.code()) * 1_000;
        PushTokenRegistration::new(kind, address(number), TokenEnvironment::Production)
    };
    let registration = DeviceRegistration {
        id: Some(id.into()),
        user_id: Some("ann".into()),
        push_tokens: gateways.iter().map(push_token).collect(),
        ..DeviceRegistration::default()
    };
    let now = world.clock.now();
    world
        .store
        .register_devices(world.app, vec![registration], now)
        .await
        .unwrap();
}

async fn monitor(world: &World, what: ServerPart) -> ServerMonitor {
    let all = world.engine.server_monitors().await.unwrap();
    all.into_iter()
        .find(|monitor| monitor.what == what)
        .unwrap()
}

/// Waits until one fires; what is wrong.
async fn fires(world: &World, what: ServerPart) -> String {
    let is_so = async || monitor(world, what).await.state == WatchState::Firing;
    world.until(Duration::from_secs(600), is_so).await;
    monitor(world, what).await.incident.unwrap().0.message
}

/// When one was last checked, and what was found.
async fn last_check(world: &World, what: ServerPart) -> Option<(UnixMs, Verdict)> {
    let directory = world.engine.directory();
    let kind = DefinitionKind::Monitor;
    let stored = directory.definition(world.app, kind, what.monitor_name())?;
    let watch = world
        .engine
        .watched(std::slice::from_ref(stored))
        .await
        .unwrap();
    let last = watch.into_iter().next()?.last?;
    Some((last.at, last.result.verdict))
}

async fn is_ok(world: &World, what: ServerPart) {
    let is_so = async || monitor(world, what).await.state == WatchState::Ok;
    world.until(Duration::from_secs(600), is_so).await;
}

fn is_by(world: &World, credential: CredentialNo) -> Vec<String> {
    let written = world.gateway.written();
    let of = written
        .iter()
        .filter(|push| push.pool.credential == credential);
    of.map(|push| String::from_utf8_lossy(&push.payload).into_owned())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_lane_in_trouble_pages_by_another_gateway_and_says_so() {
    let world = world().await;
    let facts = signing_key(&[Environment::Production]);
    let google = world
        .credential_for(world.app, "google", Gateway::Fcm, facts)
        .await;
    phone(&world, "both", &[Gateway::Apns, Gateway::Fcm], 1).await;
    phone(&world, "iphone", &[Gateway::Apns], 2).await;
    world.devices(1..2).await;
    let is_bad = Arc::new(AtomicBool::new(true));
    let bad = is_bad.clone();
    world.gateway.script(move |push| {
        let is_google = push.pool.credential == google;
        match !is_google && bad.load(Relaxed) {
            true => blocked(TroubleScope::Credential, "InvalidProviderToken", None),
            false => accept(),
        }
    });
    let stuck = world.to(1..2).await;
    let said = fires(&world, ServerPart::Lanes).await;
    assert!(
        said.starts_with("apns of shop sends nothing for 1m")
            && said.contains("InvalidProviderToken"),
        "{said}"
    );
    let paged = async || !is_by(&world, google).is_empty();
    world.until(Duration::from_secs(60), paged).await;
    let pages = is_by(&world, google);
    assert_eq!(pages.len(), 1, "one device has another way");
    assert!(pages[0].contains("carillon-lanes"), "{pages:?}");

    // What is written down says of each device by which way.
    let directory = world.engine.directory();
    let name = ServerPart::Lanes.monitor_name();
    let monitor = directory
        .definition(world.app, DefinitionKind::Monitor, name)
        .unwrap()
        .no;
    let entries = world.hot.incident_entries(monitor, 1, 100).await.unwrap();
    let mut told: Vec<_> = entries
        .into_iter()
        .filter(|entry| matches!(entry.what.entry.what, What::Paged(_)))
        .flat_map(|entry| entry.what.told)
        .map(|told| (told.device.unwrap(), told.detour))
        .collect();
    told.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(
        told,
        [
            ("both".to_owned(), Some(Detour::OtherGateway)),
            ("iphone".to_owned(), Some(Detour::NoOtherGateway)),
        ]
    );

    // Apple is well again: what waited goes, and the incident is over.
    is_bad.store(false, Relaxed);
    world.completed(stuck).await;
    is_ok(&world, ServerPart::Lanes).await;
    let incident = world.hot.incident(monitor, 1).await.unwrap().unwrap();
    assert!(incident.resolved.is_some(), "{incident:?}");
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_ends_soon_pages_in_time() {
    let world = world().await;
    phone(&world, "iphone", &[Gateway::Apns], 1).await;
    is_ok(&world, ServerPart::Credentials).await;
    let mut facts = signing_key(&[Environment::Production]);
    facts.not_after = Some(T0 + 30 * DAY_MS);
    world
        .credential(world.app, "certificate", facts.clone())
        .await;
    let first = world.clock.now();
    let looked_again = async || {
        let last = last_check(&world, ServerPart::Credentials).await;
        last.is_some_and(|(at, verdict)| at > first && verdict == Verdict::Up)
    };
    world.until(Duration::from_secs(120), looked_again).await;
    facts.not_after = Some(T0 + 10 * DAY_MS + 3_600_000);
    world.credential(world.app, "certificate", facts).await;
    let said = fires(&world, ServerPart::Credentials).await;
    assert_eq!(said, "the certificate certificate of shop ends in 10 days");
    let paged = async || {
        let written = world.gateway.written();
        written
            .iter()
            .any(|push| String::from_utf8_lossy(&push.payload).contains("carillon-credentials"))
    };
    world.until(Duration::from_secs(60), paged).await;
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_fills_up_pages_before_it_is_full() {
    let world = world().await;
    phone(&world, "iphone", &[Gateway::Apns], 1).await;
    world.store.set_free(Some(2 << 30));
    is_ok(&world, ServerPart::Disk).await;
    world.store.set_free(Some(100 << 20));
    let said = fires(&world, ServerPart::Disk).await;
    assert_eq!(
        said,
        "100MiB free where the store is, expected at least 1GiB"
    );
    world.store.set_free(Some(2 << 30));
    is_ok(&world, ServerPart::Disk).await;
}

#[tokio::test(start_paused = true)]
async fn work_that_nobody_takes_and_timers_that_nobody_fires_are_noticed() {
    let world = World::shared_with("api,worker", config()).await;
    let ladder = json!({"steps": [{"whom": {"users": ["ann"]}, "how": "alert"}]});
    world
        .put_plan(DefinitionKind::Ladder, "night", ladder)
        .await;
    world.devices(1..2).await;
    world.to(1..2).await;
    let mut later = to(1..2);
    later["send_at"] = json!("2027-01-15T08:01:00Z");
    world.send(later).await;
    let made = async || world.engine.server_monitors().await.unwrap().len() == 5;
    world.until(Duration::from_secs(30), made).await;
    let said = fires(&world, ServerPart::SchedulerLag).await;
    assert!(said.contains("no process has the role scheduler"), "{said}");
    assert_eq!(
        monitor(&world, ServerPart::OldestWork).await.state,
        WatchState::Ok,
        "ten minutes are not over"
    );
    let said = fires(&world, ServerPart::OldestWork).await;
    assert!(
        said.starts_with("pushes of shop for apns wait for 10m"),
        "{said}"
    );
}

#[tokio::test(start_paused = true)]
async fn its_monitors_are_the_operators_from_then_on() {
    let world = world().await;
    let name = ServerPart::Disk.monitor_name();
    let body = json!({"check": {"server": {"what": "disk", "limit": "5GiB"}}, "paused": true});
    world
        .put_plan(DefinitionKind::Monitor, name, body.clone())
        .await;
    let kind = DefinitionKind::Monitor;
    let lanes = ServerPart::Lanes.monitor_name().to_owned();
    let deleted = world
        .store
        .delete_definition(world.app, kind, lanes, T0, nobody());
    assert!(deleted.await.unwrap());
    world.engine.refresh().await.unwrap();
    let all_there = async || world.engine.server_monitors().await.unwrap().len() == 5;
    assert!(!all_there().await);
    world.until(Duration::from_secs(30), all_there).await;
    let directory = world.engine.directory();
    let disk = directory.definition(world.app, kind, name).unwrap();
    let found: Value = serde_json::from_str(&disk.body).unwrap();
    assert_eq!(found, body);
}

#[tokio::test(start_paused = true)]
async fn another_apps_monitors_see_nothing_of_the_server() {
    let world = World::with(EngineConfig {
        self_watch: SelfWatch {
            app: "ops".into(),
            ..SelfWatch::default()
        },
        ..EngineConfig::default()
    })
    .await;
    let body = json!({"check": {"server": {"what": "disk"}}});
    let definition = serde_json::from_value(body.clone()).unwrap();
    let problems = world.engine.plan_monitor(world.app, "disk", &definition);
    let problems = problems.unwrap_err();
    assert_eq!(
        (&*problems[0].pointer, problems[0].code),
        ("/check/server", "monitor.server_app")
    );
    // One that was stored while the setting named its App.
    world.store.set_free(Some(0));
    let stored = world.monitor_of("disk", body).await;
    let tried = world.engine.try_stored_monitor(&stored, None).await;
    let tried = tried.unwrap();
    assert_eq!(tried.verdict, Verdict::Unknown, "{tried:?}");
    let checked = async || {
        let watch = world.engine.watched(std::slice::from_ref(&stored)).await;
        watch.unwrap().remove(0).last.is_some()
    };
    world.until(Duration::from_secs(300), checked).await;
    let watch = world.engine.watched(&[stored]).await.unwrap().remove(0);
    assert_eq!(watch.last.unwrap().result.verdict, Verdict::Unknown);
    assert_eq!(watch.state, WatchState::Waiting);
}

#[tokio::test(start_paused = true)]
async fn the_outside_hears_of_the_server_only_while_it_is_well() {
    let world = World::with(EngineConfig {
        self_watch: SelfWatch {
            outside_url: URL.into(),
            ..SelfWatch::default()
        },
        ..EngineConfig::default()
    })
    .await;
    let posts = || world.checker.asked(URL).len();
    let posts_follow = async || {
        let before = posts();
        world.pass(180_000).await;
        posts() - before
    };
    assert!((2..=4).contains(&posts_follow().await), "one a minute");
    world.store.fail(Some(StoreError::DiskFull));
    assert_eq!(posts_follow().await, 0, "it takes no writes");
    world.store.fail(None);
    assert!(posts_follow().await >= 2);
    world.store.pause_scheduler();
    assert_eq!(posts_follow().await, 0, "timers rest");
    world.engine.resume_scheduler().await.unwrap();
    assert!(posts_follow().await >= 2);
    // A post that is not taken is not repeated before its time.
    let refused = CheckResult::down(FaultKind::Status, "status 500");
    world.checker.find(URL, refused);
    assert!((2..=4).contains(&posts_follow().await));
}
