//! What a Live Activity says, as it is written and stored.

use super::channel::NewChannel;
use crate::environment::TokenEnvironment;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The body of `PUT /v1/apps/{app}/live-activities/{id}`. Times are RFC 3339, or hang on each other:
/// `"ends_at - 15m"`. In attributes and states `{"$date": "…"}` is a date.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivityRequest {
    /// Whose phones show it.
    pub recipient: Recipient,
    /// The name of the app's attributes type.
    pub attributes_type: String,
    /// What never changes.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub attributes: Map<String, Value>,
    /// What it shows when it starts.
    pub content_state: Map<String, Value>,
    /// How its start calls attention; required where it is started by push.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<ActivityAlert>,
    /// Who starts it.
    #[serde(default)]
    pub start: StartBy,
    /// When it starts; default: when it is declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<Value>,
    /// When it ends; without, when it is told to, by silence, or before the system ends it after 8 hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Value>,
    /// How long after `ends_at` its content counts as outdated; without `ends_at`, after each push.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_after: Option<String>,
    /// What changes when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<PhaseRequest>,
    /// How it ends.
    #[serde(default, skip_serializing_if = "EndRequest::is_default")]
    pub end: EndRequest,
    /// It ends by itself when nobody said anything about it for so long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_silence: Option<String>,
    /// Its place among the app's activities, 0 to 100: the system shows the highest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relevance: Option<f64>,
    /// Whether the app asks for frequent updates (`NSSupportsLiveActivitiesFrequentUpdates`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub frequent: bool,
    /// Whether the recipient's Android phones show it too: their app has code for that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub android: bool,
    /// Values of the variables of the templates that alerts and states name.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub data: Map<String, Value>,
}

/// Whose phones show a Live Activity: exactly one of the keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Recipient {
    /// All phones of a user.
    User(String),
    /// One phone, by the caller's id.
    Device(String),
    /// Everybody who subscribed to a broadcast channel.
    Channel(String),
    /// The same, of a channel that is made for it and deleted after it.
    NewChannel(NewChannel),
    /// The phone with this update token.
    PushToken(UpdateToken),
}

/// An update token that the caller has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateToken {
    /// The token, in hexadecimal.
    #[serde(rename = "token")]
    pub push_token: String,
    /// Where it is valid; default: Carillon finds out.
    #[serde(default)]
    pub environment: TokenEnvironment,
    /// The registration token of the app at Firebase, where pushes are to go through FCM: then Google knows the environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fcm_token: Option<String>,
}

/// Who starts a Live Activity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartBy {
    /// Carillon, by a push to the phones' push-to-start tokens.
    #[default]
    Push,
    /// The app itself; Carillon carries what the app tells of.
    App,
}

/// How a start, an update or an end calls attention.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivityAlert {
    /// The first line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// The text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// A sound of the app, or `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sound: Option<String>,
    /// The name of a template that says all of it, in each reader's language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
}

/// A moment at which something changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhaseRequest {
    /// Its name, unique in the activity. A phase keeps its name when its time moves.
    pub name: String,
    /// When.
    pub at: Value,
    /// What changes; merged over what is shown (RFC 7386).
    #[serde(default)]
    pub content_state: Map<String, Value>,
    /// `true`: `content_state` is the whole state from then on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replace: bool,
    /// Calls attention.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<ActivityAlert>,
    /// How urgently.
    #[serde(default, skip_serializing_if = "PhasePriority::is_auto")]
    pub priority: PhasePriority,
}

/// How urgently a phase is pushed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhasePriority {
    /// At once (APNs 10), within the hour's budget.
    #[default]
    Auto,
    /// The same, said aloud.
    High,
    /// When it suits the phone (APNs 5). An alert is pushed at once all the same.
    Low,
}

impl PhasePriority {
    fn is_auto(&self) -> bool {
        *self == Self::Auto
    }
}

/// How a Live Activity ends: in its plan, and the body of `POST …/end`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndRequest {
    /// The last change, merged over what is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_state: Option<Map<String, Value>>,
    /// How long after its end it leaves the lock screen: at most 4 hours, which is also what the system does unasked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dismiss_after: Option<String>,
    /// Calls attention.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<ActivityAlert>,
}

impl EndRequest {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The body of `PATCH /v1/apps/{app}/live-activities/{id}`: each field that is there replaces the former one as a
/// whole, except `content_state`, which is merged over what is shown now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ActivityChange {
    /// Merged over what is shown, now.
    pub content_state: Option<Map<String, Value>>,
    /// Calls attention to that change.
    pub alert: Option<ActivityAlert>,
    /// When it starts.
    pub starts_at: Option<Value>,
    /// When it ends.
    pub ends_at: Option<Value>,
    /// How long after its end it is outdated.
    pub stale_after: Option<String>,
    /// What changes when: all phases.
    pub phases: Option<Vec<PhaseRequest>>,
    /// How it ends.
    pub end: Option<EndRequest>,
    /// It ends by itself when nobody said anything for so long.
    pub on_silence: Option<String>,
    /// Its place among the app's activities.
    pub relevance: Option<f64>,
    /// Values of the templates' variables: all of them.
    pub data: Option<Map<String, Value>>,
}

impl ActivityChange {
    /// Makes the changes of the plan. An update of the state, and its alert, are not part of the plan.
    pub fn apply(&self, to: &mut ActivityRequest) {
        if self.starts_at.is_some() {
            to.starts_at.clone_from(&self.starts_at);
        }
        if self.ends_at.is_some() {
            to.ends_at.clone_from(&self.ends_at);
        }
        if self.stale_after.is_some() {
            to.stale_after.clone_from(&self.stale_after);
        }
        if let Some(phases) = &self.phases {
            to.phases.clone_from(phases);
        }
        if let Some(end) = &self.end {
            to.end.clone_from(end);
        }
        if self.on_silence.is_some() {
            to.on_silence.clone_from(&self.on_silence);
        }
        if self.relevance.is_some() {
            to.relevance = self.relevance;
        }
        if let Some(data) = &self.data {
            to.data.clone_from(data);
        }
    }
}
