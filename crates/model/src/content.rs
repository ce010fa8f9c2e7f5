//! What a notification says: a portable part that renders for every gateway, and raw overrides that
//! win field by field.

use crate::lane::Gateway;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Content as the caller wrote it. Rendering and the gateways' own rules are in `gateways`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Content {
    /// Title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Second line of the title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subtitle: Option<String>,
    /// Number on the app's icon; 0 clears it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub badge: Option<u32>,
    /// Sound: `default` or a file of the app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sound: Option<String>,
    /// Address of a picture (https); the app's extension fetches it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// What a tap opens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// The app's own data: a JSON object whose keys stand beside `aps`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<RawValue>>,
    /// Groups notifications on the device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// Set of actions that the app has registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// How much it may interrupt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub urgency: Option<Urgency>,
    /// Raw APNs payload: a JSON object. Alone it is sent byte for byte; beside portable fields its
    /// keys win (those of `aps` one by one).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apns: Option<Box<RawValue>>,
    /// Raw parts of FCM's message (`android`, `apns`, `webpush`, `data`, `notification`,
    /// `fcm_options`): a JSON object whose keys win, those of its objects one by one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fcm: Option<Box<RawValue>>,
    /// Raw message for browsers: a JSON object whose keys win, those of `notification` one by one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webpush: Option<Box<RawValue>>,
}

impl Content {
    /// Whether for Apple only the raw APNs payload is given.
    #[must_use]
    pub fn is_raw_apns(&self) -> bool {
        self.apns.is_some() && !self.has_portable()
    }

    /// The gateways that it is written for when it has raw parts and nothing portable; `None`: all.
    #[must_use]
    pub fn raw_gateways(&self) -> Option<Vec<Gateway>> {
        if self.has_portable() {
            return None;
        }
        let raw = [
            (Gateway::Apns, self.apns.is_some()),
            (Gateway::Fcm, self.fcm.is_some()),
            (Gateway::WebPush, self.webpush.is_some()),
        ];
        let given: Vec<_> = raw
            .into_iter()
            .filter_map(|(gateway, is_given)| is_given.then_some(gateway))
            .collect();
        (!given.is_empty()).then_some(given)
    }

    /// Whether any portable field is given.
    #[must_use]
    pub fn has_portable(&self) -> bool {
        self.title.is_some()
            || self.body.is_some()
            || self.subtitle.is_some()
            || self.badge.is_some()
            || self.sound.is_some()
            || self.image.is_some()
            || self.link.is_some()
            || self.data.is_some()
            || self.thread.is_some()
            || self.category.is_some()
            || self.urgency.is_some()
    }
}

/// How much a notification may interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Urgency {
    /// Listed, nothing lights up.
    Passive,
    /// The usual.
    Active,
    /// Breaks through a Focus (the app needs the capability).
    TimeSensitive,
    /// Breaks through silence (the app needs Apple's permission).
    Critical,
}
