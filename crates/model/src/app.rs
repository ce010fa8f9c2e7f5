//! An App: a customer application with its credentials, devices and limits.

use crate::UnixMs;
use crate::backoff::RetryPolicy;
use crate::frequency::FrequencyCap;
use crate::id::AppNo;
use std::collections::BTreeMap;

/// An App as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct App {
    /// Its number.
    pub no: AppNo,
    /// The caller's id: 1 to 64 characters (see [`crate::device::is_plain_name`]).
    pub id: String,
    /// A name for people.
    pub name: String,
    /// What may be set for it.
    pub settings: AppSettings,
    /// When it was made.
    pub created_at: UnixMs,
    /// When it was last changed.
    pub updated_at: UnixMs,
}

/// What may be set for an App.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AppSettings {
    /// Its share of sending when several Apps have work: 1 to 100.
    pub weight: u32,
    /// Most pushes a second for each of its lanes; `None`: no limit of ours.
    pub max_per_second: Option<u32>,
    /// Attempts in all for one delivery; see [`RetryPolicy`].
    pub max_attempts: u16,
    /// Longest time from acceptance to the last attempt, in seconds.
    pub max_age_secs: u32,
    /// Where its users live whose own time zone nobody knows: an IANA name; `None`: UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Categories of messages that it declares. One that is not declared is on by default.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub categories: BTreeMap<String, CategorySettings>,
    /// How many notifications one user gets; every cap that covers a notification must let it through.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub frequency_cap: Vec<FrequencyCap>,
}

/// A category of messages that a user can switch on and off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CategorySettings {
    /// What holds for a user who has not chosen.
    pub default: CategoryDefault,
}

/// What holds for a user who has not chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CategoryDefault {
    /// He gets it.
    #[default]
    On,
    /// He does not, until he switches it on.
    Off,
}

impl Default for AppSettings {
    fn default() -> Self {
        let retry = RetryPolicy::default();
        Self {
            weight: 1,
            max_per_second: None,
            max_attempts: retry.max_attempts,
            max_age_secs: (retry.max_age_ms / 1_000) as u32,
            time_zone: None,
            categories: BTreeMap::new(),
            frequency_cap: Vec::new(),
        }
    }
}

impl AppSettings {
    /// The policy that retries of this App follow.
    #[must_use]
    pub fn retry_policy(&self) -> RetryPolicy {
        RetryPolicy {
            max_attempts: self.max_attempts,
            max_age_ms: i64::from(self.max_age_secs) * 1_000,
            ..RetryPolicy::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_before_read_as_ever() {
        let before = r#"{"weight":1,"max_per_second":null,"max_attempts":12,"max_age_secs":86400}"#;
        let read: AppSettings = serde_json::from_str(before).unwrap();
        assert_eq!(read, AppSettings::default());
        assert_eq!(serde_json::to_string(&read).unwrap(), before);
    }
}
