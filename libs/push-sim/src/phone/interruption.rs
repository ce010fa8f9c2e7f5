//! How far a notification may interrupt the phone's owner, and what the app needs for that.
//!
//! Sources: `UNNotificationInterruptionLevel`; "Generating a remote notification" for the sound of a critical alert;
//! "Responding to VoIP notifications from PushKit" for calls.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What an app can be built with, as it would tell its server: a screen for incoming calls.
pub(crate) const CALL_SCREEN: &str = "voip_call_ui";
/// Apple's entitlement for critical alerts.
const CRITICAL_ALERTS: &str = "critical_alerts";
/// The capability for time-sensitive notifications.
const TIME_SENSITIVE: &str = "time_sensitive";

/// Everything that an app can be built with.
pub(super) fn all_capabilities() -> Vec<String> {
    [CALL_SCREEN, CRITICAL_ALERTS, TIME_SENSITIVE]
        .map(str::to_owned)
        .into()
}

/// How far something on a phone interrupted its owner, the quietest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interruption {
    /// It is in the list and nothing lights up.
    Passive,
    /// The screen lights up and it may sound; a Focus holds it back.
    Active,
    /// It breaks through a Focus; a silent phone stays silent.
    TimeSensitive,
    /// It sounds on a silent phone too.
    Critical,
    /// The phone rings with an incoming call.
    Call,
}

/// The part of `aps` that decides.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Aps {
    pub(super) alert: Option<IgnoredAny>,
    pub(super) badge: Option<IgnoredAny>,
    pub(super) sound: Option<Value>,
    #[serde(rename = "interruption-level")]
    level: Option<Value>,
}

impl Aps {
    /// Whether there is something to be seen or heard.
    pub(super) fn is_visible(&self) -> bool {
        self.alert.is_some() || self.badge.is_some() || self.sound.is_some()
    }

    /// How far it interrupts on a phone whose app has these capabilities. What the app may not do is as if
    /// nothing had been asked for.
    pub(super) fn interruption(&self, capabilities: &[String]) -> Interruption {
        let may = |capability: &str| capabilities.iter().any(|known| known == capability);
        let sounds_always = self
            .sound
            .as_ref()
            .is_some_and(|sound| sound["critical"] == 1);
        let word = self
            .level
            .as_ref()
            .and_then(Value::as_str)
            .unwrap_or_default();
        match word {
            _ if sounds_always && may(CRITICAL_ALERTS) => Interruption::Critical,
            "critical" if may(CRITICAL_ALERTS) => Interruption::Critical,
            "time-sensitive" if may(TIME_SENSITIVE) => Interruption::TimeSensitive,
            "passive" => Interruption::Passive,
            _ => Interruption::Active,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_app_interrupts_as_far_as_it_may() {
        let all = all_capabilities();
        let none: Vec<String> = Vec::new();
        let critical = json!({"critical": 1, "name": "default", "volume": 1.0});
        for (aps, with_all, with_none) in [
            (json!({}), "active", "active"),
            (
                json!({"interruption-level": "passive"}),
                "passive",
                "passive",
            ),
            (
                json!({"interruption-level": "time-sensitive"}),
                "time_sensitive",
                "active",
            ),
            (
                json!({"interruption-level": "critical"}),
                "critical",
                "active",
            ),
            (json!({"sound": critical}), "critical", "active"),
            (
                json!({"sound": {"critical": 0, "name": "a"}}),
                "active",
                "active",
            ),
            (
                json!({"sound": "default", "interruption-level": 7}),
                "active",
                "active",
            ),
        ] {
            let read: Aps = serde_json::from_value(aps.clone()).unwrap();
            for (capabilities, expected) in [(&all, with_all), (&none, with_none)] {
                let found = serde_json::to_value(read.interruption(capabilities)).unwrap();
                assert_eq!(found, expected, "{aps} with {capabilities:?}");
            }
        }
        assert!(Interruption::Passive < Interruption::TimeSensitive);
        assert!(Interruption::Critical < Interruption::Call);
    }
}
