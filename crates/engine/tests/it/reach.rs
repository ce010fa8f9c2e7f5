//! Devices on several gateways, audiences by topic and tags, and what is said to each device apart.

use crate::fake_gateway::signing_key;
use crate::world::{World, nobody};
use carillon_model::delivery::{FinalState, Suppression};
use carillon_model::device::{DeviceRegistration, PushTokenRegistration};
use carillon_model::environment::{Environment, TokenEnvironment};
use carillon_model::id::CredentialNo;
use carillon_model::lane::Gateway;
use carillon_model::push_token::PushTokenBytes;
use carillon_model::push_type::TokenKind;
use carillon_ports::registry::Registry;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn device(id: &str, user: &str, kinds: &[TokenKind]) -> DeviceRegistration {
    DeviceRegistration {
        id: Some(id.into()),
        user_id: Some(user.into()),
        push_tokens: kinds
            .iter()
            .map(|kind| {
                PushTokenRegistration::new(
                    *kind,
                    PushTokenBytes(format!("{id}/{}", kind.as_str()).into_bytes().into()),
                    TokenEnvironment::Production,
                )
            })
            .collect(),
        ..DeviceRegistration::default()
    }
}

async fn register(world: &World, devices: Vec<DeviceRegistration>) {
    let now = 1_800_000_000_000;
    let registered = world.store.register_devices(world.app, devices, now);
    registered.await.unwrap();
}

/// With a credential for each gateway. Returns their numbers.
async fn all_gateways(world: &World) -> BTreeMap<Gateway, CredentialNo> {
    let mut credentials = BTreeMap::new();
    for gateway in [Gateway::Fcm, Gateway::WebPush] {
        let facts = signing_key(&[Environment::Production]);
        let no = world.credential_for(world.app, gateway.as_str(), gateway, facts);
        credentials.insert(gateway, no.await);
    }
    credentials
}

/// Addresses that were written to, sorted.
fn written(world: &World) -> Vec<String> {
    let mut all: Vec<_> = world
        .gateway
        .written()
        .iter()
        .map(|written| String::from_utf8(written.push_token.clone()).unwrap())
        .collect();
    all.sort();
    all
}

fn to_users(users: &[&str]) -> Value {
    json!({ "target": { "users": users }, "content": { "body": "hello" } })
}

#[tokio::test(start_paused = true)]
async fn a_user_is_reached_on_every_gateway_by_its_own_credential() {
    use TokenKind::{Alert, Fcm, WebPush};
    let world = World::new().await;
    let credentials = all_gateways(&world).await;
    register(
        &world,
        vec![
            device("iphone", "kim", &[Alert, Fcm]),
            device("android", "kim", &[Fcm]),
            device("browser", "kim", &[WebPush]),
        ],
    )
    .await;
    let no = world.send(to_users(&["kim"])).await;
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Accepted, 3)]);
    assert_eq!(
        written(&world),
        ["android/fcm", "browser/webpush", "iphone/alert"],
        "one push a device"
    );
    for written in world.gateway.written() {
        let of_fcm = written.pool.credential == credentials[&Gateway::Fcm];
        assert_eq!(of_fcm, written.push_token.ends_with(b"/fcm"));
        let of_web = written.pool.credential == credentials[&Gateway::WebPush];
        assert_eq!(of_web, written.push_token.ends_with(b"/webpush"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_gateway_can_be_asked_for_and_others_are_not_reached_without_a_credential() {
    use TokenKind::{Alert, Fcm, WebPush};
    let world = World::new().await;
    let both = device("iphone", "kim", &[Alert, Fcm]);
    register(&world, vec![both, device("browser", "lee", &[WebPush])]).await;
    let lee = world.send(to_users(&["lee"])).await;
    let rule = FinalState::Suppressed(Suppression::NoPushToken);
    assert_eq!(world.completed(lee).await.states, [(rule, 1)]);
    all_gateways(&world).await;
    let mut body = to_users(&["kim"]);
    body["options"] = json!({ "gateway": "fcm" });
    let no = world.send(body.clone()).await;
    world.completed(no).await;
    assert_eq!(written(&world), ["iphone/fcm"]);
    body["options"]["push_type"] = json!("voip");
    let refused = world.try_send(body).await.unwrap_err();
    assert!(
        format!("{refused:?}").contains("options.gateway"),
        "{refused:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn everybody_means_every_gateway_there_is_a_credential_for() {
    use TokenKind::{Alert, Fcm, Voip, WebPush};
    let world = World::new().await;
    let kinds = [Alert, Fcm, WebPush, Voip];
    let devices = (0..1_200)
        .map(|n| device(&format!("d{n}"), &format!("u{n}"), &kinds[n % 4..=n % 4]))
        .collect();
    register(&world, devices).await;
    let all = json!({ "target": { "all": true }, "content": { "body": "sale" } });
    let only_apple = world.send(all.clone()).await;
    assert_eq!(
        world.completed(only_apple).await.states,
        [(FinalState::Accepted, 300)]
    );
    all_gateways(&world).await;
    let no = world.send(all).await;
    assert_eq!(
        world.completed(no).await.states,
        [(FinalState::Accepted, 900)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_dead_lane_delays_no_other_gateway() {
    use TokenKind::{Alert, Fcm};
    let world = World::new().await;
    let credentials = all_gateways(&world).await;
    let fcm = credentials[&Gateway::Fcm];
    world.gateway.script(move |written| {
        if written.pool.credential == fcm {
            crate::fake_gateway::blocked(
                carillon_model::outcome::TroubleScope::Credential,
                "THIRD_PARTY_AUTH_ERROR",
                None,
            )
        } else {
            crate::fake_gateway::accept()
        }
    });
    let android = device("android", "kim", &[Fcm]);
    register(&world, vec![android, device("iphone", "kim", &[Alert])]).await;
    let no = world.send(to_users(&["kim"])).await;
    let is_half = async || world.view(no).await.open == 1;
    world
        .until(std::time::Duration::from_secs(1), is_half)
        .await;
    world.gateway.script(|_| crate::fake_gateway::accept());
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Accepted, 2)], "nothing is burnt");
}

#[tokio::test(start_paused = true)]
async fn topics_and_tags_name_an_audience_and_users_can_be_left_out() {
    use TokenKind::Alert;
    let world = World::new().await;
    let with = |id: &str, user: &str, tags: &[&str], topics: &[&str]| DeviceRegistration {
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
        ..device(id, user, &[Alert])
    };
    register(
        &world,
        vec![
            with("a", "ann", &["vip"], &["news"]),
            with("b", "bob", &["vip", "beta"], &[]),
            with("c", "cat", &[], &["news"]),
            with("d", "dan", &[], &["news"]),
        ],
    )
    .await;
    let table = [
        (json!({"topic": "news"}), json!([]), vec!["a", "c", "d"]),
        (json!({"topic": "news"}), json!(["dan"]), vec!["a", "c"]),
        (json!({"all": true}), json!(["ann", "bob"]), vec!["c", "d"]),
        (
            json!({"tags": "tags contains 'vip' and not tags contains 'beta'"}),
            json!([]),
            vec!["a"],
        ),
        (json!({"tags": {"any": ["vip"]}}), json!(["bob"]), vec!["a"]),
        (json!({"users": ["ann", "cat"]}), json!(["ann"]), vec!["c"]),
        (json!({"topic": "weather"}), json!([]), vec![]),
    ];
    let mut before = 0;
    for (target, except, expected) in table {
        let body = json!({ "target": target, "except_users": except, "content": { "body": "b" } });
        let no = world.send(body).await;
        world.completed(no).await;
        let mut got: Vec<_> = world.gateway.written()[before..]
            .iter()
            .map(|written| String::from_utf8(written.push_token[..1].to_vec()).unwrap())
            .collect();
        got.sort();
        assert_eq!(got, expected, "{target}");
        before += got.len();
    }
    for bad in [
        json!({ "target": { "tags": "tags contain 'vip'" }, "content": { "body": "b" } }),
        json!({ "target": { "devices": ["a"] }, "except_users": ["ann"], "content": { "body": "b" } }),
        json!({ "target": { "all": true } }),
    ] {
        assert!(world.try_send(bad.clone()).await.is_err(), "{bad}");
    }
    world
        .store
        .delete_device(world.app, "a".into(), 0, nobody())
        .await
        .unwrap();
}
