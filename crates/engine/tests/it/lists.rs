//! Lists: who gets what is sent to one.

use crate::world::{T0, World, address, nobody};
use carillon_engine::list::ListUpload;
use carillon_engine::{EngineConfig, Refusal, SendItem};
use carillon_model::delivery::FinalState;
use carillon_model::device::{DeviceRegistration, PushTokenRegistration};
use carillon_model::environment::TokenEnvironment;
use carillon_model::id::DeviceNo;
use carillon_model::list::{DeviceSet, UploadCounts};
use carillon_model::push_type::TokenKind;
use carillon_ports::list::{DeviceNames, ListPut, ListStore as _};
use carillon_ports::registry::Registry as _;
use carillon_ports::store::StoreError;
use serde_json::{Value, json};

async fn with_devices(config: EngineConfig, count: u64) -> (World, Vec<DeviceNo>) {
    let world = World::with(config).await;
    let devices = (1..=count).map(|n| DeviceRegistration {
        id: Some(format!("d{n}")),
        user_id: Some(format!("u{}", n / 2)),
        push_tokens: vec![PushTokenRegistration::new(
            TokenKind::Alert,
            address(n),
            TokenEnvironment::Production,
        )],
        ..DeviceRegistration::default()
    });
    let made = world
        .store
        .register_devices(world.app, devices.collect(), T0)
        .await
        .unwrap();
    (world, made.into_iter().map(|made| made.no).collect())
}

fn upload(world: &World, name: &str, devices: &[DeviceNo]) -> ListUpload {
    let mut set = DeviceSet::default();
    for device in devices {
        set.add(*device);
    }
    ListUpload {
        app: world.app,
        name: name.into(),
        devices: set,
        counts: UploadCounts::default(),
    }
}

async fn put(world: &World, name: &str, devices: &[DeviceNo]) -> ListPut {
    let upload = upload(world, name, devices);
    let put = world.engine.put_list(upload, nobody()).await.unwrap();
    world.engine.refresh().await.unwrap();
    put
}

fn to_list(name: &str) -> Value {
    json!({ "target": { "list": name }, "content": { "body": "sale" } })
}

fn item(body: Value) -> SendItem {
    SendItem {
        request: serde_json::from_value(body).unwrap(),
        idempotency: None,
        origin: carillon_engine::Origin::default(),
    }
}

fn small_pages() -> EngineConfig {
    EngineConfig {
        fanout_page: 20,
        fanout_scan: 7,
        fanout_scans: 2,
        ..EngineConfig::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_gets_it_once() {
    let (world, devices) = with_devices(small_pages(), 200).await;
    let some: Vec<_> = devices.iter().copied().step_by(2).collect();
    assert!(matches!(
        put(&world, "half", &some).await,
        ListPut::Stored(_)
    ));
    let no = world.send(to_list("half")).await;
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Accepted, 100)]);
    let mut without = to_list("half");
    without["except_users"] = json!(["u1", "u2"]);
    let no = world.send(without).await;
    assert_eq!(world.completed(no).await.deliveries, 98);
    // Devices that are gone by now are nobody's recipients.
    world
        .store
        .delete_device(world.app, "d1".into(), T0, nobody())
        .await
        .unwrap();
    let no = world.send(to_list("half")).await;
    assert_eq!(world.completed(no).await.deliveries, 99);
}

#[tokio::test(start_paused = true)]
async fn a_list_is_what_it_was_when_the_notification_was_accepted() {
    let (world, devices) = with_devices(small_pages(), 100).await;
    put(&world, "vips", &devices[..60]).await;
    let accepted = world
        .engine
        .send(world.app, vec![item(to_list("vips"))])
        .await;
    let accepted = accepted.unwrap().remove(0).unwrap();
    // Before the first page is read.
    put(&world, "vips", &devices[50..]).await;
    let view = world.completed(accepted.no).await;
    assert_eq!(view.deliveries, 60);
    let no = world.send(to_list("vips")).await;
    assert_eq!(world.completed(no).await.deliveries, 50);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_sent_later_goes_to_the_list_of_then() {
    let (world, devices) = with_devices(EngineConfig::default(), 30).await;
    put(&world, "vips", &devices[..10]).await;
    let mut later = to_list("vips");
    let at = jiff::Timestamp::from_millisecond(T0 + 60_000).unwrap();
    later["send_at"] = json!(at.to_string());
    let no = world.send(later).await;
    put(&world, "vips", &devices).await;
    world.pass(60_000).await;
    assert_eq!(world.completed(no).await.deliveries, 30);
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_fails_leaves_what_there_was() {
    let (world, devices) = with_devices(EngineConfig::default(), 30).await;
    put(&world, "vips", &devices[..10]).await;
    world.store.fail(Some(StoreError::Busy));
    let upload = upload(&world, "vips", &devices);
    let failed = world.engine.put_list(upload, nobody()).await;
    assert!(matches!(failed, Err(StoreError::Busy)), "{failed:?}");
    world.store.fail(None);
    world.engine.refresh().await.unwrap();
    let no = world.send(to_list("vips")).await;
    assert_eq!(world.completed(no).await.deliveries, 10);
}

#[tokio::test(start_paused = true)]
async fn a_crash_in_the_middle_neither_skips_nor_repeats() {
    let (mut world, devices) = with_devices(small_pages(), 500).await;
    put(&world, "all", &devices).await;
    let no = world.send(to_list("all")).await;
    for _ in 0..5 {
        tokio::task::yield_now().await;
        world = world.crash().await;
    }
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Accepted, 500)]);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_not_there_is_refused_with_the_nearest() {
    let config = EngineConfig {
        lists_per_app: 1,
        ..EngineConfig::default()
    };
    let (world, devices) = with_devices(config, 2).await;
    assert!(world.engine.list_has_room(world.app, "vips"));
    put(&world, "vips", &devices).await;
    for (name, code, part) in [
        ("vip", "target.unknown_list", "`vips`"),
        ("a b", "target.list", "1 to 64 characters"),
    ] {
        let refusal = world.try_send(to_list(name)).await.unwrap_err();
        let Refusal::Invalid(problems) = refusal else {
            panic!("{refusal:?}");
        };
        assert_eq!(
            (problems[0].code, &*problems[0].pointer),
            (code, "/target/list")
        );
        assert!(problems[0].message.contains(part), "{problems:?}");
    }
    assert!(!world.engine.list_has_room(world.app, "others"));
    assert!(world.engine.list_has_room(world.app, "vips"));
    assert_eq!(put(&world, "others", &devices).await, ListPut::TooMany);
}

#[tokio::test(start_paused = true)]
async fn a_user_means_as_many_devices_as_a_notification_to_him() {
    let config = EngineConfig {
        max_devices_per_user: 1,
        ..EngineConfig::default()
    };
    let (world, devices) = with_devices(config, 4).await;
    let names = DeviceNames::Users(vec!["u1".into(), "nobody".into()]);
    let found = world.engine.list_look_up(world.app, names).await.unwrap();
    assert_eq!(found, [vec![devices[1]], vec![]]);
}

#[tokio::test(start_paused = true)]
async fn what_a_list_had_before_goes_after_a_while() {
    let config = EngineConfig {
        list_grace_ms: 1_000,
        prune_interval_ms: 100,
        ..EngineConfig::default()
    };
    let (world, devices) = with_devices(config, 4).await;
    let before = world.store.begin_list(world.app, T0).await.unwrap();
    world.pass(500).await;
    assert!(
        world
            .store
            .extend_list(before, vec![], T0 + 500)
            .await
            .unwrap()
    );
    put(&world, "vips", &devices).await;
    world.pass(2_000).await;
    assert!(!world.store.extend_list(before, vec![], T0).await.unwrap());
    let no = world.send(to_list("vips")).await;
    assert_eq!(
        world.completed(no).await.deliveries,
        4,
        "what has a name stays"
    );
}
