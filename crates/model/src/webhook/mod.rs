//! Webhook endpoints: where an App is told what happened, and what becomes of an endpoint that does not listen.
//!
//! Plain types and rules. Signing and sending are `carillon-outbound`'s, when to send is the engine's.

mod answer;
mod filter;
mod health;
mod schedule;
mod secrets;
mod settings;

pub use self::answer::{FailedPhase, RetryAfter, WebhookAnswer, WebhookResult};
pub use self::filter::EventFilter;
pub use self::health::WebhookHealth;
pub use self::schedule::{RETRY_DELAYS_MS, next_attempt_at};
pub use self::secrets::{DatedSecret, WebhookSecrets};
pub use self::settings::{WebhookSettings, WebhookUrl};

use serde::{Deserialize, Serialize};

use crate::UnixMs;
use crate::id::{AppNo, WebhookNo};

/// A webhook endpoint as stored, without its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookEndpoint {
    /// Its number.
    pub no: WebhookNo,
    /// Whose.
    pub app: AppNo,
    /// Name, unique in the App: 1 to 64 characters (see [`crate::device::is_plain_name`]).
    pub name: String,
    /// What may be set for it.
    pub settings: WebhookSettings,
    /// Whether it is called.
    pub state: WebhookState,
    /// How it has answered.
    pub health: WebhookHealth,
    /// When it was made.
    pub created_at: UnixMs,
    /// When its settings, state or secrets were last changed.
    pub updated_at: UnixMs,
}

/// Whether an endpoint is called. Stored as JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum WebhookState {
    /// It is.
    #[default]
    Enabled,
    /// It is not: what happens meanwhile is not sent to it, and can be replayed from the events.
    Disabled {
        /// Why.
        reason: DisabledReason,
        /// Since when.
        since: UnixMs,
    },
}

/// Why an endpoint is not called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisabledReason {
    /// It answered 410: it is gone and wants no more.
    Gone,
    /// It took nothing for the days that its settings name.
    Failing,
    /// More waited for it than may.
    Backlog,
    /// Somebody switched it off.
    ByHand,
}

impl DisabledReason {
    /// The word used in JSON, logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Failing => "failing",
            Self::Backlog => "backlog",
            Self::ByHand => "by_hand",
        }
    }
}

impl WebhookEndpoint {
    /// Whether it is called at all.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.state == WebhookState::Enabled
    }

    /// Whether an event of this kind is sent to it.
    #[must_use]
    pub fn wants(&self, kind: &str) -> bool {
        self.is_enabled() && self.settings.events.matches(kind)
    }

    /// Writes down what came of an attempt. `Some`: it was disabled by that, which its App is to be told.
    ///
    /// Late answers about an endpoint that is disabled already change only its health.
    pub fn record(&mut self, answer: &WebhookAnswer, now: UnixMs) -> Option<DisabledReason> {
        self.health.record(answer, now);
        let reason = if answer.is_gone() {
            DisabledReason::Gone
        } else if self
            .health
            .is_hopeless(self.settings.disable_after_days, now)
        {
            DisabledReason::Failing
        } else {
            return None;
        };
        self.disable(reason, now).then_some(reason)
    }

    /// Stops calling it. False if it was not called anyhow; the first reason stays.
    pub fn disable(&mut self, reason: DisabledReason, now: UnixMs) -> bool {
        if !self.is_enabled() {
            return false;
        }
        self.state = WebhookState::Disabled { reason, since: now };
        self.updated_at = now;
        true
    }

    /// Calls it again, with its failures forgotten. False if it was called already.
    pub fn enable(&mut self, now: UnixMs) -> bool {
        if self.is_enabled() {
            return false;
        }
        self.state = WebhookState::Enabled;
        self.health.forgive();
        self.updated_at = now;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: UnixMs = 86_400_000;

    fn endpoint() -> WebhookEndpoint {
        WebhookEndpoint {
            no: WebhookNo(1),
            app: AppNo(1),
            name: "billing".into(),
            settings: serde_json::from_str(
                r#"{"url": "https://hooks.example.net/x", "events": ["delivery.*"]}"#,
            )
            .unwrap(),
            state: WebhookState::Enabled,
            health: WebhookHealth::default(),
            created_at: 0,
            updated_at: 0,
        }
    }

    fn answered(status: u16) -> WebhookAnswer {
        WebhookAnswer::answered(status)
    }

    #[test]
    fn only_what_it_wants_while_it_is_enabled() {
        let mut endpoint = endpoint();
        assert!(endpoint.wants("delivery.failed") && !endpoint.wants("device.retired"));
        assert!(endpoint.disable(DisabledReason::ByHand, 5));
        assert!(!endpoint.wants("delivery.failed"));
        assert!(!endpoint.disable(DisabledReason::Gone, 6));
        let disabled = WebhookState::Disabled {
            reason: DisabledReason::ByHand,
            since: 5,
        };
        assert_eq!((endpoint.state, endpoint.updated_at), (disabled, 5));
        assert!(endpoint.enable(7) && !endpoint.enable(8));
        assert_eq!((endpoint.is_enabled(), endpoint.updated_at), (true, 7));
    }

    #[test]
    fn gone_is_believed_at_once() {
        let mut endpoint = endpoint();
        assert_eq!(endpoint.record(&answered(404), 1), None);
        assert_eq!(
            endpoint.record(&answered(410), 2),
            Some(DisabledReason::Gone)
        );
        assert_eq!(endpoint.record(&answered(410), 3), None, "told once");
        assert_eq!(
            endpoint.state,
            WebhookState::Disabled {
                reason: DisabledReason::Gone,
                since: 2
            }
        );
    }

    #[test]
    fn it_is_given_up_after_days_without_any_success() {
        let mut endpoint = endpoint();
        for hour in 0..120 {
            assert_eq!(
                endpoint.record(&answered(500), hour * 3_600_000),
                None,
                "{hour}"
            );
        }
        let mut recovered = endpoint.clone();
        assert_eq!(
            endpoint.record(&answered(500), 5 * DAY),
            Some(DisabledReason::Failing)
        );
        assert_eq!(recovered.record(&answered(204), 5 * DAY), None);
        assert_eq!(
            recovered.record(&answered(500), 6 * DAY),
            None,
            "the days begin again"
        );
        assert!(endpoint.enable(6 * DAY));
        assert_eq!(
            endpoint.record(&answered(500), 6 * DAY),
            None,
            "the days begin again"
        );
    }

    #[test]
    fn states_are_stored_as_json() {
        for (state, json) in [
            (WebhookState::Enabled, r#"{"state":"enabled"}"#),
            (
                WebhookState::Disabled {
                    reason: DisabledReason::ByHand,
                    since: 5,
                },
                r#"{"state":"disabled","reason":"by_hand","since":5}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&state).unwrap(), json);
            assert_eq!(serde_json::from_str::<WebhookState>(json).unwrap(), state);
        }
        for reason in [
            DisabledReason::Gone,
            DisabledReason::Failing,
            DisabledReason::Backlog,
            DisabledReason::ByHand,
        ] {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
    }
}
