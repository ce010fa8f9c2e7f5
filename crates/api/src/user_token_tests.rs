//! Which signed user ids are taken, by table. The keys are made for these tests.

use super::*;
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};
use std::sync::OnceLock;

const NOW: f64 = 1_800_000_000.0;
const SECRET: &str = "0123456789abcdef0123456789abcdef";
const OTHER: &str = "fedcba9876543210fedcba9876543210";

/// A P-256 pair: the private key as PKCS#8, the public one as PEM.
struct Pair {
    private: Vec<u8>,
    public: String,
}

fn pair() -> &'static Pair {
    static PAIR: OnceLock<Pair> = OnceLock::new();
    PAIR.get_or_init(|| {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let der = pair.public_key().as_der().unwrap();
        let text = base64::engine::general_purpose::STANDARD.encode(der.as_ref());
        Pair {
            private: pair.to_pkcs8v1().unwrap().as_ref().to_vec(),
            public: format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n"),
        }
    })
}

fn hs256(secret: &str) -> IdentityKey {
    IdentityKey::Hs256 {
        secret: secret.to_owned(),
    }
}

fn es256() -> IdentityKey {
    IdentityKey::Es256 {
        public_key: pair().public.clone(),
    }
}

fn claims() -> Value {
    json!({"sub": "ann", "exp": NOW + 300.0, "iat": NOW})
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn sign(header: &Header, claims: &Value) -> String {
    let key = match header.alg {
        jsonwebtoken::Algorithm::ES256 => EncodingKey::from_ec_der(&pair().private),
        _ => EncodingKey::from_secret(SECRET.as_bytes()),
    };
    jsonwebtoken::encode(header, claims, &key).unwrap()
}

fn header(algorithm: jsonwebtoken::Algorithm) -> Header {
    Header::new(algorithm)
}

fn check(keys: Vec<(&str, IdentityKey)>, text: &str) -> Result<String, &'static str> {
    verify(keys.into_iter(), text, "shop", NOW)
}

fn by_hs256(claims: &Value) -> Result<String, &'static str> {
    let text = sign(&header(jsonwebtoken::Algorithm::HS256), claims);
    check(vec![("a", hs256(SECRET))], &text)
}

#[test]
fn both_algorithms_are_taken_and_several_keys_tried() {
    let hs = sign(&header(jsonwebtoken::Algorithm::HS256), &claims());
    let es = sign(&header(jsonwebtoken::Algorithm::ES256), &claims());
    let all = || {
        vec![
            ("old", hs256(OTHER)),
            ("new", hs256(SECRET)),
            ("es", es256()),
        ]
    };
    assert_eq!(check(all(), &hs).as_deref(), Ok("ann"));
    assert_eq!(check(all(), &es).as_deref(), Ok("ann"));
    let mut named = header(jsonwebtoken::Algorithm::HS256);
    named.kid = Some("new".into());
    assert!(check(all(), &sign(&named, &claims())).is_ok());
    for kid in ["old", "es", "nobody"] {
        named.kid = Some(kid.into());
        assert!(check(all(), &sign(&named, &claims())).is_err(), "{kid}");
    }
}

#[test]
fn a_key_serves_its_own_algorithm_only() {
    let hs = sign(&header(jsonwebtoken::Algorithm::HS256), &claims());
    let es = sign(&header(jsonwebtoken::Algorithm::ES256), &claims());
    assert!(check(vec![("a", es256())], &hs).is_err());
    assert!(check(vec![("a", hs256(SECRET))], &es).is_err());
    // The classic: the public key, which everybody may know, as the shared secret of a forged one.
    let key = EncodingKey::from_secret(pair().public.as_bytes());
    let forged = header(jsonwebtoken::Algorithm::HS256);
    let forged = jsonwebtoken::encode(&forged, &claims(), &key).unwrap();
    assert!(check(vec![("a", es256())], &forged).is_err());
    let others = sign(&header(jsonwebtoken::Algorithm::HS384), &claims());
    assert!(check(vec![("a", hs256(SECRET))], &others).is_err());
}

#[test]
fn what_is_signed_counts_and_nothing_else() {
    let good = sign(&header(jsonwebtoken::Algorithm::HS256), &claims());
    let parts: Vec<_> = good.split('.').collect();
    let other = sign(
        &header(jsonwebtoken::Algorithm::HS256),
        &with("sub", json!("eve")),
    );
    let others: Vec<_> = other.split('.').collect();
    let none = "eyJhbGciOiJub25lIn0";
    for text in [
        String::new(),
        "a.b.c".into(),
        "..".into(),
        format!("{}.{}.{}", parts[0], others[1], parts[2]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}", parts[0], parts[1]),
        format!("{none}.{}.", parts[1]),
        format!("{none}.{}.{}", parts[1], parts[2]),
        format!("{good}."),
        format!("{good}x"),
        "x".repeat(MAX_BYTES + 1),
    ] {
        assert!(check(vec![("a", hs256(SECRET))], &text).is_err(), "{text}");
    }
    assert!(check(vec![("a", hs256(OTHER))], &good).is_err());
    assert!(check(vec![], &good).is_err());
    let mut critical = header(jsonwebtoken::Algorithm::HS256);
    critical.crit = Some(vec!["b64".into()]);
    assert!(check(vec![("a", hs256(SECRET))], &sign(&critical, &claims())).is_err());
}

#[test]
fn claims_hold_within_a_minute_of_skew() {
    for (claims, is_taken) in [
        (claims(), true),
        (with("exp", json!(NOW - 59.0)), true),
        (with("exp", json!(NOW - 60.0)), false),
        (with("exp", json!(NOW + 86_400.0)), true),
        (with("exp", json!(NOW + 86_461.0)), false),
        (with("exp", json!(1e300)), false),
        (with("exp", json!("soon")), false),
        (with("exp", Value::Null), false),
        (json!({"sub": "ann"}), false),
        (with("iat", json!(NOW + 60.0)), true),
        (with("iat", json!(NOW + 61.0)), false),
        (with("iat", json!("x")), false),
        (with("nbf", json!(NOW + 60.0)), true),
        (with("nbf", json!(NOW + 61.0)), false),
        (with("aud", json!("shop")), true),
        (with("aud", json!(["x", "shop"])), true),
        (with("aud", json!("other")), false),
        (with("aud", json!([])), false),
        (with("aud", json!(7)), false),
        (with("sub", json!("")), false),
        (with("sub", json!("u".repeat(128))), true),
        (with("sub", json!("u".repeat(129))), false),
        (with("sub", json!(7)), false),
        (json!({"exp": NOW + 300.0}), false),
        (json!([]), false),
    ] {
        assert_eq!(by_hs256(&claims).is_ok(), is_taken, "{claims}");
    }
}
