//! What a phone's owner sees, for reading.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::answer::{AnswerView, PhoneAnswer};
use super::installation::{Effect, Installation, Shown};
use super::interruption::Interruption;
use super::{Moment, hex_tokens};
use crate::apns::push_type::PushTokenKind;
use crate::apns::request::encode_hex;
use crate::host::Environment;
use crate::live_activity::{Activity, ActivityState};

/// A phone as its owner sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PhoneView {
    /// Number of the phone.
    pub id: u32,
    /// Reachable.
    pub online: bool,
    /// Apps on it.
    pub apps: Vec<AppView>,
}

/// One app on a phone.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AppView {
    /// Bundle ID.
    pub app: String,
    /// Environment of the build.
    pub environment: Environment,
    /// False after removal.
    pub installed: bool,
    /// The user lets it show notifications.
    pub notifications: bool,
    /// It reports calls.
    pub reports_calls: bool,
    /// What it was built with, as it would tell its server.
    pub capabilities: Vec<String>,
    /// What it and the phone's owner do when something interrupts.
    pub answers: Vec<PhoneAnswer>,
    /// The newest requests that it made because of that, oldest first.
    pub answered: Vec<AnswerView>,
    /// Current push tokens in hexadecimal.
    pub push_tokens: BTreeMap<PushTokenKind, String>,
    /// `apns-id` of the notification kept for it while offline.
    pub stored_apns_id: Option<Uuid>,
    /// Newest entries of what it showed, oldest first.
    pub shown: Vec<ShownView>,
    /// How often each effect happened, since the phone was made.
    pub effects: BTreeMap<Effect, u32>,
    /// Its Live Activities, oldest first.
    pub activities: Vec<ActivityView>,
}

/// One entry on a phone's screen (or a call, or a wake-up).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShownView {
    /// Sequence number of the received request.
    pub record: u64,
    /// `apns-id`.
    pub apns_id: Uuid,
    /// `apns-collapse-id`.
    pub collapse_id: Option<String>,
    /// When, by the simulator's clock.
    pub at_ms: i64,
    /// What kind of thing it was.
    pub effect: Effect,
    /// How often the same entry was shown (1, more with a collapse id).
    pub times: u32,
    /// How far it interrupted the phone's owner; `None`: not at all.
    pub interruption: Option<Interruption>,
    /// Why the app was killed, where it was.
    pub because: Option<&'static str>,
    /// The payload, if it is JSON.
    pub payload: Value,
}

/// A Live Activity on a phone.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ActivityView {
    /// Swift type of the attributes.
    pub attributes_type: String,
    /// Static data.
    pub attributes: Value,
    /// What it shows.
    pub content_state: Value,
    /// How it looks now.
    pub state: ActivityState,
    /// Push token for updates, hexadecimal.
    pub update_token: Option<String>,
    /// Channel it follows.
    pub channel: Option<String>,
    /// Timestamp of the newest push applied.
    pub timestamp: i64,
    /// Pushes applied after the start.
    pub updates: u32,
    /// Pushes ignored.
    pub ignored: u32,
}

impl Installation {
    pub(super) fn view(&self, moment: Moment) -> AppView {
        AppView {
            app: self.bundle.to_string(),
            environment: self.environment,
            installed: self.installed,
            notifications: self.notifications,
            reports_calls: self.reports_calls,
            capabilities: self.capabilities.to_vec(),
            answers: self.answers.written(),
            answered: self.answered.iter().cloned().collect(),
            push_tokens: hex_tokens(&self.tokens),
            stored_apns_id: self.stored.as_ref().map(|stored| stored.0.apns_id),
            shown: self.shown.iter().map(Shown::view).collect(),
            effects: self.effects.iter().copied().collect(),
            activities: self
                .activities
                .iter()
                .map(|one| view_activity(one, moment))
                .collect(),
        }
    }
}

impl Shown {
    fn view(&self) -> ShownView {
        ShownView {
            record: self.record,
            apns_id: self.apns_id,
            collapse_id: self.collapse_id.as_deref().map(str::to_owned),
            at_ms: self.at_ms,
            effect: self.effect,
            times: self.times,
            interruption: self.interruption,
            because: self.because,
            payload: serde_json::from_slice(&self.payload).unwrap_or(Value::Null),
        }
    }
}

pub(super) fn view_activity(activity: &Activity, moment: Moment) -> ActivityView {
    ActivityView {
        attributes_type: activity.attributes_type.clone(),
        attributes: activity.attributes.clone(),
        content_state: activity.shown().content_state.clone(),
        state: activity.state(moment.secs()),
        update_token: activity.update_token.as_deref().map(encode_hex),
        channel: activity.channel.clone(),
        timestamp: activity.shown().timestamp,
        updates: activity.updates,
        ignored: activity.ignored,
    }
}
