//! A plain sender of web pushes: encrypts, signs, and speaks either version of HTTP.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, ECDH_P256, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::hmac;
use aws_lc_rs::rand;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use push_sim::{
    BrowserView, Config, Environment, Host, NewBrowsers, Settings, Simulator, Subscription,
    WebPushService, WebPushSettings,
};
use serde_json::{Value, json};

use crate::support::{NOW, Peer, Push, Reply, config};

pub(crate) const CONTACT: &str = "mailto:push@example.com";

/// A VAPID key pair.
pub(crate) struct Vapid(EcdsaKeyPair);

impl Vapid {
    pub(crate) fn fresh() -> Vapid {
        Vapid(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    pub(crate) fn public_key(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.public_key().as_ref())
    }

    /// An `Authorization` header with these claims.
    pub(crate) fn header(&self, claims: &Value) -> String {
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"ES256"}"#),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        let signature = self
            .0
            .sign(&SystemRandom::new(), signed.as_bytes())
            .unwrap();
        let signature = URL_SAFE_NO_PAD.encode(signature.as_ref());
        format!("vapid t={signed}.{signature}, k={}", self.public_key())
    }
}

/// The claims of an honest sender, for 12 hours.
pub(crate) fn claims(origin: &str) -> Value {
    json!({"aud": origin, "exp": NOW + 12 * 3600, "sub": CONTACT})
}

fn tag(salt: &[u8], data: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, salt), data)
}

/// Encrypts for a subscription (RFC 8291), with `padding` zero bytes.
pub(crate) fn encrypt(to: &Subscription, text: &[u8], padding: usize) -> Vec<u8> {
    let receiver = URL_SAFE_NO_PAD.decode(&to.keys.p256dh).unwrap();
    let auth = URL_SAFE_NO_PAD.decode(&to.keys.auth).unwrap();
    let own = PrivateKey::generate(&ECDH_P256).unwrap();
    let public = own.compute_public_key().unwrap();
    let mut salt = [0; 16];
    rand::fill(&mut salt).unwrap();
    let peer = UnparsedPublicKey::new(&ECDH_P256, &receiver);
    let prk = agreement::agree(&own, peer, (), |shared| Ok(tag(&auth, shared))).unwrap();
    let info = [b"WebPush: info\0", &receiver[..], public.as_ref(), &[1]].concat();
    let input = tag(prk.as_ref(), &info);
    let prk = tag(&salt, input.as_ref());
    let key = tag(prk.as_ref(), b"Content-Encoding: aes128gcm\0\x01");
    let nonce = tag(prk.as_ref(), b"Content-Encoding: nonce\0\x01");
    let sealing = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key.as_ref()[..16]).unwrap());
    let nonce = Nonce::try_assume_unique_for_key(&nonce.as_ref()[..12]).unwrap();
    let mut record = [text, &[2], &vec![0; padding]].concat();
    sealing
        .seal_in_place_append_tag(nonce, Aad::empty(), &mut record)
        .unwrap();
    let size = 4096_u32.to_be_bytes();
    [&salt[..], &size, &[65], public.as_ref(), &record].concat()
}

/// A simulator at a standing clock, one browser, and somebody who may push to it.
pub(crate) struct Scene {
    pub(crate) sim: Simulator,
    pub(crate) vapid: Vapid,
    pub(crate) browser: u32,
    pub(crate) subscription: Subscription,
}

impl Scene {
    pub(crate) fn new(service: WebPushService) -> Scene {
        Scene::with(service, WebPushSettings::default())
    }

    pub(crate) fn with(service: WebPushService, web_push: WebPushSettings) -> Scene {
        Scene::start(
            service,
            config(Settings {
                web_push,
                ..Settings::default()
            }),
        )
    }

    pub(crate) fn start(service: WebPushService, config: Config) -> Scene {
        let sim = Simulator::start(config).unwrap();
        let vapid = Vapid::fresh();
        let new = NewBrowsers {
            service,
            application_server_key: Some(vapid.public_key()),
            ..NewBrowsers::default()
        };
        let made = sim.make_browsers(&new).unwrap().remove(0);
        Scene {
            sim,
            vapid,
            browser: made.id,
            subscription: made.subscription,
        }
    }

    pub(crate) fn view(&self) -> BrowserView {
        self.sim.browser(self.browser).unwrap()
    }

    pub(crate) fn titles(&self) -> Vec<String> {
        let view = self.view();
        view.shown.into_iter().map(|shown| shown.title).collect()
    }

    /// Path and query of the endpoint.
    pub(crate) fn path(&self) -> String {
        path_of(&self.sim, &self.subscription)
    }

    /// An honest push of `text` for a minute.
    pub(crate) fn push(&self, text: &str) -> Push {
        self.push_body(encrypt(&self.subscription, text.as_bytes(), 0))
    }

    pub(crate) fn push_body(&self, body: Vec<u8>) -> Push {
        let origin = self.sim.web_push_origin();
        let length = body.len().to_string();
        let push = Push {
            method: http::Method::POST,
            path: format!("{origin}{}", self.path()),
            headers: vec![],
            body: body.into(),
        };
        push.with("authorization", &self.vapid.header(&claims(&origin)))
            .with("content-encoding", "aes128gcm")
            .with("content-length", &length)
            .with("ttl", "60")
    }

    pub(crate) async fn connect(&self) -> Peer {
        Peer::to(&self.sim, web_push_host(&self.sim), None).await
    }

    /// Sends over a connection of its own.
    pub(crate) async fn send(&self, push: &Push) -> Reply {
        self.connect().await.push(push).await
    }

    /// Goes offline or online.
    pub(crate) fn online(&self, online: bool) -> BrowserView {
        let patch = push_sim::BrowserPatch {
            online: Some(online),
            ..Default::default()
        };
        self.sim.patch_browser(self.browser, &patch).unwrap()
    }
}

pub(crate) fn web_push_host(sim: &Simulator) -> std::net::SocketAddr {
    sim.address(Environment::Production, Host::WebPush)
}

pub(crate) fn path_of(sim: &Simulator, subscription: &Subscription) -> String {
    let path = subscription.endpoint.strip_prefix(&sim.web_push_origin());
    path.unwrap().to_owned()
}
