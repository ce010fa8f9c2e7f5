//! The typed form of a message.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::android::Android;
use super::apns::Apns;
use super::notification::{Notification, Options};
use super::problem::MessageError;
use super::webpush::Webpush;
use super::{DataRule, Message};

/// A message in typed parts. What is not set is not written; a key that it does not know is not read but an error, as it is
/// for FCM.
///
/// ```
/// use std::time::Duration;
/// use fcm::Ttl;
/// use fcm::message::{Android, AndroidPriority, Content, Notification};
/// let message = Content::new()
///     .notification(Notification::new("db-3 down", "no heartbeat for 90 s"))
///     .data("incident", "4711")
///     .android(Android {
///         priority: Some(AndroidPriority::High),
///         ttl: Some(Ttl::new(Duration::from_secs(3600))?),
///         collapse_key: Some("db-3".to_owned()),
///         ..Android::default()
///     })
///     .to_message()?;
/// assert_eq!(message.counted_bytes(), Some(42));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Content {
    /// For the app. Keys must not be FCM's own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub data: BTreeMap<String, String>,
    /// What is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notification: Option<Notification>,
    /// For Android.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub android: Option<Android>,
    /// For browsers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webpush: Option<Webpush>,
    /// For Apple's devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apns: Option<Apns>,
    /// The label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fcm_options: Option<Options>,
}

impl Content {
    /// With nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value for the app.
    #[must_use]
    pub fn data(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.data.insert(name.into(), value.into());
        self
    }

    /// Sets what is shown.
    #[must_use]
    pub fn notification(mut self, notification: Notification) -> Self {
        self.notification = Some(notification);
        self
    }

    /// Sets the part for Android.
    #[must_use]
    pub fn android(mut self, android: Android) -> Self {
        self.android = Some(android);
        self
    }

    /// Sets the part for browsers.
    #[must_use]
    pub fn webpush(mut self, webpush: Webpush) -> Self {
        self.webpush = Some(webpush);
        self
    }

    /// Sets the part for Apple's devices.
    #[must_use]
    pub fn apns(mut self, apns: Apns) -> Self {
        self.apns = Some(apns);
        self
    }

    /// Sets the label for analytics.
    #[must_use]
    pub fn analytics_label(mut self, label: impl Into<String>) -> Self {
        self.fcm_options = Some(Options::label(label));
        self
    }

    /// Writes and checks it.
    ///
    /// # Errors
    /// With every rule it breaks, its size included.
    pub fn to_message(&self) -> Result<Message, MessageError> {
        // Our own types have string keys and no fallible `Serialize`, so writing to memory cannot fail; an empty text,
        // which the check refuses, would be the answer if it did.
        let json = serde_json::to_vec(self).unwrap_or_default();
        Message::raw(json, DataRule::Refuse)
    }
}
