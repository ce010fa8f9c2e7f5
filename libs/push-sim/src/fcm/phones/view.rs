//! What the owner of a phone behind Google sees, for reading.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::installation::{Installation, Shown};
use super::order::Platform;
use crate::phone::Effect;

/// A phone with its app.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FcmPhoneView {
    /// Number of the phone.
    pub id: u32,
    /// Google's project id.
    pub project: String,
    /// Package name of the app.
    pub app: String,
    /// What it runs on.
    pub platform: Platform,
    /// Current registration token.
    pub registration_token: String,
    /// Installation id.
    pub fid: String,
    /// Reachable.
    pub online: bool,
    /// Sleeps deeply.
    pub doze: bool,
    /// The app is open.
    pub foreground: bool,
    /// Stopped by force.
    pub force_stopped: bool,
    /// False after removal.
    pub installed: bool,
    /// The user lets it show notifications.
    pub notifications: bool,
    /// Topics it follows.
    pub topics: BTreeSet<String>,
    /// What waits for it, oldest first.
    pub stored: Vec<StoredView>,
    /// Newest entries of what it showed or was handed, oldest first.
    pub shown: Vec<FcmShownView>,
    /// How often each effect happened, since the phone was made.
    pub effects: BTreeMap<Effect, u32>,
    /// How often the app was told that messages were deleted (`onDeletedMessages`).
    pub deleted_messages: u32,
}

/// A message that waits for a phone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoredView {
    /// Sequence number of the received request.
    pub record: u64,
    /// `name` that Google answered.
    pub name: String,
    /// What it collapses with.
    pub collapse_key: Option<String>,
    /// Kept until then, Unix milliseconds by the simulator's clock.
    pub until_ms: i64,
}

/// One entry on the screen (`shown`, `replaced`), or a message handed to the app (`woken`).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FcmShownView {
    /// Sequence number of the received request.
    pub record: u64,
    /// `name` that Google answered.
    pub name: String,
    /// When, by the simulator's clock, Unix milliseconds.
    pub at_ms: i64,
    /// What kind of thing it was.
    pub effect: Effect,
    /// How often the same entry was shown (1, more with a tag).
    pub times: u32,
    /// Title on the screen.
    pub title: Option<String>,
    /// Text on the screen.
    pub body: Option<String>,
    /// What replaces it.
    pub tag: Option<String>,
    /// Everything there was to show; `null` for data only.
    pub notification: Value,
    /// `data`: for the app at once, or with the tap on the notification.
    pub data: BTreeMap<String, String>,
}

impl Installation {
    pub(super) fn view(&self, id: u32) -> FcmPhoneView {
        let stored = self.store.iter().map(|push| StoredView {
            record: push.record,
            name: push.name.to_string(),
            collapse_key: push.content.collapse.clone(),
            until_ms: push.at_ms + push.content.ttl_ms,
        });
        FcmPhoneView {
            id,
            project: self.project.to_string(),
            app: self.app.to_string(),
            platform: self.platform,
            registration_token: self.registration_token.to_string(),
            fid: self.fid.to_string(),
            online: self.online,
            doze: self.doze,
            foreground: self.foreground,
            force_stopped: self.force_stopped,
            installed: self.installed,
            notifications: self.notifications,
            topics: self.topics.clone(),
            stored: stored.collect(),
            shown: self.shown.iter().map(Shown::view).collect(),
            effects: self.effects.iter().copied().collect(),
            deleted_messages: self.deleted_messages,
        }
    }
}

impl Shown {
    fn view(&self) -> FcmShownView {
        let content = &self.push.content;
        FcmShownView {
            record: self.push.record,
            name: self.push.name.to_string(),
            at_ms: self.shown_at_ms,
            effect: self.effect,
            times: self.times,
            title: content.title.clone(),
            body: content.body.clone(),
            tag: content.tag.clone(),
            notification: content
                .notification
                .clone()
                .map_or(Value::Null, Value::Object),
            data: content.data.clone(),
        }
    }
}
