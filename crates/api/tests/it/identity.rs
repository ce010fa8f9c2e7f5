//! Identity keys, and the signed user ids that they check.

use crate::world::{Ask, Setup, World};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use axum::http::Method;
use base64::Engine as _;
use carillon_ports::registry::Scope;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

const KEYS: &str = "/v1/apps/shop/identity-keys";
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// The time of the world, in seconds.
pub(crate) fn now(world: &World) -> i64 {
    world.engine.clock().now() / 1_000
}

/// A user_token by HS256.
pub(crate) fn sign(secret: &str, claims: &Value) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).unwrap()
}

/// Sets an identity key, and gives a user_token of this user.
pub(crate) async fn user_token(world: &World, user: &str) -> String {
    let body = json!({"algorithm": "HS256", "secret": SECRET});
    let status = world.put(&format!("{KEYS}/main"), body).await.status;
    assert!(status.is_success());
    sign(SECRET, &json!({"sub": user, "exp": now(world) + 300}))
}

/// A P-256 pair: the private key as DER, the public one as PEM.
fn pair() -> (Vec<u8>, String) {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let der = pair.public_key().as_der().unwrap();
    let text = base64::engine::general_purpose::STANDARD.encode(der.as_ref());
    (
        pair.to_pkcs8v1().unwrap().as_ref().to_vec(),
        format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n"),
    )
}

async fn register(world: &World, key: &str, number: u32, user_token: &str) -> crate::world::Answer {
    let path = format!("/v1/apps/shop/devices/0123456789abcdef-{number}");
    let body = json!({ "user_token": user_token });
    world
        .send(Ask::new(Method::PUT, &path).json(&body).key(key))
        .await
}

#[tokio::test]
async fn identity_keys_are_set_listed_and_never_shown() {
    let world = World::furnished(Setup::default()).await;
    let (_, public) = pair();
    let hs = json!({"algorithm": "HS256", "secret": SECRET});
    let es = json!({"algorithm": "ES256", "public_key": public});
    let made = world
        .put(&format!("{KEYS}/b"), hs.clone())
        .await
        .is(201)
        .json();
    assert_eq!(
        (&made["name"], &made["algorithm"]),
        (&json!("b"), &json!("HS256"))
    );
    world.put(&format!("{KEYS}/a"), es).await.is(201);
    let changed = world
        .put(&format!("{KEYS}/b"), hs.clone())
        .await
        .is(200)
        .json();
    assert_eq!(changed["version"], 2);
    let list = world.get(KEYS).await.is(200);
    assert!(!list.text().contains(SECRET) && !list.text().contains("BEGIN"));
    let names: Vec<_> = list.json()["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["name"].clone())
        .collect();
    assert_eq!(names, ["a", "b"]);
    let page = world.get(&format!("{KEYS}?limit=1")).await.is(200).json();
    let next = page["next"].as_str().unwrap();
    let page = world
        .get(&format!("{KEYS}?limit=1&cursor={next}"))
        .await
        .is(200)
        .json();
    assert_eq!(
        (&page["data"][0]["name"], &page["next"]),
        (&json!("b"), &json!(null))
    );
    world.delete(&format!("{KEYS}/a")).await.is(204);
    world
        .get(&format!("{KEYS}/a"))
        .await
        .problem(404, "identity_key.unknown");
    let audit = world.get("/v1/audit?limit=2").await.is(200).json();
    assert_eq!(audit["data"][0]["action"], "identity_key.delete");
    assert_eq!(audit["data"][0]["subject"], "shop/a");
    assert_eq!(audit["data"][1]["action"], "identity_key.put");

    for n in 0..9 {
        world.put(&format!("{KEYS}/k{n}"), hs.clone()).await.is(201);
    }
    let problem = world.put(&format!("{KEYS}/one-more"), hs.clone()).await;
    let problem = problem.problem(422, "request.invalid");
    assert_eq!(problem["errors"][0]["code"], "identity_key.many");
    world.put(&format!("{KEYS}/b"), hs).await.is(200);
}

#[tokio::test]
async fn identity_keys_are_checked() {
    let world = World::furnished(Setup::default()).await;
    let (private, public) = pair();
    let private = base64::engine::general_purpose::STANDARD.encode(private);
    let private = format!("-----BEGIN PRIVATE KEY-----\n{private}\n-----END PRIVATE KEY-----\n");
    for (body, pointer) in [
        (json!({"algorithm": "HS256"}), "/secret"),
        (json!({"algorithm": "HS256", "secret": "short"}), "/secret"),
        (
            json!({"algorithm": "HS256", "secret": "x".repeat(1_025)}),
            "/secret",
        ),
        (
            json!({"algorithm": "HS256", "public_key": public}),
            "/secret",
        ),
        (
            json!({"algorithm": "HS256", "secret": SECRET, "public_key": public}),
            "/secret",
        ),
        (json!({"algorithm": "ES256"}), "/public_key"),
        (
            json!({"algorithm": "ES256", "secret": SECRET}),
            "/public_key",
        ),
        (
            json!({"algorithm": "ES256", "public_key": "no PEM"}),
            "/public_key",
        ),
        (
            json!({"algorithm": "ES256", "public_key": private}),
            "/public_key",
        ),
        (
            json!({"algorithm": "ES256", "public_key": public.replace("MFkw", "MFkx")}),
            "/public_key",
        ),
        (
            json!({"algorithm": "RS256", "public_key": public}),
            "/algorithm",
        ),
        (json!({"algorithm": "none"}), "/algorithm"),
    ] {
        let problem = world.put(&format!("{KEYS}/x"), body.clone()).await;
        let text = problem.text();
        assert!(!text.contains(SECRET), "{text}");
        let problem = problem.problem(422, "request.invalid");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}");
    }
    world
        .put(
            &format!("{KEYS}/a%2Fb"),
            json!({"algorithm": "HS256", "secret": SECRET}),
        )
        .await
        .problem(400, "request.parameter");
}

#[tokio::test]
async fn a_signed_user_id_names_the_user() {
    let world = World::furnished(Setup::default()).await;
    let key = world
        .make_key(Some(world.app("shop")), &[Scope::Register])
        .await;
    let (private, public) = pair();
    let body = json!({"algorithm": "ES256", "public_key": public});
    world.put(&format!("{KEYS}/es"), body).await.is(201);
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some("es".into());
    let claims = json!({"sub": "kim", "exp": now(&world) + 86_400, "aud": "shop"});
    let by_es = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ec_der(&private));
    let made = register(&world, &key, 1, &by_es.unwrap())
        .await
        .is(201)
        .json();
    assert_eq!(made["user_id"], "kim");

    // Two keys at once: the back end goes over from one to the other.
    let by_hs = user_token(&world, "lee").await;
    let made = register(&world, &key, 2, &by_hs).await.is(201).json();
    assert_eq!(made["user_id"], "lee");
    let found = world
        .get("/v1/apps/shop/devices?user_id=lee")
        .await
        .is(200)
        .json();
    assert_eq!(found["data"].as_array().unwrap().len(), 1);

    world.clock.advance(359_000);
    register(&world, &key, 3, &by_hs).await.is(201);
    world.clock.advance(1_000);
    register(&world, &key, 4, &by_hs)
        .await
        .problem(401, "auth.user_token");
}

#[tokio::test]
async fn every_refused_signature_has_the_same_answer() {
    let world = World::furnished(Setup::default()).await;
    let key = world
        .make_key(Some(world.app("shop")), &[Scope::Register])
        .await;
    let good = user_token(&world, "ann").await;
    let at = now(&world);
    let claims = |exp: i64| json!({"sub": "ann", "exp": exp});
    let other = "ffffffffffffffffffffffffffffffff";
    let mut wrong_kid = Header::new(Algorithm::HS256);
    wrong_kid.kid = Some("nobody".into());
    let by_main = EncodingKey::from_secret(SECRET.as_bytes());
    let refused = [
        sign(other, &claims(at + 300)),
        sign(SECRET, &claims(at - 61)),
        sign(SECRET, &claims(at + 90_000)),
        sign(SECRET, &json!({"sub": "ann"})),
        sign(
            SECRET,
            &json!({"sub": "ann", "exp": at + 300, "aud": "bare"}),
        ),
        sign(
            SECRET,
            &json!({"sub": "ann", "exp": at + 300, "nbf": at + 120}),
        ),
        jsonwebtoken::encode(&wrong_kid, &claims(at + 300), &by_main).unwrap(),
        jsonwebtoken::encode(&Header::new(Algorithm::HS512), &claims(at + 300), &by_main).unwrap(),
        format!("{good}x"),
        "nonsense".into(),
        "x".repeat(5_000),
    ];
    let mut answers = Vec::new();
    for user_token in &refused {
        let answer = register(&world, &key, 1, user_token).await;
        let mut problem = answer.problem(401, "auth.user_token");
        problem["request_id"] = json!("");
        answers.push(problem);
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    world.delete(&format!("{KEYS}/main")).await.is(204);
    let mut without_key = register(&world, &key, 1, &good)
        .await
        .problem(401, "auth.user_token");
    without_key["request_id"] = json!("");
    assert_eq!(without_key, answers[0]);
    world
        .get("/v1/apps/shop/devices/0123456789abcdef-1")
        .await
        .problem(404, "device.unknown");
    // Keys of another App say nothing here.
    let elsewhere = KEYS.replace("/shop", "/bare");
    let body = json!({"algorithm": "HS256", "secret": SECRET});
    world.put(&format!("{elsewhere}/main"), body).await.is(201);
    register(&world, &key, 1, &good)
        .await
        .problem(401, "auth.user_token");
}
