//! Devices: installations of an app, with their push tokens.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod deliveries;
pub(crate) mod get;
pub(crate) mod import;
pub(crate) mod list;
pub(crate) mod put;
pub(crate) mod registration;

use crate::instant;
use crate::problem::{Problem, codes};
use carillon_model::push_token::PushToken;
use carillon_ports::registry::Device;
use serde::Serialize;
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
    /// Tags.
    tags: Vec<String>,
    /// Its push tokens, retired ones included.
    push_tokens: Vec<PushTokenView>,
    /// When it was first registered.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last registered.
    #[schema(format = DateTime)]
    last_seen_at: String,
}

/// A push token. The address itself is not shown.
#[derive(Serialize, ToSchema)]
#[schema(as = PushToken)]
pub(crate) struct PushTokenView {
    /// What kind of push it is for.
    #[schema(example = "alert")]
    kind: &'static str,
    /// A few digits of it, to tell two apart.
    #[schema(example = "0bad…c0de")]
    fingerprint: String,
    /// `production`, `sandbox`, or `auto` while it is not known.
    environment: &'static str,
    /// Rises with every registration.
    generation: u32,
    /// When the app last sent it.
    #[schema(format = DateTime)]
    registered_at: String,
    /// When the gateway declared it dead.
    #[schema(format = DateTime)]
    retired_at: Option<String>,
}

impl From<&PushToken> for PushTokenView {
    fn from(token: &PushToken) -> Self {
        Self {
            kind: token.kind.as_str(),
            fingerprint: token.bytes.fingerprint(),
            environment: token.environment.as_str(),
            generation: token.generation,
            registered_at: instant::rfc3339(token.registered_at),
            retired_at: instant::optional(token.retired_at),
        }
    }
}

impl From<Device> for DeviceView {
    fn from(device: Device) -> Self {
        let registration = device.registration;
        Self {
            id: device.id,
            user_id: registration.user_id,
            locale: registration.locale,
            time_zone: registration.time_zone,
            app_version: registration.app_version,
            tags: registration.tags,
            push_tokens: device.push_tokens.iter().map(PushTokenView::from).collect(),
            created_at: instant::rfc3339(device.created_at),
            last_seen_at: instant::rfc3339(device.last_seen_at),
        }
    }
}

pub(crate) fn unknown(app: &str, id: &str) -> Problem {
    Problem::new(
        &codes::DEVICE_UNKNOWN,
        format!("the App {app:?} has no device {id:?}"),
    )
}
