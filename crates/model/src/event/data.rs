//! What stands in `data` of each kind of event: the shapes that receivers program against.
//!
//! Fields are added over time and never change their meaning. Nothing secret is in them: push tokens are told by their device,
//! webhook endpoints by their name and host.

use serde::{Deserialize, Serialize};

use crate::UnixMs;
use crate::environment::Environment;
use crate::monitor::{Fault, PageHow, Severity};
use crate::webhook::DisabledReason;

/// Data of `notification.completed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationCompleted {
    /// Ids (`ntf_…`) of notifications of which no delivery is open any more.
    pub notifications: Vec<String>,
}

/// Data of `device.retired`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRetired {
    /// The push tokens that died.
    pub entries: Vec<RetiredPushToken>,
}

/// One push token that its gateway declared dead. The device is not sent to until its app registers it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetiredPushToken {
    /// The delivery that was answered so.
    pub delivery: String,
    /// The device, by the caller's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Which of the device's push tokens: `alert`, `voip`, ….
    pub kind: String,
    /// The gateway's word for it, e.g. `Unregistered`.
    pub reason: String,
}

/// Data of `device.evicted`. The event's subject is the device that was deleted. It names no user: an event outlives his erasure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceEvicted {
    /// The device of the same user that came in its place.
    pub replaced_by: String,
    /// When it was last seen, in Unix milliseconds.
    pub last_seen_at: UnixMs,
}

/// Data of `environment.repaired`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentRepaired {
    /// The push tokens of which it was found out.
    pub entries: Vec<RepairedEnvironment>,
}

/// One push token whose environment was not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepairedEnvironment {
    /// The delivery by which it was found out.
    pub delivery: String,
    /// Where the push token lives.
    pub environment: Environment,
}

/// Data of `environment.flood`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentFlood {
    /// Where push tokens are refused.
    pub environment: Environment,
    /// How many were refused.
    pub refused: u32,
    /// Within which time, in milliseconds.
    pub within_ms: u64,
    /// What to do about it.
    pub mend: String,
}

/// Data of `credential.failing`. The event's subject is the credential's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialFailing {
    /// Where it is refused; missing where the gateway knows no environments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// The gateway's word for it.
    pub reason: String,
    /// What to do about it.
    pub mend: String,
}

/// Data of `credential.recovered`. The event's subject is the credential's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialRecovered {
    /// Where it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// What it was refused for.
    pub reason: String,
}

/// Data of `receipt.delivered` and `receipt.opened`. The event's subject is the notification's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipts {
    /// The notification (`ntf_…`).
    pub notification: String,
    /// Its deliveries (`dlv_…`) that receipts came for.
    pub deliveries: Vec<String>,
}

/// Data of `trigger.failed`: failures of one trigger, for one reason. The event's subject is the trigger's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriggerFailed {
    /// The trigger.
    pub trigger: String,
    /// Name of the caller's event that it matched, e.g. `comment.created`.
    pub event: String,
    /// Stable dotted code of the reason.
    pub code: String,
    /// The reason in words, from the first of them.
    pub message: String,
    /// How often since the last event of this kind.
    pub count: u64,
}

/// Data of `schedule.failed`. The event's subject is the schedule's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleFailed {
    /// The schedule.
    pub schedule: String,
    /// When it was due, in Unix milliseconds.
    pub due_at: UnixMs,
    /// Stable dotted code of the reason.
    pub code: String,
    /// The reason in words.
    pub message: String,
}

/// Data of `campaign.halted`. The event's subject is the campaign's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CampaignHalted {
    /// The campaign (`cmp_…`).
    pub campaign: String,
    /// Its name.
    pub name: String,
    /// Stable word: `failed`, `opted_out` or `nothing_ended`.
    pub reason: String,
    /// The same in words.
    pub message: String,
}

/// Data of the events of Live Activities. The event's subject is the same as `live_activity`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveActivityNews {
    /// The caller's id.
    pub live_activity: String,
    /// Where it is: `planned`, `starting`, `active`, `ended` or `cancelled`.
    pub state: String,
    /// Of `live_activity.ended`: `planned`, `asked`, `silence`, `limit` or `missed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Phones that show it, or were asked to.
    pub phones: usize,
    /// Phones of those that told no update token.
    pub waiting: usize,
    /// Of events about its channel: the channel's id, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// Of `live_activity.channel_trouble`: what is wrong, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Data of `live_activity.source_failed`. The event's subject is the source's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveActivitySourceFailed {
    /// The source.
    pub source: String,
    /// How often in a row it could not be read.
    pub failures: u32,
    /// Why the last time, in words.
    pub message: String,
}

/// Data of the events of incidents. The event's subject is the monitor's name. It names none of those who were paged: an
/// event outlives a user's erasure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentNews {
    /// The monitor's name.
    pub monitor: String,
    /// The incident's number among those of its monitor.
    pub incident: u32,
    /// How bad it is: `info`, `warning` or `critical`.
    pub severity: Severity,
    /// What was wrong when it was opened.
    pub fault: Fault,
    /// When it was opened, in Unix milliseconds.
    pub opened_at: UnixMs,
    /// Of `incident.acknowledged`, and of `incident.resolved` by a person: who, as the caller said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Of `incident.paged`: which step was taken, and whom it reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<PageNews>,
    /// Of `incident.resolved`: by what, `recovery`, `person` or `pause`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<String>,
    /// Of `incident.resolved`: how long it lasted, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasted_ms: Option<i64>,
}

/// A page, as it is told in `incident.paged`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageNews {
    /// How often paging had begun anew, after an acknowledgement that did not last.
    pub run: u16,
    /// Which time through the ladder, from 1.
    pub round: u16,
    /// Which step of the ladder, from 1.
    pub step: u16,
    /// How it pages at most: `alert`, `critical` or `ring`.
    pub how: PageHow,
    /// How many people it was for.
    pub people: usize,
    /// To how many devices it goes; 0: it reached nobody, and the next step is due at once.
    pub devices: usize,
}

/// Data of `timer.failed`. The event's subject is the same as `subject`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimerFailed {
    /// What was to happen: `send`, a notification at its time; `live_activity`, the next moment of one; `monitor`, one's
    /// next page or the like, which is tried on.
    pub kind: String,
    /// What it was about: the notification's id.
    pub subject: String,
    /// When it was to happen, in Unix milliseconds.
    pub due_at: UnixMs,
    /// How often it was tried.
    pub attempts: u16,
    /// Why the last try failed, in words.
    pub message: String,
}

/// Data of `webhook.disabled`. The event's subject is the endpoint's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookDisabled {
    /// The endpoint.
    pub name: String,
    /// Scheme and host of its URL; paths can be secret.
    pub origin: String,
    /// Why.
    pub reason: DisabledReason,
    /// Since when nothing it was sent was taken, in Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<UnixMs>,
    /// What came of the last attempt, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reads_back<T: Serialize + for<'a> Deserialize<'a> + PartialEq + std::fmt::Debug>(
        data: &T,
        expected: serde_json::Value,
    ) {
        assert_eq!(serde_json::to_value(data).unwrap(), expected);
        assert_eq!(&serde_json::from_value::<T>(expected).unwrap(), data);
    }

    /// What receivers see. A change here breaks them.
    #[test]
    fn shapes_are_held_still() {
        reads_back(
            &NotificationCompleted {
                notifications: vec!["ntf_1".into()],
            },
            json!({"notifications": ["ntf_1"]}),
        );
        let mut dead = RetiredPushToken {
            delivery: "dlv_1_0".into(),
            device: None,
            kind: "alert".into(),
            reason: "Unregistered".into(),
        };
        reads_back(
            &dead,
            json!({"delivery": "dlv_1_0", "kind": "alert", "reason": "Unregistered"}),
        );
        dead.device = Some("phone-1".into());
        reads_back(
            &DeviceRetired {
                entries: vec![dead],
            },
            json!({"entries": [{"delivery": "dlv_1_0", "device": "phone-1", "kind": "alert", "reason": "Unregistered"}]}),
        );
        reads_back(
            &DeviceEvicted {
                replaced_by: "phone-2".into(),
                last_seen_at: 1_785_585_600_123,
            },
            json!({"replaced_by": "phone-2", "last_seen_at": 1_785_585_600_123_i64}),
        );
        let entry = RepairedEnvironment {
            delivery: "dlv_1_0".into(),
            environment: Environment::Sandbox,
        };
        reads_back(
            &EnvironmentRepaired {
                entries: vec![entry],
            },
            json!({"entries": [{"delivery": "dlv_1_0", "environment": "sandbox"}]}),
        );
        reads_back(
            &EnvironmentFlood {
                environment: Environment::Production,
                refused: 50,
                within_ms: 60_000,
                mend: "look".into(),
            },
            json!({"environment": "production", "refused": 50, "within_ms": 60_000, "mend": "look"}),
        );
        reads_back(
            &CredentialFailing {
                environment: Some(Environment::Production),
                reason: "InvalidProviderToken".into(),
                mend: "x".into(),
            },
            json!({"environment": "production", "reason": "InvalidProviderToken", "mend": "x"}),
        );
        reads_back(
            &CredentialRecovered {
                environment: None,
                reason: "SENDER_ID_MISMATCH".into(),
            },
            json!({"reason": "SENDER_ID_MISMATCH"}),
        );
        reads_back(
            &Receipts {
                notification: "ntf_1".into(),
                deliveries: vec!["dlv_1_0".into()],
            },
            json!({"notification": "ntf_1", "deliveries": ["dlv_1_0"]}),
        );
        reads_back(
            &TriggerFailed {
                trigger: "comments".into(),
                event: "comment.created".into(),
                code: "template.variable_missing".into(),
                message: "no variable \"writer\"".into(),
                count: 3,
            },
            json!({"trigger": "comments", "event": "comment.created", "code": "template.variable_missing",
                   "message": "no variable \"writer\"", "count": 3}),
        );
        reads_back(
            &ScheduleFailed {
                schedule: "monday-news".into(),
                due_at: 1_785_585_600_123,
                code: "template.variable_missing".into(),
                message: "no variable \"name\"".into(),
            },
            json!({"schedule": "monday-news", "due_at": 1_785_585_600_123_i64,
                   "code": "template.variable_missing", "message": "no variable \"name\""}),
        );
        reads_back(
            &CampaignHalted {
                campaign: "cmp_1".into(),
                name: "spring".into(),
                reason: "failed".into(),
                message: "6 of the canary's 90".into(),
            },
            json!({"campaign": "cmp_1", "name": "spring", "reason": "failed", "message": "6 of the canary's 90"}),
        );
        reads_back(
            &TimerFailed {
                kind: "send".into(),
                subject: "ntf_1".into(),
                due_at: 1_785_585_600_123,
                attempts: 8,
                message: "unreadable body".into(),
            },
            json!({"kind": "send", "subject": "ntf_1", "due_at": 1_785_585_600_123_i64, "attempts": 8,
                   "message": "unreadable body"}),
        );
        reads_back(
            &WebhookDisabled {
                name: "billing".into(),
                origin: "https://hooks.example.net".into(),
                reason: DisabledReason::Failing,
                failing_since: Some(1_785_585_600_123),
                last_failure: Some("the receiver answered 500".into()),
            },
            json!({"name": "billing", "origin": "https://hooks.example.net", "reason": "failing",
                   "failing_since": 1_785_585_600_123_i64, "last_failure": "the receiver answered 500"}),
        );
    }
}
