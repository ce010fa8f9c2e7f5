//! A service account made for this run of the tests, and the check of what it signs.

use std::sync::LazyLock;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use fcm::ServiceAccount;
use serde_json::{Value, json};

static PAIR: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate(KeySize::Rsa2048).unwrap());

pub(crate) fn account() -> ServiceAccount {
    let der: Pkcs8V1Der<'_> = PAIR.as_der().unwrap();
    let text = STANDARD.encode(der.as_ref());
    let file = json!({
        "type": "service_account",
        "project_id": "demo-proj",
        "private_key_id": "k-test-1",
        "private_key": format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n"),
        "client_email": "push@demo-proj.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    });
    ServiceAccount::from_json(&file.to_string()).unwrap()
}

/// The claims of an assertion, if its signature is right.
pub(crate) fn verified(jwt: &str) -> Option<Value> {
    let (input, signature) = jwt.rsplit_once('.')?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, PAIR.public_key().as_ref())
        .verify(input.as_bytes(), &signature)
        .ok()?;
    let (_, claims) = input.split_once('.')?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
}
