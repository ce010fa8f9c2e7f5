//! `apns`: what FCM passes on to Apple.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::push_token::LiveActivityToken;

/// `apns`. What is not set is not written.
///
/// ```
/// use fcm::message::{Apns, Content};
/// let content = Content::new().apns(
///     Apns::default()
///         .header("apns-priority", "5")
///         .payload(serde_json::json!({"aps": {"content-available": 1}, "sync": "inbox"})),
/// );
/// assert!(content.to_message().is_ok());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Apns {
    /// APNs' headers, such as `apns-priority`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The payload: `aps`, and your own keys beside it. Overrides the message's notification.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub payload: Map<String, Value>,
    /// The label and the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fcm_options: Option<ApnsOptions>,
    /// For a Live Activity: where APNs finds it. The request's target is the app instance as usual.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live_activity_token: Option<LiveActivityToken>,
}

/// `apns.fcm_options`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApnsOptions {
    /// The label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analytics_label: Option<String>,
    /// Instead of the message's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

impl Apns {
    /// Sets a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }

    /// Sets the payload; anything but an object sets an empty one.
    #[must_use]
    pub fn payload(mut self, payload: Value) -> Self {
        self.payload = match payload {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        self
    }

    /// Sets where APNs finds the Live Activity.
    #[must_use]
    pub fn live_activity(mut self, address: LiveActivityToken) -> Self {
        self.live_activity_token = Some(address);
        self
    }
}
