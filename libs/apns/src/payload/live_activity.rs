//! The bodies of Live Activity pushes: start, update, end.
//!
//! Times are Unix **seconds**. `content_state` and `attributes` must decode into the app's own types with Swift's default JSON
//! decoder, whose dates are seconds since 2001-01-01.
//! Source: Apple, *Starting and updating Live Activities with ActivityKit push notifications*.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::problem::PayloadError;
use super::sound::Sound;
use super::{Payload, flag};
use crate::broadcast::ChannelId;
use crate::push_type::PushType;

/// A text of a Live Activity's alert: plain, or a key of the app's strings file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Text {
    /// As it stands.
    Plain(String),
    /// From the app's strings file.
    Localized {
        /// The key there.
        #[serde(rename = "loc-key")]
        loc_key: String,
        /// What fills its `%@`, in order.
        #[serde(rename = "loc-args", default, skip_serializing_if = "Vec::is_empty")]
        loc_args: Vec<String>,
    },
}

/// How a Live Activity's start or update calls attention. Unlike in an alert push the sound stands inside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LiveActivityAlert {
    /// The first line.
    pub title: Text,
    /// The text.
    pub body: Text,
    /// What is heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sound: Option<Sound>,
}

/// Starts an activity; sent to a push-to-start token (iOS 17.2).
///
/// APNs answers 200 to a start without an alert too, and nothing starts: here the alert is not optional.
///
/// ```
/// use apns::payload::{LiveActivityAlert, LiveActivityStart};
/// use serde_json::json;
/// let payload = LiveActivityStart::new(
///     1_700_000_100,
///     "IncidentAttributes",
///     json!({"service": "db-3"}),
///     json!({"state": "down", "since": 1_700_000_010}),
///     LiveActivityAlert::new("db-3 down", "Tap to follow").sound("default"),
/// )
/// .ask_for_update_token()
/// .to_payload()?;
/// assert_eq!(payload.push_type(), apns::PushType::LiveActivity);
/// # Ok::<(), apns::PayloadError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LiveActivityStart {
    /// When this was sent, in Unix seconds.
    pub timestamp: u64,
    /// The name of the app's attributes type.
    pub attributes_type: String,
    /// What never changes; an object.
    pub attributes: Value,
    /// What does; an object.
    pub content_state: Value,
    /// What calls attention.
    pub alert: LiveActivityAlert,
    /// From when on the content counts as outdated, in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_date: Option<u64>,
    /// The order among the app's activities; any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relevance_score: Option<f64>,
    /// Asks the app for an update token (iOS 18).
    #[serde(default, with = "flag", skip_serializing_if = "flag::is_off")]
    pub input_push_token: bool,
    /// Subscribes the activity to a channel (iOS 18; on older systems it does **not** start).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_push_channel: Option<ChannelId>,
}

/// Changes an activity; sent to its update token or to a channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LiveActivityUpdate {
    /// When this was sent, in Unix seconds. The device shows the newest and APNs may reorder, so let it rise strictly.
    pub timestamp: u64,
    /// The new content; an object.
    pub content_state: Value,
    /// Calls attention, if wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<LiveActivityAlert>,
    /// From when on the content counts as outdated; push it forward with each update, and a lost connection shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_date: Option<u64>,
    /// The order among the app's activities; any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relevance_score: Option<f64>,
}

/// Ends an activity; later pushes to it are ignored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LiveActivityEnd {
    /// When this was sent, in Unix seconds.
    pub timestamp: u64,
    /// The last content, which stays to be seen; an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_state: Option<Value>,
    /// When it leaves the Lock Screen, in Unix seconds: at most 4 hours later whatever is said here; the past means now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dismissal_date: Option<u64>,
    /// Calls attention, if wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<LiveActivityAlert>,
}

/// What stands under `aps` of a Live Activity push.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum LiveActivityEvent {
    /// See [`LiveActivityStart`].
    Start(LiveActivityStart),
    /// See [`LiveActivityUpdate`].
    Update(LiveActivityUpdate),
    /// See [`LiveActivityEnd`].
    End(LiveActivityEnd),
}

/// The body of a Live Activity push.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LiveActivityPayload {
    /// What happens.
    pub aps: LiveActivityEvent,
}

// === impl LiveActivityAlert ===

impl LiveActivityAlert {
    /// An alert with title and body.
    pub fn new(title: impl Into<Text>, body: impl Into<Text>) -> Self {
        Self {
            title: title.into(),
            body: body.into(),
            sound: None,
        }
    }

    /// Sets the sound.
    #[must_use]
    pub fn sound(mut self, sound: impl Into<Sound>) -> Self {
        self.sound = Some(sound.into());
        self
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::Plain(text.to_owned())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::Plain(text)
    }
}

// === impl LiveActivityStart ===

impl LiveActivityStart {
    /// A start with all that must be there.
    pub fn new(
        timestamp: u64,
        attributes_type: impl Into<String>,
        attributes: Value,
        content_state: Value,
        alert: LiveActivityAlert,
    ) -> Self {
        Self {
            timestamp,
            attributes_type: attributes_type.into(),
            attributes,
            content_state,
            alert,
            stale_date: None,
            relevance_score: None,
            input_push_token: false,
            input_push_channel: None,
        }
    }

    /// Asks the app for an update token.
    #[must_use]
    pub fn ask_for_update_token(mut self) -> Self {
        self.input_push_token = true;
        self
    }

    /// Subscribes the activity to a channel.
    #[must_use]
    pub fn subscribe(mut self, channel: ChannelId) -> Self {
        self.input_push_channel = Some(channel);
        self
    }

    /// Sets from when on the content counts as outdated.
    #[must_use]
    pub fn stale_date(mut self, unix_secs: u64) -> Self {
        self.stale_date = Some(unix_secs);
        self
    }

    /// Sets the order among the app's activities.
    #[must_use]
    pub fn relevance_score(mut self, score: f64) -> Self {
        self.relevance_score = Some(score);
        self
    }

    /// Writes and checks it.
    ///
    /// # Errors
    /// With every rule it breaks.
    pub fn to_payload(self) -> Result<Payload, PayloadError> {
        LiveActivityPayload::from(LiveActivityEvent::Start(self)).to_payload()
    }
}

// === impl LiveActivityUpdate ===

impl LiveActivityUpdate {
    /// An update with new content.
    pub fn new(timestamp: u64, content_state: Value) -> Self {
        Self {
            timestamp,
            content_state,
            alert: None,
            stale_date: None,
            relevance_score: None,
        }
    }

    /// Calls attention to it.
    #[must_use]
    pub fn alert(mut self, alert: LiveActivityAlert) -> Self {
        self.alert = Some(alert);
        self
    }

    /// Sets from when on the content counts as outdated.
    #[must_use]
    pub fn stale_date(mut self, unix_secs: u64) -> Self {
        self.stale_date = Some(unix_secs);
        self
    }

    /// Sets the order among the app's activities.
    #[must_use]
    pub fn relevance_score(mut self, score: f64) -> Self {
        self.relevance_score = Some(score);
        self
    }

    /// Writes and checks it.
    ///
    /// # Errors
    /// With every rule it breaks.
    pub fn to_payload(self) -> Result<Payload, PayloadError> {
        LiveActivityPayload::from(LiveActivityEvent::Update(self)).to_payload()
    }
}

// === impl LiveActivityEnd ===

impl LiveActivityEnd {
    /// An end that leaves the content as it is.
    pub fn new(timestamp: u64) -> Self {
        Self {
            timestamp,
            content_state: None,
            dismissal_date: None,
            alert: None,
        }
    }

    /// Sets the last content.
    #[must_use]
    pub fn content_state(mut self, content_state: Value) -> Self {
        self.content_state = Some(content_state);
        self
    }

    /// Sets when it leaves the Lock Screen.
    #[must_use]
    pub fn dismissal_date(mut self, unix_secs: u64) -> Self {
        self.dismissal_date = Some(unix_secs);
        self
    }

    /// Calls attention to it.
    #[must_use]
    pub fn alert(mut self, alert: LiveActivityAlert) -> Self {
        self.alert = Some(alert);
        self
    }

    /// Writes and checks it.
    ///
    /// # Errors
    /// With every rule it breaks.
    pub fn to_payload(self) -> Result<Payload, PayloadError> {
        LiveActivityPayload::from(LiveActivityEvent::End(self)).to_payload()
    }
}

// === impl LiveActivityPayload ===

impl LiveActivityPayload {
    /// Writes and checks it.
    ///
    /// # Errors
    /// With every rule it breaks.
    pub fn to_payload(&self) -> Result<Payload, PayloadError> {
        Payload::of(PushType::LiveActivity, self)
    }
}

impl From<LiveActivityEvent> for LiveActivityPayload {
    fn from(aps: LiveActivityEvent) -> Self {
        Self { aps }
    }
}
