//! Certificate authentication: topics and environments in Apple's private extensions.

use push_sim::{Environment, Host, NewPhones, PushTokenKind, Settings, Simulator};
use rcgen::{CertificateParams, CustomExtension, DnType, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::support::{APP, Identity, Peer, Push, simulator};

const SANDBOX: [u64; 7] = [1, 2, 840, 113635, 100, 6, 3];

fn text(text: &str) -> Vec<u8> {
    [&[0x0c, text.len() as u8], text.as_bytes()].concat()
}

fn sequence(content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let header = match length {
        0..=127 => vec![0x30, length as u8],
        _ => vec![0x30, 0x82, (length >> 8) as u8, length as u8],
    };
    [&header, content].concat()
}

/// A certificate as Apple would issue it for `APP`.
fn identity(environments: &[Environment], topics: &[&str], expired: bool) -> Identity {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    let user_id = DnType::CustomDnType(vec![0, 9, 2342, 19200300, 100, 1, 1]);
    params.distinguished_name.push(user_id, APP);
    params
        .distinguished_name
        .push(DnType::CommonName, format!("Apple Push Services: {APP}"));
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(if expired { 2022 } else { 2030 }, 1, 1);
    for environment in environments {
        let last = match environment {
            Environment::Sandbox => 1,
            Environment::Production => 2,
        };
        let oid = [&SANDBOX[..], &[last]].concat();
        params
            .custom_extensions
            .push(CustomExtension::from_oid_content(&oid, vec![5, 0]));
    }
    if !topics.is_empty() {
        let pairs: Vec<u8> = topics
            .iter()
            .flat_map(|topic| [text(topic), sequence(&text("app"))].concat())
            .collect();
        let oid = [&SANDBOX[..], &[6]].concat();
        params
            .custom_extensions
            .push(CustomExtension::from_oid_content(&oid, sequence(&pairs)));
    }
    let certificate = params.self_signed(&key).unwrap().der().clone();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    Identity { certificate, key }
}

async fn connect(sim: &Simulator, identity: Identity) -> Peer {
    Peer::to(
        sim,
        sim.address(Environment::Sandbox, Host::Device),
        Some(identity),
    )
    .await
}

fn push() -> Push {
    Push::v2().without("authorization")
}

#[tokio::test]
async fn a_certificate_pushes_without_a_provider_token_and_at_full_width() {
    let sim = simulator(Settings::default());
    let mut peer = connect(&sim, identity(&Environment::ALL, &[APP], false)).await;
    assert_eq!(peer.push(&push()).await.status, 200);
    assert_eq!(peer.send.current_max_send_streams(), 1000);
    let without_topic = push().without("apns-topic");
    assert_eq!(
        peer.push(&without_topic).await.status,
        200,
        "the only topic is the default"
    );
    let ignored = push().with("authorization", "bearer nonsense");
    assert_eq!(peer.push(&ignored).await.status, 200);
    assert!(sim.connections()[0].certificate);
}

#[tokio::test]
async fn a_certificate_without_the_list_is_for_its_bundle_id() {
    let sim = simulator(Settings::default());
    let mut peer = connect(&sim, identity(&[Environment::Sandbox], &[], false)).await;
    assert_eq!(peer.push(&push().without("apns-topic")).await.status, 200);
}

#[tokio::test]
async fn topics_of_a_certificate() {
    let sim = simulator(Settings::default());
    let voip = format!("{APP}.voip");
    let activity = format!("{APP}.push-type.liveactivity");
    let new = NewPhones {
        app: APP.into(),
        environment: Environment::Sandbox,
        kinds: vec![
            PushTokenKind::Voip,
            PushTokenKind::Location,
            PushTokenKind::LiveActivityStart,
        ],
        ..NewPhones::default()
    };
    let tokens = sim.make_phones(&new).unwrap().remove(0).push_tokens;
    let mut peer = connect(
        &sim,
        identity(&Environment::ALL, &[APP, &voip, &activity], false),
    )
    .await;
    let missing = push().without("apns-topic");
    assert_eq!(
        peer.push(&missing).await.verdict(),
        (400, "MissingTopic".into())
    );
    let call = push()
        .at_token(&tokens[&PushTokenKind::Voip])
        .with("apns-topic", &voip)
        .with("apns-push-type", "voip");
    assert_eq!(peer.push(&call).await.status, 200);
    let location = push()
        .at_token(&tokens[&PushTokenKind::Location])
        .with("apns-topic", &format!("{APP}.location-query"))
        .with("apns-push-type", "location");
    let disallowed = (400, "TopicDisallowed".to_owned());
    assert_eq!(
        peer.push(&location).await.verdict(),
        disallowed,
        "not in the list"
    );
    let start = push()
        .at_token(&tokens[&PushTokenKind::LiveActivityStart])
        .with("apns-topic", &activity)
        .with("apns-push-type", "liveactivity");
    assert_eq!(
        peer.push(&start).await.verdict(),
        disallowed,
        "needs a provider token"
    );
}

#[tokio::test]
async fn certificates_that_do_not_fit() {
    let sim = simulator(Settings::default());
    for (identity, reason) in [
        (
            identity(&[Environment::Production], &[APP], false),
            "BadCertificateEnvironment",
        ),
        (identity(&Environment::ALL, &[APP], true), "BadCertificate"),
    ] {
        let mut peer = connect(&sim, identity).await;
        assert_eq!(peer.push(&push()).await.verdict(), (403, reason.to_owned()));
    }
}
