//! Push tokens as callers write them: each kind in the words of its gateway, read by its adapter.

use crate::instant;
use carillon_model::device::{PushTokenRegistration, RegisteredAt, ReplacedPushToken};
use carillon_model::environment::TokenEnvironment;
use carillon_model::lane::Gateway;
use carillon_model::problem::FieldProblem;
use carillon_model::push_token::PushTokenBytes;
use carillon_model::push_type::TokenKind;
use carillon_ports::gateway::Gateways;
use serde::Deserialize;
use serde_json::Value;
use std::fmt;
use utoipa::ToSchema;

/// A push token to register: `token`, or for kind `webpush` `subscription`.
#[derive(Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegisterPushToken {
    /// What the app got it for: `alert` (default) and the other kinds of Apple's, `fcm`, or `webpush`.
    #[schema(value_type = Option<String>, example = "alert")]
    pub(crate) kind: Option<TokenKind>,
    /// The token as the gateway gave it to the app: Apple's hex-encoded, FCM's as it is.
    #[schema(example = "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0")]
    pub(crate) token: Option<String>,
    /// The browser's push subscription, as `JSON.stringify(subscription)` writes it.
    #[schema(value_type = Option<Object>)]
    pub(crate) subscription: Option<Value>,
    /// `production`, `sandbox` or `auto` (default): Carillon finds out. Only Apple's have one.
    #[schema(value_type = Option<String>, example = "auto")]
    pub(crate) environment: Option<TokenEnvironment>,
    /// When the app got it or last confirmed it: an instant, or `unknown`, as for what comes from another system.
    /// Without it: now. A gateway that declares a push token dead since an instant before this one is not believed,
    /// since the app has handed it over again meanwhile. `unknown` does not undo what is known of the same push token.
    #[schema(example = "2026-08-01T12:00:00Z")]
    pub(crate) registered_at: Option<String>,
    /// The token or subscription that this one takes the place of. Without an id in the request it also
    /// says which device this is.
    #[schema(value_type = Option<Object>)]
    pub(crate) replaces: Option<Value>,
}

/// What stands for an instant that nobody knows.
pub(crate) const UNKNOWN: &str = "unknown";
/// How Expo's aliases begin, the present and the former one.
const EXPO: [&str; 2] = ["ExponentPushToken[", "ExpoPushToken["];

/// Never the address.
impl fmt::Debug for RegisterPushToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisterPushToken")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// Checks them; each by what its gateway says of it.
pub(crate) fn read(
    written: Vec<RegisterPushToken>,
    gateways: &Gateways,
    problems: &mut Vec<FieldProblem>,
) -> (Vec<PushTokenRegistration>, Vec<ReplacedPushToken>) {
    let mut push_tokens: Vec<PushTokenRegistration> = Vec::with_capacity(written.len());
    let mut replaces = Vec::new();
    for (at, token) in written.into_iter().enumerate() {
        let problem = |field: &str, code, message: String| {
            FieldProblem::new(format!("/push_tokens/{at}/{field}"), code, message)
        };
        let kind = token.kind.unwrap_or(match &token.subscription {
            Some(_) => TokenKind::WebPush,
            None => TokenKind::Alert,
        });
        if push_tokens.iter().any(|other| other.kind == kind) {
            problems.push(problem(
                "kind",
                "device.push_tokens",
                format!(
                    "expected at most one push token of kind {:?}",
                    kind.as_str()
                ),
            ));
        }
        let (field, other) = match kind {
            TokenKind::WebPush => ("subscription", "token"),
            _ => ("token", "subscription"),
        };
        let (text, surplus) = match kind {
            TokenKind::WebPush => (
                token.subscription.as_ref().and_then(text_of),
                token.token.is_some(),
            ),
            _ => (token.token, token.subscription.is_some()),
        };
        if surplus {
            problems.push(problem(
                other,
                "device.push_token",
                format!("expected {field:?} alone for kind {:?}", kind.as_str()),
            ));
        }
        let Some(text) = text else {
            let expected = match kind {
                TokenKind::WebPush => "the browser's subscription, an object",
                _ => "the token as the gateway gave it to the app",
            };
            let message = format!("expected {expected}, found nothing of the kind");
            problems.push(problem(field, "device.push_token", message));
            continue;
        };
        let mut read = |field: &str, text: &str| {
            read_one(kind, gateways, text).unwrap_or_else(|sentence| {
                problems.push(problem(field, "device.push_token", sentence));
                PushTokenBytes(bytes::Bytes::new())
            })
        };
        let bytes = read(field, &text);
        if let Some(old) = &token.replaces {
            let old = read("replaces", &text_of(old).unwrap_or_default());
            if old != bytes {
                replaces.push(ReplacedPushToken { kind, bytes: old });
            }
        }
        let registered_at = token.registered_at.as_deref();
        let registered_at = read_registered_at(registered_at).unwrap_or_else(|sentence| {
            problems.push(problem("registered_at", "device.registered_at", sentence));
            RegisteredAt::Unknown
        });
        push_tokens.push(PushTokenRegistration {
            kind,
            bytes,
            environment: match kind.gateway().has_environments() {
                true => token.environment.unwrap_or_default(),
                false => TokenEnvironment::Production,
            },
            registered_at,
        });
    }
    (push_tokens, replaces)
}

fn read_registered_at(written: Option<&str>) -> Result<RegisteredAt, String> {
    match written {
        None => Ok(RegisteredAt::Now),
        Some(UNKNOWN) => Ok(RegisteredAt::Unknown),
        Some(text) => instant::parse(text)
            .map(RegisteredAt::At)
            .map_err(|sentence| format!("{sentence}; or {UNKNOWN:?}")),
    }
}

/// A string's text, an object's JSON.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Object(_) => Some(value.to_string()),
        _ => None,
    }
}

/// One address. The error is a sentence.
pub(crate) fn read_one(
    kind: TokenKind,
    gateways: &Gateways,
    text: &str,
) -> Result<PushTokenBytes, String> {
    if EXPO.iter().any(|prefix| text.starts_with(prefix)) {
        return Err(format!(
            "{}…] is Expo's own alias, which only Expo's servers can push to, not the device's push token: call \
             getDevicePushTokenAsync() of expo-notifications in the app, and register what it returns",
            EXPO[0]
        ));
    }
    let which = kind.gateway();
    match (which, gateways.get(which)) {
        (Gateway::Apns, _) => PushTokenBytes::from_hex(text),
        (_, Some(gateway)) => gateway.read_push_token(text),
        (_, None) => Err(absent(which)),
    }
}

fn absent(which: Gateway) -> String {
    format!(
        "this server was started without the gateway {}",
        which.as_str()
    )
}

/// An address as text that [`read`] reads back. The error is a sentence.
pub(crate) fn write(
    kind: TokenKind,
    gateways: &Gateways,
    bytes: &PushTokenBytes,
) -> Result<String, String> {
    let which = kind.gateway();
    match (which, gateways.get(which)) {
        (Gateway::Apns, _) => Ok(bytes.to_hex()),
        (_, Some(gateway)) => gateway.write_push_token(bytes).ok_or_else(|| {
            format!(
                "a stored push token of kind {} cannot be read",
                kind.as_str()
            )
        }),
        (_, None) => Err(absent(which)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_alias_of_expo_is_refused_whatever_it_is_called() {
        for kind in ["alert", "fcm"] {
            for token in ["ExponentPushToken[xYz]", "ExpoPushToken[xYz]"] {
                let written = json!({ "kind": kind, "token": token });
                let written: RegisterPushToken = serde_json::from_value(written).unwrap();
                let mut problems = Vec::new();
                read(vec![written], &Gateways::default(), &mut problems);
                let problem = problems.pop().unwrap();
                assert_eq!(problem.pointer, "/push_tokens/0/token");
                assert!(problem.message.contains("getDevicePushTokenAsync"));
                assert!(!problem.message.contains("xYz"));
            }
        }
    }

    fn problem_of(push_token: Value) -> Option<(String, &'static str)> {
        let written: RegisterPushToken = serde_json::from_value(push_token).unwrap();
        let mut problems = Vec::new();
        read(vec![written], &Gateways::default(), &mut problems);
        assert!(problems.len() < 2, "{problems:?}");
        let problem = problems.pop()?;
        Some((problem.pointer, problem.code))
    }

    #[test]
    fn each_kind_has_its_own_way_of_saying_it() {
        let at = |field: &str| Some((format!("/push_tokens/0/{field}"), "device.push_token"));
        assert_eq!(problem_of(json!({"token": "00aa"})), None);
        assert_eq!(
            problem_of(json!({"token": "00aa", "replaces": "00AB"})),
            None
        );
        for (written, field) in [
            (json!({}), "token"),
            (json!({"kind": "webpush"}), "subscription"),
            (
                json!({"kind": "webpush", "subscription": 7}),
                "subscription",
            ),
            (json!({"token": "00aa", "replaces": "zz"}), "replaces"),
            (json!({"token": "00aa", "replaces": 7}), "replaces"),
            (
                json!({"token": "00aa", "kind": "alert", "subscription": {}}),
                "subscription",
            ),
            // Without the gateway nobody can read it.
            (json!({"kind": "fcm", "token": "abc"}), "token"),
            (
                json!({"subscription": {"endpoint": "https://x"}}),
                "subscription",
            ),
        ] {
            assert_eq!(problem_of(written.clone()), at(field), "{written}");
        }
    }

    #[test]
    fn what_stays_the_same_replaces_nothing() {
        let written = json!({"token": "00aa", "replaces": "00AA"});
        let written: RegisterPushToken = serde_json::from_value(written).unwrap();
        let (_, replaces) = read(vec![written], &Gateways::default(), &mut Vec::new());
        assert!(replaces.is_empty());
    }

    #[test]
    fn an_address_is_never_shown() {
        let written = json!({"token": "00aa", "replaces": "00ab"});
        let written: RegisterPushToken = serde_json::from_value(written).unwrap();
        let shown = format!("{written:?}");
        assert!(!shown.contains("00a"), "{shown}");
    }
}
