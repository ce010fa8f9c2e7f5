//! Devices: installations of an app, with their push tokens.

pub(crate) mod attributes;
pub(crate) mod cells;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod delete_push_token;
pub(crate) mod deliveries;
pub(crate) mod export;
pub(crate) mod get;
pub(crate) mod import;
pub(crate) mod list;
pub(crate) mod own;
pub(crate) mod push_tokens;
pub(crate) mod put;
pub(crate) mod registration;
pub(crate) mod stats;

use crate::instant;
use crate::problem::{Problem, codes};
use carillon_model::UnixMs;
use carillon_model::app::App;
use carillon_model::push_token::PushToken;
use carillon_model::push_type::TokenKind;
use carillon_ports::registry::Device;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A device.
#[derive(Serialize, ToSchema)]
#[schema(as = Device)]
pub(crate) struct DeviceView {
    /// Its id.
    #[schema(example = "phone-1")]
    id: String,
    /// The person, in the caller's words.
    user_id: Option<String>,
    /// BCP 47 tag.
    #[schema(example = "ko-KR")]
    locale: Option<String>,
    /// IANA zone.
    #[schema(example = "Asia/Seoul")]
    time_zone: Option<String>,
    /// Version of the app.
    app_version: Option<String>,
    /// What it runs on.
    #[schema(example = "ios")]
    platform: Option<String>,
    /// Tags. Empty in the answer to a device itself, whatever they are.
    tags: Vec<String>,
    /// Topics that it is subscribed to.
    topics: Vec<String>,
    /// What else is known of it. Empty in the answer to a device itself, whatever it is.
    #[schema(value_type = Object)]
    attributes: Map<String, Value>,
    /// What its app has declared that it can do.
    capabilities: Vec<String>,
    /// Its push tokens, retired ones included.
    push_tokens: Vec<PushTokenView>,
    /// Whether it was not seen for longer than the App's `stale_after_days`.
    stale: bool,
    /// When it was first registered.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last registered.
    #[schema(format = DateTime)]
    last_seen_at: String,
    /// Only where a device registers itself with a publishable API key and shows no secret: its secret
    /// from now on. It is shown here and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    device_secret: Option<String>,
}

/// A push token. The address itself is not shown.
#[derive(Serialize, ToSchema)]
#[schema(as = PushToken)]
pub(crate) struct PushTokenView {
    /// What kind of push it is for.
    #[schema(example = "alert")]
    kind: &'static str,
    /// The gateway that takes it.
    #[schema(example = "apns")]
    gateway: &'static str,
    /// A few digits of it, to tell two apart.
    #[schema(example = "0bad…c0de")]
    fingerprint: String,
    /// `production`, `sandbox`, or `auto` while it is not known.
    environment: &'static str,
    /// Rises with every registration.
    generation: u32,
    /// When the app last handed it over, as far as that is known.
    #[schema(format = DateTime)]
    registered_at: Option<String>,
    /// When the gateway declared it dead.
    #[schema(format = DateTime)]
    retired_at: Option<String>,
}

impl From<&PushToken> for PushTokenView {
    fn from(token: &PushToken) -> Self {
        Self {
            kind: token.kind.as_str(),
            gateway: token.kind.gateway().as_str(),
            fingerprint: token.bytes.fingerprint(),
            environment: token.environment.as_str(),
            generation: token.generation,
            registered_at: instant::optional(token.registered_at),
            retired_at: instant::optional(token.retired_at),
        }
    }
}

impl DeviceView {
    pub(crate) fn new(device: Device, app: &App, now: UnixMs) -> Self {
        let registration = device.registration;
        let attributes = registration.attributes.as_deref();
        Self {
            id: device.id,
            user_id: registration.user_id,
            locale: registration.locale,
            time_zone: registration.time_zone,
            app_version: registration.app_version,
            platform: registration.platform,
            tags: registration.tags,
            topics: registration.topics,
            attributes: attributes
                .and_then(|json| serde_json::from_str(json).ok())
                .unwrap_or_default(),
            capabilities: registration.capabilities,
            push_tokens: device.push_tokens.iter().map(PushTokenView::from).collect(),
            stale: device.last_seen_at < app.settings.stale_before(now),
            created_at: instant::rfc3339(device.created_at),
            last_seen_at: instant::rfc3339(device.last_seen_at),
            device_secret: None,
        }
    }

    /// For the device itself: without what its back end thinks of it.
    pub(crate) fn for_itself(self, device_secret: Option<String>) -> Self {
        Self {
            tags: Vec::new(),
            attributes: Map::new(),
            device_secret,
            ..self
        }
    }
}

/// `kind` is there whenever one was asked for.
pub(crate) fn no_push_token(id: &str, kind: Option<TokenKind>) -> Problem {
    let kind = kind.map_or("", TokenKind::as_str);
    Problem::new(
        &codes::PUSH_TOKEN_UNKNOWN,
        format!("the device {id:?} has no push token of kind {kind:?}"),
    )
}

pub(crate) fn unknown(app: &str, id: &str) -> Problem {
    Problem::new(
        &codes::DEVICE_UNKNOWN,
        format!("the App {app:?} has no device {id:?}"),
    )
}
