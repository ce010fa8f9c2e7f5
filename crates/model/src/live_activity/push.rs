//! One push of a Live Activity, and its payload in Apple's words.

use super::plan::Plan;
use super::request::ActivityAlert;
use crate::notification::Priority;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What a push does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PushKind {
    /// Starts the activity, by push-to-start tokens.
    Start,
    /// Changes it.
    Update,
    /// Ends it.
    End,
}

/// One push, the same for all phones that get it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActivityPush {
    /// What it does.
    pub kind: PushKind,
    /// The phones that get it; empty where it goes to a channel.
    pub phones: Vec<i64>,
    /// Of a start: the channel that tells the phones of what comes after, in the place of update tokens.
    pub channel: Option<String>,
    /// What is shown from then on.
    pub content_state: Value,
    /// Calls attention.
    pub alert: Option<ActivityAlert>,
    /// How urgently.
    pub priority: Priority,
    /// It would have been pushed at once, if the budget of the hour were not spent.
    pub is_beyond_budget: bool,
    /// Unix seconds; rises strictly in one activity.
    pub timestamp: i64,
    /// When its content is outdated, in Unix seconds.
    pub stale_date: Option<i64>,
    /// When it leaves the lock screen, in Unix seconds.
    pub dismissal_date: Option<i64>,
}

impl ActivityPush {
    /// As large as such a push gets.
    pub(super) fn example(
        plan: &Plan,
        kind: PushKind,
        content_state: Value,
        alert: Option<ActivityAlert>,
    ) -> Self {
        Self {
            kind,
            phones: Vec::new(),
            // Its id is not known before it is made; those that Apple issues have 24 characters.
            channel: plan.new_channel().map(|_| "=".repeat(32)),
            content_state,
            alert,
            priority: Priority::High,
            is_beyond_budget: false,
            timestamp: 1_700_000_000,
            stale_date: (kind != PushKind::End).then_some(1_700_000_000),
            dismissal_date: (kind == PushKind::End).then_some(1_700_000_000),
        }
    }

    /// The payload.
    #[must_use]
    pub fn payload(&self, plan: &Plan) -> Value {
        self.payload_of(&plan.attributes_type, &plan.attributes, plan.relevance)
    }

    pub(super) fn payload_of(
        &self,
        attributes_type: &str,
        attributes: &Value,
        relevance: Option<f64>,
    ) -> Value {
        let mut aps = json!({
            "timestamp": self.timestamp,
            "event": self.kind.as_str(),
            "content-state": self.content_state,
        });
        if self.kind == PushKind::Start {
            aps["attributes-type"] = json!(attributes_type);
            aps["attributes"] = attributes.clone();
            match &self.channel {
                Some(channel) => aps["input-push-channel"] = json!(channel),
                // Else the phone tells nobody the token by which the activity is updated (iOS 18).
                None => aps["input-push-token"] = json!(1),
            }
        }
        if let Some(alert) = &self.alert {
            aps["alert"] = json!({"title": alert.title, "body": alert.body});
            if let Some(sound) = &alert.sound {
                aps["alert"]["sound"] = json!(sound);
            }
        }
        if let Some(date) = self.stale_date {
            aps["stale-date"] = json!(date);
        }
        if let Some(date) = self.dismissal_date {
            aps["dismissal-date"] = json!(date);
        }
        if let Some(relevance) = relevance
            && self.kind != PushKind::End
        {
            aps["relevance-score"] = json!(relevance);
        }
        json!({"aps": aps})
    }
}
