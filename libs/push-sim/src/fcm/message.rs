//! The Message: its shape on the wire, and what of it the rules and the phones look at.
//!
//! Source: REST reference "projects.messages" of the HTTP v1 API.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::schema::{Kind, Shape};

pub(super) static REQUEST: Shape = Shape(&[
    ("validate_only", Kind::Bool),
    ("message", Kind::Record(&MESSAGE)),
]);

static MESSAGE: Shape = Shape(&[
    ("name", Kind::Text),
    ("token", Kind::Text),
    ("fid", Kind::Text),
    ("topic", Kind::Text),
    ("condition", Kind::Text),
    ("data", Kind::TextMap),
    ("notification", Kind::Record(&NOTIFICATION)),
    ("android", Kind::Record(&ANDROID)),
    ("android_v2", Kind::Free),
    ("webpush", Kind::Record(&WEBPUSH)),
    ("apns", Kind::Record(&APNS)),
    ("fcm_options", Kind::Record(&OPTIONS)),
]);

static NOTIFICATION: Shape = Shape(&[
    ("title", Kind::Text),
    ("body", Kind::Text),
    ("image", Kind::Text),
]);

static OPTIONS: Shape = Shape(&[("analytics_label", Kind::Text)]);

static ANDROID: Shape = Shape(&[
    ("collapse_key", Kind::Text),
    (
        "priority",
        Kind::AnyCaseEnum("AndroidConfig.AndroidMessagePriority", &["NORMAL", "HIGH"]),
    ),
    ("ttl", Kind::Duration),
    ("restricted_package_name", Kind::Text),
    ("data", Kind::TextMap),
    ("notification", Kind::Record(&ANDROID_NOTIFICATION)),
    ("fcm_options", Kind::Record(&OPTIONS)),
    ("direct_boot_ok", Kind::Bool),
    ("bandwidth_constrained_ok", Kind::Bool),
    ("restricted_satellite_ok", Kind::Bool),
]);

static ANDROID_NOTIFICATION: Shape = Shape(&[
    ("title", Kind::Text),
    ("body", Kind::Text),
    ("icon", Kind::Text),
    ("color", Kind::Text),
    ("sound", Kind::Text),
    ("tag", Kind::Text),
    ("click_action", Kind::Text),
    ("title_loc_key", Kind::Text),
    ("body_loc_key", Kind::Text),
    ("title_loc_args", Kind::Texts),
    ("body_loc_args", Kind::Texts),
    ("channel_id", Kind::Text),
    ("ticker", Kind::Text),
    ("sticky", Kind::Bool),
    ("local_only", Kind::Bool),
    ("default_sound", Kind::Bool),
    ("default_vibrate_timings", Kind::Bool),
    ("default_light_settings", Kind::Bool),
    ("event_time", Kind::Timestamp),
    (
        "notification_priority",
        Kind::Enum(
            "AndroidNotification.NotificationPriority",
            &[
                "PRIORITY_UNSPECIFIED",
                "PRIORITY_MIN",
                "PRIORITY_LOW",
                "PRIORITY_DEFAULT",
                "PRIORITY_HIGH",
                "PRIORITY_MAX",
            ],
        ),
    ),
    ("vibrate_timings", Kind::Durations),
    (
        "visibility",
        Kind::AnyCaseEnum(
            "AndroidNotification.Visibility",
            &["VISIBILITY_UNSPECIFIED", "PRIVATE", "PUBLIC", "SECRET"],
        ),
    ),
    ("notification_count", Kind::Int),
    ("light_settings", Kind::Record(&LIGHT)),
    ("image", Kind::Text),
    (
        "proxy",
        Kind::AnyCaseEnum(
            "AndroidNotification.Proxy",
            &["PROXY_UNSPECIFIED", "ALLOW", "DENY", "IF_PRIORITY_LOWERED"],
        ),
    ),
    ("bypass_proxy_notification", Kind::Bool),
]);

static LIGHT: Shape = Shape(&[
    ("color", Kind::Record(&COLOR)),
    ("light_on_duration", Kind::Duration),
    ("light_off_duration", Kind::Duration),
]);

static COLOR: Shape = Shape(&[
    ("red", Kind::Float),
    ("green", Kind::Float),
    ("blue", Kind::Float),
    ("alpha", Kind::Float),
]);

static WEBPUSH: Shape = Shape(&[
    ("headers", Kind::TextMap),
    ("data", Kind::TextMap),
    ("notification", Kind::Free),
    ("fcm_options", Kind::Record(&WEBPUSH_OPTIONS)),
]);

static WEBPUSH_OPTIONS: Shape = Shape(&[("link", Kind::Text), ("analytics_label", Kind::Text)]);

static APNS: Shape = Shape(&[
    ("headers", Kind::TextMap),
    ("payload", Kind::Free),
    ("fcm_options", Kind::Record(&APNS_OPTIONS)),
    ("live_activity_token", Kind::Text),
]);

static APNS_OPTIONS: Shape = Shape(&[("analytics_label", Kind::Text), ("image", Kind::Text)]);

/// `data` of a message.
pub(super) type Data = BTreeMap<String, String>;

/// A request that fits the shape.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SendRequest {
    pub(super) validate_only: bool,
    pub(super) message: Option<Message>,
}

/// A message that fits the shape.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Message {
    pub(super) token: Option<String>,
    pub(super) fid: Option<String>,
    pub(super) topic: Option<String>,
    pub(super) condition: Option<String>,
    pub(super) data: Data,
    pub(super) notification: Option<Notification>,
    pub(super) android: Android,
    pub(super) webpush: Webpush,
    pub(super) apns: Apns,
    pub(super) fcm_options: Options,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Notification {
    pub(super) title: Option<String>,
    pub(super) body: Option<String>,
    pub(super) image: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Options {
    pub(super) analytics_label: Option<String>,
    pub(super) link: Option<String>,
    pub(super) image: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Android {
    pub(super) collapse_key: Option<String>,
    pub(super) priority: Option<String>,
    pub(super) ttl: Option<String>,
    pub(super) restricted_package_name: Option<String>,
    pub(super) data: Option<Data>,
    pub(super) notification: Option<Map<String, Value>>,
    pub(super) fcm_options: Options,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Webpush {
    pub(super) headers: BTreeMap<String, String>,
    pub(super) data: Option<Data>,
    pub(super) notification: Option<Map<String, Value>>,
    pub(super) fcm_options: Options,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Apns {
    pub(super) headers: BTreeMap<String, String>,
    pub(super) payload: Option<Map<String, Value>>,
    pub(super) fcm_options: Options,
    pub(super) live_activity_token: Option<String>,
}

impl Message {
    /// `data` as an Android phone gets it: its own replaces the common one wholly.
    pub(super) fn android_data(&self) -> &Data {
        self.android.data.as_ref().unwrap_or(&self.data)
    }
}
