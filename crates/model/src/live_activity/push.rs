//! One push of a Live Activity, and its payload in Apple's words.

use super::plan::Plan;
use super::request::ActivityAlert;
use crate::notification::Priority;
use serde_json::{Value, json};

/// What a push does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushKind {
    /// Starts the activity, by push-to-start tokens.
    Start,
    /// Changes it.
    Update,
    /// Ends it.
    End,
}

/// One push, the same for all phones that get it.
#[derive(Clone, Debug, PartialEq)]
pub struct ActivityPush {
    /// What it does.
    pub kind: PushKind,
    /// The phones that get it; empty where it goes to a channel.
    pub phones: Vec<i64>,
    /// What is shown from then on.
    pub content_state: Value,
    /// Calls attention.
    pub alert: Option<ActivityAlert>,
    /// How urgently.
    pub priority: Priority,
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
        kind: PushKind,
        content_state: Value,
        alert: Option<ActivityAlert>,
    ) -> Self {
        Self {
            kind,
            phones: Vec::new(),
            content_state,
            alert,
            priority: Priority::High,
            timestamp: 1_700_000_000,
            stale_date: (kind != PushKind::End).then_some(1_700_000_000),
            dismissal_date: (kind == PushKind::End).then_some(1_700_000_000),
        }
    }

    /// The payload.
    #[must_use]
    pub fn payload(&self, plan: &Plan) -> Value {
        let mut aps = json!({
            "timestamp": self.timestamp,
            "event": match self.kind {
                PushKind::Start => "start",
                PushKind::Update => "update",
                PushKind::End => "end",
            },
            "content-state": self.content_state,
        });
        if self.kind == PushKind::Start {
            aps["attributes-type"] = json!(plan.attributes_type);
            aps["attributes"] = plan.attributes.clone();
            // Else the phone tells nobody the token by which the activity is updated (iOS 18).
            aps["input-push-token"] = json!(1);
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
        if let Some(relevance) = plan.relevance
            && self.kind != PushKind::End
        {
            aps["relevance-score"] = json!(relevance);
        }
        json!({"aps": aps})
    }
}
