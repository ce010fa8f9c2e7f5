//! An App: a customer application with its credentials, devices and limits.

use crate::UnixMs;
use crate::backoff::RetryPolicy;
use crate::id::AppNo;

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
}

impl Default for AppSettings {
    fn default() -> Self {
        let retry = RetryPolicy::default();
        Self {
            weight: 1,
            max_per_second: None,
            max_attempts: retry.max_attempts,
            max_age_secs: (retry.max_age_ms / 1_000) as u32,
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
