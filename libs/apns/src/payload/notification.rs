//! The body of an `alert` push.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::alert::Alert;
use super::problem::PayloadError;
use super::sound::Sound;
use super::{Payload, flag, truncate};
use crate::push_type::PushType;

/// How much a notification may interrupt (iOS 15).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InterruptionLevel {
    /// Into the list, without lighting the screen or playing a sound.
    Passive,
    /// At once; what APNs takes if nothing is said.
    Active,
    /// Through Focus; needs the time-sensitive capability.
    TimeSensitive,
    /// Through Focus and the mute switch; needs the critical alerts entitlement.
    Critical,
}

/// What stands under `aps` in an `alert` push. Keys that are not set are not written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Aps {
    /// What is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert: Option<Alert>,
    /// The number on the app's icon; 0 removes it, `None` leaves it alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub badge: Option<u32>,
    /// What is heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sound: Option<Sound>,
    /// Notifications with the same id are shown as a group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread_id: Option<String>,
    /// A set of buttons the app has registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Also wakes the app.
    #[serde(with = "flag", skip_serializing_if = "flag::is_off")]
    pub content_available: bool,
    /// Runs the app's service extension, which may decrypt or change the alert.
    #[serde(with = "flag", skip_serializing_if = "flag::is_off")]
    pub mutable_content: bool,
    /// The window or scene to bring forward.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_content_id: Option<String>,
    /// How much it may interrupt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interruption_level: Option<InterruptionLevel>,
    /// 0.0 to 1.0: its place in the summary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relevance_score: Option<f64>,
    /// What a Focus filter of the app compares.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter_criteria: Option<String>,
}

/// The body of an `alert` push: Apple's keys under `aps`, your own beside it.
///
/// ```
/// use apns::payload::{Alert, AlertPayload, InterruptionLevel};
/// let payload = AlertPayload::new(Alert::new("db-3 down").body("no heartbeat for 90 s"))
///     .sound("default")
///     .thread_id("db")
///     .interruption_level(InterruptionLevel::TimeSensitive)
///     .custom("incident", 4711)
///     .to_payload()?;
/// assert!(payload.body().starts_with(br#"{"aps":{"alert":{"title":"db-3 down""#));
/// # Ok::<(), apns::PayloadError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AlertPayload {
    /// Apple's keys.
    #[serde(default)]
    pub aps: Aps,
    /// Your keys.
    #[serde(flatten)]
    pub custom: Map<String, Value>,
}

// === impl AlertPayload ===

impl AlertPayload {
    /// Begins with what is shown: an [`Alert`], or a text for its body.
    pub fn new(alert: impl Into<Alert>) -> Self {
        Self::from(Aps {
            alert: Some(alert.into()),
            ..Aps::default()
        })
    }

    /// Sets the badge without showing anything; 0 removes it.
    pub fn badge_only(badge: u32) -> Self {
        Self::from(Aps {
            badge: Some(badge),
            ..Aps::default()
        })
    }

    /// Sets the badge.
    #[must_use]
    pub fn badge(mut self, badge: u32) -> Self {
        self.aps.badge = Some(badge);
        self
    }

    /// Sets the sound.
    #[must_use]
    pub fn sound(mut self, sound: impl Into<Sound>) -> Self {
        self.aps.sound = Some(sound.into());
        self
    }

    /// Groups it with others.
    #[must_use]
    pub fn thread_id(mut self, thread_id: impl Into<String>) -> Self {
        self.aps.thread_id = Some(thread_id.into());
        self
    }

    /// Gives it buttons.
    #[must_use]
    pub fn category(mut self, category: impl Into<String>) -> Self {
        self.aps.category = Some(category.into());
        self
    }

    /// Also wakes the app.
    #[must_use]
    pub fn content_available(mut self) -> Self {
        self.aps.content_available = true;
        self
    }

    /// Runs the service extension.
    #[must_use]
    pub fn mutable_content(mut self) -> Self {
        self.aps.mutable_content = true;
        self
    }

    /// Names the window to bring forward.
    #[must_use]
    pub fn target_content_id(mut self, id: impl Into<String>) -> Self {
        self.aps.target_content_id = Some(id.into());
        self
    }

    /// Sets how much it may interrupt.
    #[must_use]
    pub fn interruption_level(mut self, level: InterruptionLevel) -> Self {
        self.aps.interruption_level = Some(level);
        self
    }

    /// Sets its place in the summary, 0.0 to 1.0.
    #[must_use]
    pub fn relevance_score(mut self, score: f64) -> Self {
        self.aps.relevance_score = Some(score);
        self
    }

    /// Sets what a Focus filter compares.
    #[must_use]
    pub fn filter_criteria(mut self, criteria: impl Into<String>) -> Self {
        self.aps.filter_criteria = Some(criteria.into());
        self
    }

    /// Adds a key of your own beside `aps`.
    #[must_use]
    pub fn custom(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.custom.insert(key.into(), value.into());
        self
    }

    /// Writes and checks it.
    ///
    /// # Errors
    /// With every rule it breaks, its size included.
    pub fn to_payload(&self) -> Result<Payload, PayloadError> {
        Payload::of(PushType::Alert, self)
    }

    /// As [`to_payload`](Self::to_payload), but if it is too large the alert's body is cut and ends in `…`: at a
    /// character's border, so that the whole is just within the limit. Only `alert.body` is cut.
    ///
    /// ```
    /// use apns::payload::{Alert, AlertPayload};
    /// let long = AlertPayload::new(Alert::new("log").body("é".repeat(4000)));
    /// assert!(long.to_payload().is_err());
    /// let cut = long.to_payload_cut_to_fit()?;
    /// assert!(cut.body().len() <= 4096 && cut.body().len() > 4090);
    /// # Ok::<(), apns::PayloadError>(())
    /// ```
    ///
    /// # Errors
    /// As [`to_payload`](Self::to_payload): also if it is too large even without a body.
    pub fn to_payload_cut_to_fit(&self) -> Result<Payload, PayloadError> {
        let limit = PushType::Alert.max_body_bytes();
        let bytes = super::json(self).len();
        let body = self
            .aps
            .alert
            .as_ref()
            .and_then(|alert| alert.body.as_deref());
        let (Some(body), true) = (body, bytes > limit) else {
            return self.to_payload();
        };
        let mut shorter = self.clone();
        if let Some(alert) = &mut shorter.aps.alert {
            alert.body = Some(truncate::by_json_bytes(body, bytes - limit));
        }
        shorter.to_payload()
    }
}

impl From<Aps> for AlertPayload {
    fn from(aps: Aps) -> Self {
        Self {
            aps,
            custom: Map::new(),
        }
    }
}
