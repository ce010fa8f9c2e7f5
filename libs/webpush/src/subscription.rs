//! What a browser hands out when a user agrees to pushes: an endpoint and two keys.
//!
//! It checks form and mathematics. Whether the endpoint may be talked to is the guard's question, and whether the
//! subscription is still alive only the push service can say.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::agreement::{ECDH_P256, ParsedPublicKey, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use crate::base64url;
use crate::invalid::Invalid;
use crate::push_endpoint::PushEndpoint;

/// The browser's public key (`keys.p256dh`): a point on P-256, uncompressed, 65 bytes. Not a secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct UserAgentPublicKey([u8; Self::BYTES]);

/// The secret that browser and sender share (`keys.auth`, RFC 8291 section 3.2): 16 bytes. Clones share.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct AuthSecret(Arc<[u8]>);

/// A push subscription. Clones share.
///
/// `Debug` shows the endpoint's origin and a fingerprint; endpoint and auth secret are secrets.
///
/// ```
/// let json = r#"{
///     "endpoint": "https://push.example.net/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV",
///     "expirationTime": null,
///     "keys": {
///         "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
///         "auth": "BTBZMqHH6r4Tts7J_aSIgg"
///     }
/// }"#;
/// let subscription = webpush::Subscription::from_json(json.as_bytes())?;
/// assert_eq!(subscription.endpoint().origin().host(), "push.example.net");
/// # Ok::<(), webpush::SubscriptionError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub struct Subscription {
    endpoint: PushEndpoint,
    user_agent_public_key: UserAgentPublicKey,
    auth: AuthSecret,
    expires_at_ms: Option<u64>,
}

/// Why a subscription cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscriptionError {
    /// It is not the JSON of a subscription.
    #[error(
        "the subscription is not readable: {0}; expected what PushSubscription.toJSON() gives: endpoint, and keys with \
         p256dh and auth"
    )]
    Json(Box<str>),
    /// A field breaks a rule.
    #[error(transparent)]
    Field(#[from] Invalid),
}

/// The JSON of `PushSubscription.toJSON()` (W3C Push API).
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    endpoint: String,
    /// A `DOMHighResTimeStamp`: milliseconds, perhaps with a fraction.
    #[serde(default)]
    expiration_time: Option<f64>,
    keys: WireKeys,
}

#[derive(Serialize, Deserialize)]
struct WireKeys {
    p256dh: String,
    auth: String,
}

impl UserAgentPublicKey {
    /// Its length: 0x04, x, y.
    pub const BYTES: usize = 65;

    /// Checks that the bytes are a point on P-256, uncompressed.
    ///
    /// # Errors
    /// If there are not 65 of them, the first is not 4, or the point is not on the curve.
    pub fn new(bytes: &[u8]) -> Result<Self, Invalid> {
        let wrong = |found: String, rule| {
            let mend = "store keys.p256dh exactly as the browser gave it";
            Invalid::new("keys.p256dh", found, rule, mend)
        };
        let point: [u8; Self::BYTES] = bytes.try_into().map_err(|_| {
            wrong(
                format!("{} bytes", bytes.len()),
                "the public key is 65 bytes",
            )
        })?;
        if point[0] != 4 {
            return Err(wrong(
                format!("a first byte of {}", point[0]),
                "the public key is an uncompressed point and begins with byte 4",
            ));
        }
        ParsedPublicKey::try_from(UnparsedPublicKey::new(&ECDH_P256, point))
            .map_err(|_| wrong("65 bytes".to_owned(), "they must be a point on P-256"))?;
        Ok(Self(point))
    }

    /// Reads base64, either alphabet, padded or not.
    ///
    /// # Errors
    /// As [`new`](Self::new), and if it is not base64.
    pub fn from_base64(text: &str) -> Result<Self, Invalid> {
        Self::new(&decoded("keys.p256dh", text)?)
    }

    /// The 65 bytes.
    pub fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl AuthSecret {
    /// The length that browsers give it.
    pub const BYTES: usize = 16;

    /// The most that is taken. A secret longer than 16 bytes is odd and harmless.
    pub const MAX_BYTES: usize = 64;

    /// Keeps a secret.
    ///
    /// # Errors
    /// If it is shorter than 16 bytes or longer than 64.
    pub fn new(bytes: &[u8]) -> Result<Self, Invalid> {
        if !(Self::BYTES..=Self::MAX_BYTES).contains(&bytes.len()) {
            return Err(Invalid::new(
                "keys.auth",
                format!("{} bytes", bytes.len()),
                "the auth secret is 16 bytes (RFC 8291 section 3.2)",
                "store keys.auth exactly as the browser gave it",
            ));
        }
        Ok(Self(bytes.into()))
    }

    /// Reads base64, either alphabet, padded or not.
    ///
    /// # Errors
    /// As [`new`](Self::new), and if it is not base64.
    pub fn from_base64(text: &str) -> Result<Self, Invalid> {
        Self::new(&decoded("keys.auth", text)?)
    }

    /// The secret itself.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

fn decoded(field: &'static str, text: &str) -> Result<Vec<u8>, Invalid> {
    base64url::decode(text).ok_or_else(|| {
        Invalid::new(
            field,
            format!("{} characters that are not base64", text.chars().count()),
            "it must be base64url",
            "store it exactly as the browser gave it",
        )
    })
}

impl Subscription {
    /// From its parts.
    pub fn new(
        endpoint: PushEndpoint,
        user_agent_public_key: UserAgentPublicKey,
        auth: AuthSecret,
    ) -> Self {
        Self {
            endpoint,
            user_agent_public_key,
            auth,
            expires_at_ms: None,
        }
    }

    /// Reads the JSON that `PushSubscription.toJSON()` gives in the browser. Unknown members are passed over.
    ///
    /// # Errors
    /// If it is not such JSON, or a field is wrong.
    pub fn from_json(json: &[u8]) -> Result<Self, SubscriptionError> {
        // serde_json's messages quote values only for wrong types, and these are secrets: name the place instead.
        let wire: Wire = serde_json::from_slice(json).map_err(|error| {
            let what = match error.classify() {
                serde_json::error::Category::Data => "a member is missing or has the wrong type",
                serde_json::error::Category::Eof => "it ends too early",
                _ => "it is not JSON",
            };
            let at = format!("{what}, at line {} column {}", error.line(), error.column());
            SubscriptionError::Json(at.into())
        })?;
        Ok(wire.try_into()?)
    }

    /// The JSON that [`from_json`](Self::from_json) reads. It holds secrets.
    pub fn to_json(&self) -> String {
        serde_json::json!({
            "endpoint": self.endpoint.expose(),
            "expirationTime": self.expires_at_ms,
            "keys": {
                "p256dh": base64url::encode(self.user_agent_public_key.as_bytes()),
                "auth": base64url::encode(self.auth.expose()),
            },
        })
        .to_string()
    }

    /// Where to push.
    pub fn endpoint(&self) -> &PushEndpoint {
        &self.endpoint
    }

    /// The browser's public key.
    pub fn user_agent_public_key(&self) -> &UserAgentPublicKey {
        &self.user_agent_public_key
    }

    /// The secret shared with the browser.
    pub fn auth(&self) -> &AuthSecret {
        &self.auth
    }

    /// When the browser said that the subscription ends (Unix milliseconds). Browsers say so rarely.
    pub fn expires_at_ms(&self) -> Option<u64> {
        self.expires_at_ms
    }
}

// === impl Subscription ===

impl TryFrom<Wire> for Subscription {
    type Error = Invalid;

    fn try_from(wire: Wire) -> Result<Self, Invalid> {
        let endpoint = PushEndpoint::parse(&wire.endpoint)?;
        let user_agent_public_key = UserAgentPublicKey::from_base64(&wire.keys.p256dh)?;
        let auth = AuthSecret::from_base64(&wire.keys.auth)?;
        Ok(Self {
            expires_at_ms: wire
                .expiration_time
                .filter(|ms| ms.is_finite() && *ms >= 0.0)
                .map(|ms| ms as u64),
            ..Self::new(endpoint, user_agent_public_key, auth)
        })
    }
}

impl From<Subscription> for Wire {
    fn from(subscription: Subscription) -> Self {
        Self {
            endpoint: subscription.endpoint.expose().to_owned(),
            expiration_time: subscription.expires_at_ms.map(|ms| ms as f64),
            keys: WireKeys {
                p256dh: base64url::encode(subscription.user_agent_public_key.as_bytes()),
                auth: base64url::encode(subscription.auth.expose()),
            },
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for UserAgentPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = base64url::encode(&self.0[1..7]);
        write!(f, "UserAgentPublicKey({start}…)")
    }
}

impl fmt::Debug for AuthSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDPOINT: &str = "https://push.example.net/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV";
    const P256DH: &str =
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

    fn json(endpoint: &str, p256dh: &str, auth: &str) -> String {
        serde_json::json!({"endpoint": endpoint, "keys": {"p256dh": p256dh, "auth": auth}})
            .to_string()
    }

    fn read(text: &str) -> Result<Subscription, SubscriptionError> {
        Subscription::from_json(text.as_bytes())
    }

    #[test]
    fn what_is_read_is_written_again() {
        let first = read(&json(ENDPOINT, P256DH, AUTH)).unwrap();
        assert_eq!(read(&first.to_json()).unwrap(), first);
        let through_serde: Subscription =
            serde_json::from_str(&serde_json::to_string(&first).unwrap()).unwrap();
        assert_eq!(through_serde, first);
        let dated = format!(
            r#"{{"endpoint":"{ENDPOINT}","expirationTime":1700000000000.5,"keys":{{"p256dh":"{P256DH}","auth":"{AUTH}"}},"x":1}}"#
        );
        let dated = read(&dated).unwrap();
        assert_eq!(dated.expires_at_ms(), Some(1_700_000_000_000));
        assert_eq!(read(&dated.to_json()).unwrap(), dated);
    }

    #[test]
    fn standard_base64_with_padding_is_the_same() {
        let standard = |text: &str| text.replace('-', "+").replace('_', "/");
        let padded = json(
            ENDPOINT,
            &format!("{}=", standard(P256DH)),
            &format!("{}==", standard(AUTH)),
        );
        assert_eq!(
            read(&padded).unwrap(),
            read(&json(ENDPOINT, P256DH, AUTH)).unwrap()
        );
    }

    #[test]
    fn each_wrong_field_is_named_with_its_rule() {
        let off_curve = {
            let mut point = base64url::decode(P256DH).unwrap();
            point[64] ^= 1;
            base64url::encode(&point)
        };
        let compressed = {
            let point = base64url::decode(P256DH).unwrap();
            let mut short = vec![2];
            short.extend(&point[1..33]);
            base64url::encode(&short)
        };
        let hybrid = {
            let mut point = base64url::decode(P256DH).unwrap();
            point[0] = 6;
            base64url::encode(&point)
        };
        let zero = base64url::encode(&[0; 65]);
        for (text, field, part) in [
            (json("nonsense", P256DH, AUTH), "endpoint", "scheme"),
            (json(ENDPOINT, "", AUTH), "keys.p256dh", "0 bytes"),
            (json(ENDPOINT, "!!", AUTH), "keys.p256dh", "not base64"),
            (json(ENDPOINT, AUTH, AUTH), "keys.p256dh", "16 bytes"),
            (json(ENDPOINT, &compressed, AUTH), "keys.p256dh", "33 bytes"),
            (
                json(ENDPOINT, &hybrid, AUTH),
                "keys.p256dh",
                "begins with byte 4",
            ),
            (
                json(ENDPOINT, &zero, AUTH),
                "keys.p256dh",
                "begins with byte 4",
            ),
            (json(ENDPOINT, &off_curve, AUTH), "keys.p256dh", "on P-256"),
            (json(ENDPOINT, P256DH, "AAAA"), "keys.auth", "3 bytes"),
            (json(ENDPOINT, P256DH, P256DH), "keys.auth", "65 bytes"),
        ] {
            let SubscriptionError::Field(error) = read(&text).unwrap_err() else {
                panic!("{text}")
            };
            assert_eq!(error.field(), field, "{error}");
            assert!(error.to_string().contains(part), "{error}");
        }
        for text in [
            "",
            "{",
            "[]",
            "null",
            "{}",
            r#"{"endpoint":"https://a.example/x"}"#,
            r#"{"endpoint":"https://a.example/x","keys":{"p256dh":"x"}}"#,
            r#"{"endpoint":"https://a.example/x","keys":{"p256dh":5,"auth":"x"}}"#,
        ] {
            let error = read(text).unwrap_err();
            assert!(
                matches!(error, SubscriptionError::Json(_)),
                "{text}: {error}"
            );
            assert!(error.to_string().contains("toJSON"), "{error}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let text = format!("{:?}", read(&json(ENDPOINT, P256DH, AUTH)).unwrap());
        assert!(text.contains("push.example.net"), "{text}");
        assert!(!text.contains("JzLQ3") && !text.contains("BTBZM"), "{text}");
        let secret = AuthSecret::from_base64(AUTH).unwrap();
        assert_eq!(format!("{secret:?}"), "AuthSecret(…)");
        let error = read(&json(ENDPOINT, "SECRETSECRET!", AUTH)).unwrap_err();
        assert!(!error.to_string().contains("SECRET"), "{error}");
    }
}
