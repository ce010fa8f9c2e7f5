//! A simulator with a project, a service account and a bearer; requests to it.

use std::sync::LazyLock;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use push_sim::{
    Environment, FcmPhoneView, FcmSettings, Host, MadeFcmPhone, NewFcmPhones, NewServiceAccount,
    Settings, Simulator,
};
use serde_json::{Value, json};

use crate::support::{NOW, Peer, Push, Reply, config};

pub(crate) const PROJECT: &str = "pager-1";
pub(crate) const EMAIL: &str = "push@pager-1.iam.gserviceaccount.com";
pub(crate) const KEY_ID: &str = "k-test-1";
pub(crate) const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
const GRANT_TYPE: &str = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";

/// Making an RSA key takes a moment: the tests share one.
static PAIR: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate(KeySize::Rsa2048).unwrap());

pub(crate) fn public_key_pem() -> String {
    let der: PublicKeyX509Der<'_> = PAIR.public_key().as_der().unwrap();
    let text = STANDARD.encode(der.as_ref());
    format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
}

/// A JWT signed with the shared key.
pub(crate) fn sign(header: &Value, claims: &Value) -> String {
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    );
    let mut signature = vec![0; PAIR.public_modulus_len()];
    PAIR.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        signed.as_bytes(),
        &mut signature,
    )
    .unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(&signature))
}

pub(crate) fn header() -> Value {
    json!({"alg": "RS256", "typ": "JWT", "kid": KEY_ID})
}

pub(crate) fn claims() -> Value {
    json!({
        "iss": EMAIL, "scope": SCOPE, "aud": "https://oauth2.googleapis.com/token",
        "iat": NOW, "exp": NOW + 3600,
    })
}

pub(crate) struct Stage {
    pub(crate) sim: Simulator,
    pub(crate) peer: Peer,
    pub(crate) bearer: String,
}

/// A simulator at a standing clock with a project and its service account.
pub(crate) fn simulator(settings: FcmSettings) -> Simulator {
    let settings = Settings {
        fcm: settings,
        ..Settings::default()
    };
    let sim = Simulator::start(config(settings)).unwrap();
    sim.add_service_account(NewServiceAccount {
        project: PROJECT.into(),
        private_key_id: Some(KEY_ID.into()),
        public_key_pem: Some(public_key_pem()),
        ..NewServiceAccount::default()
    })
    .unwrap();
    sim
}

pub(crate) async fn connect(sim: &Simulator) -> Peer {
    let address = sim.address(Environment::Production, Host::Fcm);
    Peer::to(sim, address, None).await
}

impl Stage {
    pub(crate) async fn new() -> Stage {
        Stage::with(FcmSettings::default()).await
    }

    /// With the bearer of a grant.
    pub(crate) async fn with(settings: FcmSettings) -> Stage {
        let sim = simulator(settings);
        let mut peer = connect(&sim).await;
        let reply = peer.push(&grant(&sign(&header(), &claims()))).await;
        assert_eq!(reply.status, 200, "{:?}", reply.json());
        let bearer = reply.json()["access_token"].as_str().unwrap().to_owned();
        Stage { sim, peer, bearer }
    }

    pub(crate) fn phone(&self, new: NewFcmPhones) -> MadeFcmPhone {
        let new = NewFcmPhones {
            project: match new.project.is_empty() {
                true => PROJECT.into(),
                false => new.project,
            },
            ..new
        };
        self.sim.make_fcm_phones(&new).unwrap().remove(0)
    }

    pub(crate) fn view(&self, phone: &MadeFcmPhone) -> FcmPhoneView {
        self.sim.fcm_phone(phone.id).unwrap()
    }

    /// The request that sends `message`.
    pub(crate) fn request(&self, message: &Value) -> Push {
        send_request(&self.bearer, &json!({ "message": message }))
    }

    pub(crate) async fn send(&mut self, message: &Value) -> Reply {
        let request = self.request(message);
        self.peer.push(&request).await
    }

    /// Sends `message` to a phone, which must be taken.
    pub(crate) async fn must_send(&mut self, phone: &MadeFcmPhone, mut message: Value) {
        message["token"] = phone.registration_token.as_str().into();
        let reply = self.send(&message).await;
        assert_eq!(reply.status, 200, "{}", reply.json());
    }
}

/// `POST /token` with an assertion.
pub(crate) fn grant(assertion: &str) -> Push {
    form(&format!("grant_type={GRANT_TYPE}&assertion={assertion}"))
}

pub(crate) fn form(body: &str) -> Push {
    Push {
        method: http::Method::POST,
        path: "/token".into(),
        headers: vec![(
            "content-type".into(),
            "application/x-www-form-urlencoded".into(),
        )],
        body: body.to_owned().into(),
    }
}

pub(crate) fn send_request(bearer: &str, body: &Value) -> Push {
    Push {
        method: http::Method::POST,
        path: format!("/v1/projects/{PROJECT}/messages:send"),
        headers: vec![
            ("authorization".into(), format!("Bearer {bearer}")),
            ("content-type".into(), "application/json".into()),
        ],
        body: body.to_string().into(),
    }
}

/// The parts of an error that clients look at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) http: u16,
    pub(crate) status: String,
    pub(crate) code: Option<String>,
    pub(crate) field: Option<String>,
    pub(crate) apns: Option<(u64, String)>,
    pub(crate) info: Option<String>,
    pub(crate) message: String,
}

/// Reads an error, and holds it to be well-formed.
pub(crate) fn seen(reply: &Reply) -> Seen {
    let body = reply.json();
    let error = &body["error"];
    assert_eq!(error["code"], reply.status, "{body}");
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let detail = |name: &str| {
        let full = format!("type.googleapis.com/{name}");
        error["details"]
            .as_array()
            .and_then(|all| all.iter().find(|one| one["@type"] == *full))
            .cloned()
            .unwrap_or_default()
    };
    let apns = detail("google.firebase.fcm.v1.ApnsError");
    Seen {
        http: reply.status,
        status: text(&error["status"]).unwrap(),
        code: text(&detail("google.firebase.fcm.v1.FcmError")["errorCode"]),
        field: text(&detail("google.rpc.BadRequest")["fieldViolations"][0]["field"]),
        apns: text(&apns["reason"]).map(|reason| (apns["statusCode"].as_u64().unwrap(), reason)),
        info: text(&detail("google.rpc.ErrorInfo")["reason"]),
        message: text(&error["message"]).unwrap(),
    }
}
