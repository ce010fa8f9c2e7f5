//! `webpush`: how FCM delivers to browsers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// `webpush`. What is not set is not written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Webpush {
    /// Web push headers: `TTL` in seconds, `Urgency`, `Topic`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Replaces the message's data wholly.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub data: BTreeMap<String, String>,
    /// The options of the browser's `showNotification`, with `title` and `body` beside them.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub notification: Map<String, Value>,
    /// The link and the label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fcm_options: Option<WebpushOptions>,
}

/// `webpush.fcm_options`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebpushOptions {
    /// What a tap opens; `https` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// The label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analytics_label: Option<String>,
}
