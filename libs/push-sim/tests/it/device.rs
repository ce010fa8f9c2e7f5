//! Vectors V1 to V3: provider tokens, the accepted alert and the error table.

use push_sim::{Environment, Host, Mode, NewPhones, PushTokenKind, Settings, Simulator, TeamKey};
use serde_json::json;

use crate::support::{
    APP, ID, KEY, NOW, Peer, Push, Reply, Signer, TEAM, TOKEN, V1_TOKEN, V1_TOKEN_DER, simulator,
};

fn strict() -> Simulator {
    simulator(Settings::default())
}

fn lax() -> Simulator {
    simulator(Settings {
        mode: Mode::Lax,
        ..Settings::default()
    })
}

/// The answer on a connection of its own.
async fn ask(simulator: &Simulator, push: &Push) -> Reply {
    Peer::connect(simulator).await.push(push).await
}

async fn verdict(simulator: &Simulator, push: &Push) -> (u16, String) {
    ask(simulator, push).await.verdict()
}

fn refused(status: u16, reason: &str) -> (u16, String) {
    (status, reason.to_owned())
}

fn fine() -> (u16, String) {
    refused(200, "")
}

#[tokio::test]
async fn v1_provider_token_ages() {
    let sim = strict();
    for (now, expected) in [
        (NOW, fine()),
        (NOW + 3600, fine()),
        (NOW + 3601, refused(403, "ExpiredProviderToken")),
        (NOW - 3600, fine()),
        (NOW - 3601, refused(403, "ExpiredProviderToken")),
    ] {
        sim.clock().set_ms(now * 1000);
        assert_eq!(verdict(&sim, &Push::v2()).await, expected, "clock {now}");
    }
}

#[tokio::test]
async fn v1_a_flipped_signature_character() {
    let sim = strict();
    let flipped = V1_TOKEN.replacen(".9eqg", ".8eqg", 1);
    assert_ne!(flipped, V1_TOKEN);
    let answer = verdict(&sim, &Push::v2().token(&flipped)).await;
    assert_eq!(answer, refused(403, "InvalidProviderToken"));
}

#[tokio::test]
async fn v1_lax_readings_of_a_provider_token() {
    let (strict, lax) = (strict(), lax());
    let signer = Signer::v1();
    let padded = {
        use base64::Engine;
        let encode = |text: String| base64::engine::general_purpose::STANDARD.encode(text);
        let header = encode(json!({"alg": "ES256", "kid": KEY, "typ": "JWT"}).to_string());
        assert!(header.ends_with('='), "the vector needs padding: {header}");
        let parts: Vec<_> = V1_TOKEN.split('.').collect();
        format!("{header}.{}.{}", parts[1], parts[2])
    };
    let readings = [
        format!("bearer {V1_TOKEN_DER}"),
        format!("Bearer {V1_TOKEN}"),
        format!("bearer {}", signer.der().token(TEAM, KEY, NOW)),
        format!(
            "bearer {}",
            signer.sign(
                &json!({"alg": "ES256", "kid": KEY}),
                &json!({"iss": TEAM, "iat": NOW.to_string(), "kid": KEY}),
            )
        ),
    ];
    for reading in readings {
        let push = Push::v2().with("authorization", &reading);
        assert_eq!(
            verdict(&strict, &push).await,
            refused(403, "InvalidProviderToken")
        );
        assert_eq!(verdict(&lax, &push).await, fine(), "{reading}");
    }
    // Padding is read in lax mode, but this token's signature covers other bytes.
    let push = Push::v2().token(&padded);
    assert_eq!(
        verdict(&lax, &push).await,
        refused(403, "InvalidProviderToken")
    );
}

#[tokio::test]
async fn v1_a_wrong_algorithm_or_an_unknown_key() {
    let sim = strict();
    let signer = Signer::v1();
    let claims = json!({"iss": TEAM, "iat": NOW});
    for token in [
        signer.sign(&json!({"alg": "none", "kid": KEY}), &claims),
        signer.sign(&json!({"alg": "HS256", "kid": KEY}), &claims),
        signer.sign(&json!({"alg": "ES256"}), &claims),
        signer.token(TEAM, "OTHERKEY00", NOW),
        signer.token("OTHERTEAM0", KEY, NOW),
        Signer::fresh().token(TEAM, KEY, NOW),
        "a.b".into(),
        "a.b.c.d".into(),
    ] {
        let answer = verdict(&sim, &Push::v2().token(&token)).await;
        assert_eq!(answer, refused(403, "InvalidProviderToken"), "{token}");
    }
    assert!(sim.revoke_key(TEAM, KEY));
    assert_eq!(
        verdict(&sim, &Push::v2()).await,
        refused(403, "InvalidProviderToken")
    );
}

#[tokio::test]
async fn v2_the_accepted_alert() {
    let sim = strict();
    let reply = ask(&sim, &Push::v2()).await;
    assert_eq!(reply.status, 200);
    assert!(reply.ended_with_headers, "no body with 200");
    assert_eq!(reply.header("apns-id"), Some(ID));
    assert!(reply.header("apns-unique-id").is_some(), "sandbox only");

    let reply = ask(&sim, &Push::v2().without("apns-id")).await;
    let made = reply.header("apns-id").unwrap();
    assert_eq!(made, made.to_uppercase());
    assert_eq!(made.len(), 36);

    let mut settings = sim.settings();
    settings.echo_upper_case_ids = true;
    sim.set_settings(settings);
    let reply = ask(&sim, &Push::v2()).await;
    assert_eq!(reply.header("apns-id"), Some(ID.to_uppercase().as_str()));
}

#[tokio::test]
async fn production_has_no_unique_id() {
    let sim = strict();
    let phones = NewPhones {
        app: APP.into(),
        ..NewPhones::default()
    };
    let made = sim.make_phones(&phones).unwrap();
    let push = Push::v2().at_token(&made[0].push_tokens[&PushTokenKind::Alert]);
    let address = sim.address(Environment::Production, Host::Device);
    let reply = Peer::to(&sim, address, None).await.push(&push).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("apns-unique-id"), None);
}

#[tokio::test]
async fn v3_the_error_table() {
    let sim = strict();
    let voip_token = "0b".repeat(32);
    sim.make_phones(&NewPhones {
        app: APP.into(),
        environment: Environment::Sandbox,
        kinds: vec![],
        push_tokens: [(PushTokenKind::Voip, voip_token.clone())].into(),
        ..NewPhones::default()
    })
    .unwrap();
    let production = sim
        .make_phones(&NewPhones {
            app: APP.into(),
            ..NewPhones::default()
        })
        .unwrap()
        .remove(0)
        .push_tokens
        .remove(&PushTokenKind::Alert)
        .unwrap();
    let v2 = Push::v2;
    let alert_of = |n: usize| format!(r#"{{"aps":{{"alert":"{}"}}}}"#, "A".repeat(n));
    let voip_of = |n: usize| {
        v2().at_token(&voip_token)
            .with("apns-topic", "net.example.pager.voip")
            .with("apns-push-type", "voip")
            .body(format!(r#"{{"c":"{}"}}"#, "A".repeat(n)))
    };
    assert_eq!(alert_of(4076).len(), 4096);
    assert_eq!(voip_of(5112).body.len(), 5120);
    let cases = [
        (
            "3a",
            v2().path("/3/device/"),
            refused(400, "MissingDeviceToken"),
        ),
        (
            "3b form",
            v2().at_token(&"zz".repeat(32)),
            refused(400, "BadDeviceToken"),
        ),
        (
            "3b odd",
            v2().at_token("abc"),
            refused(400, "BadDeviceToken"),
        ),
        (
            "3b other environment",
            v2().at_token(&production),
            refused(400, "BadDeviceToken"),
        ),
        (
            "3b nobody's",
            v2().at_token(&"ab".repeat(32)),
            refused(400, "BadDeviceToken"),
        ),
        (
            "3c",
            v2().with("apns-topic", "net.example.other"),
            refused(400, "DeviceTokenNotForTopic"),
        ),
        (
            "3c kind",
            v2().with("apns-topic", "net.example.pager.voip")
                .with("apns-push-type", "voip"),
            refused(400, "DeviceTokenNotForTopic"),
        ),
        (
            "3d",
            v2().without("apns-topic"),
            refused(400, "MissingTopic"),
        ),
        (
            "3e",
            v2().with("apns-priority", "7"),
            refused(400, "BadPriority"),
        ),
        (
            "3f",
            v2().with("apns-push-type", "banner"),
            refused(400, "InvalidPushType"),
        ),
        (
            "3g",
            v2().with("apns-expiration", "tomorrow"),
            refused(400, "BadExpirationDate"),
        ),
        (
            "3h",
            v2().with("apns-id", "42"),
            refused(400, "BadMessageId"),
        ),
        (
            "3h case",
            v2().with("apns-id", &ID.to_uppercase()),
            refused(400, "BadMessageId"),
        ),
        (
            "3i 65",
            v2().with("apns-collapse-id", &"c".repeat(65)),
            refused(400, "BadCollapseId"),
        ),
        (
            "3i 64",
            v2().with("apns-collapse-id", &"c".repeat(64)),
            fine(),
        ),
        ("3j", v2().body(""), refused(400, "PayloadEmpty")),
        ("3k 4096", v2().body(alert_of(4076)), fine()),
        (
            "3k 4097",
            v2().body(alert_of(4077)),
            refused(413, "PayloadTooLarge"),
        ),
        ("3l 5120", voip_of(5112), fine()),
        ("3l 5121", voip_of(5113), refused(413, "PayloadTooLarge")),
        (
            "3m",
            v2().and("apns-topic", APP),
            refused(400, "DuplicateHeaders"),
        ),
        (
            "3n",
            Push {
                method: http::Method::GET,
                ..v2()
            },
            refused(405, "MethodNotAllowed"),
        ),
        (
            "3o",
            v2().path(&format!("/3/devices/{TOKEN}")),
            refused(404, "BadPath"),
        ),
        (
            "3p",
            v2().without("authorization"),
            refused(403, "MissingProviderToken"),
        ),
        (
            "3t",
            v2().with("apns-push-type", "background")
                .body(r#"{"aps":{"content-available":1}}"#),
            refused(400, "BadPriority"),
        ),
        (
            "3t at 5",
            v2().with("apns-push-type", "background")
                .with("apns-priority", "5")
                .body(r#"{"aps":{"content-available":1}}"#),
            fine(),
        ),
        (
            "upper-case hex",
            v2().at_token(&TOKEN.to_uppercase()),
            fine(),
        ),
        (
            "suffix",
            v2().with("apns-push-type", "voip"),
            refused(400, "BadTopic"),
        ),
        (
            "topic",
            v2().with("apns-topic", "a b"),
            refused(400, "BadTopic"),
        ),
        (
            "an app of nobody",
            v2().at_token(&"ab".repeat(32))
                .with("apns-topic", "net.example.unknown"),
            refused(400, "TopicDisallowed"),
        ),
    ];
    for (name, push, expected) in cases {
        let reply = ask(&sim, &push).await;
        assert_eq!(reply.verdict(), expected, "{name}");
        assert_eq!(reply.ended_with_headers, reply.status == 200, "{name}");
        if reply.status != 200 {
            assert!(
                reply
                    .header("content-type")
                    .unwrap()
                    .starts_with("application/json")
            );
            assert!(
                reply.header("apns-id").is_some() || push.headers.iter().any(|h| h.0 == "apns-id")
            );
        }
    }
}

#[tokio::test]
async fn lax_mode_takes_what_apple_is_known_to_take() {
    let sim = lax();
    let upper = ID.to_uppercase();
    let background = Push::v2().with("apns-push-type", "background");
    assert_eq!(verdict(&sim, &background).await, fine());
    assert_eq!(
        verdict(&sim, &Push::v2().with("apns-id", &upper)).await,
        fine()
    );
    assert_eq!(
        verdict(&sim, &Push::v2().with("apns-push-type", "voip")).await,
        fine()
    );
    assert_eq!(
        verdict(&sim, &Push::v2().without("apns-push-type")).await,
        fine()
    );
}

#[tokio::test]
async fn v3q_a_new_provider_token_within_20_minutes() {
    let sim = strict();
    let signer = Signer::v1();
    let mut peer = Peer::connect(&sim).await;
    assert_eq!(peer.push(&Push::v2()).await.status, 200);
    sim.clock().set_ms((NOW + 300) * 1000);
    let early = Push::v2().token(&signer.token(TEAM, KEY, NOW + 300));
    assert_eq!(
        peer.push(&early).await.verdict(),
        refused(429, "TooManyProviderTokenUpdates")
    );
    assert_eq!(
        peer.push(&Push::v2()).await.status,
        200,
        "the old one goes on working"
    );
    sim.clock().set_ms((NOW + 1200) * 1000);
    let issued_at = |sim: &Simulator| sim.connections()[0].provider_token_issued_at;
    assert_eq!(issued_at(&sim), Some(NOW));
    let later = Push::v2().token(&signer.token(TEAM, KEY, NOW + 1200));
    assert_eq!(peer.push(&later).await.status, 200);
    assert_eq!(issued_at(&sim), Some(NOW + 1200));
    assert_eq!(
        peer.push(&Push::v2()).await.status,
        200,
        "requests in flight may carry it still"
    );

    // Another connection judges for itself; a token renewed on time may come to a young connection.
    let mut young = Peer::connect(&sim).await;
    assert_eq!(young.push(&Push::v2()).await.status, 200);
    assert_eq!(young.push(&later).await.status, 200);
}

#[tokio::test]
async fn v3r_a_second_team_on_a_connection() {
    let sim = strict();
    let other = Signer::fresh();
    sim.add_key(other.team_key("TEAM000002", "KEY0000002"))
        .unwrap();
    let mut peer = Peer::connect(&sim).await;
    assert_eq!(peer.push(&Push::v2()).await.status, 200);
    let foreign = Push::v2().token(&other.token("TEAM000002", "KEY0000002", NOW));
    assert_eq!(
        peer.push(&foreign).await.verdict(),
        refused(403, "InvalidProviderToken")
    );
    assert_eq!(
        verdict(&sim, &foreign).await,
        fine(),
        "on its own connection"
    );
}

#[tokio::test]
async fn v3s_an_unrelated_key_of_the_team() {
    let sim = strict();
    let second = Signer::fresh();
    sim.add_key(second.team_key(TEAM, "KEY0000002")).unwrap();
    let related = Signer::fresh();
    sim.add_key(TeamKey {
        related_key_id: Some(KEY.into()),
        ..related.team_key(TEAM, "KEY0000003")
    })
    .unwrap();
    let mut peer = Peer::connect(&sim).await;
    assert_eq!(peer.push(&Push::v2()).await.status, 200);
    let unrelated = Push::v2().token(&second.token(TEAM, "KEY0000002", NOW));
    assert_eq!(
        peer.push(&unrelated).await.verdict(),
        refused(403, "UnrelatedKeyIdInToken")
    );
    assert_eq!(
        verdict(&sim, &unrelated).await,
        fine(),
        "on a new connection"
    );

    sim.clock().set_ms((NOW + 1200) * 1000);
    let rotated = Push::v2().token(&related.token(TEAM, "KEY0000003", NOW + 1200));
    assert_eq!(peer.push(&rotated).await.status, 200);
}

#[tokio::test]
async fn keys_with_a_scope() {
    let sim = strict();
    let signer = Signer::fresh();
    let production = TeamKey {
        environment: Some(Environment::Production),
        ..signer.team_key(TEAM, "KEY0000002")
    };
    sim.add_key(production).unwrap();
    let push = Push::v2().token(&signer.token(TEAM, "KEY0000002", NOW));
    assert_eq!(
        verdict(&sim, &push).await,
        refused(403, "BadEnvironmentKeyIdInToken")
    );

    let topics = TeamKey {
        topics: Some(vec!["net.example.other".into()]),
        ..signer.team_key(TEAM, "KEY0000003")
    };
    sim.add_key(topics).unwrap();
    let push = Push::v2().token(&signer.token(TEAM, "KEY0000003", NOW));
    assert_eq!(
        verdict(&sim, &push).await,
        refused(403, "InvalidProviderToken")
    );

    let team = push_sim::AppSettings {
        team_id: Some("TEAM000009".into()),
        broadcast: true,
    };
    sim.set_app(APP, team);
    assert_eq!(
        verdict(&sim, &Push::v2()).await,
        refused(403, "InvalidProviderToken")
    );
}

#[tokio::test]
async fn any_key_mode_needs_no_registration() {
    let sim = simulator(Settings {
        accept_any_key: true,
        ..Settings::default()
    });
    let signer = Signer::fresh();
    let push = Push::v2().token(&signer.token("TEAM000009", "KEY0000009", NOW));
    assert_eq!(verdict(&sim, &push).await, fine());
    let late = Push::v2().token(&signer.token("TEAM000009", "KEY0000009", NOW - 3601));
    assert_eq!(
        verdict(&sim, &late).await,
        refused(403, "ExpiredProviderToken")
    );
    let forged = Push::v2().token(&signer.token(TEAM, KEY, NOW));
    assert_eq!(
        verdict(&sim, &forged).await,
        refused(403, "InvalidProviderToken")
    );
}
