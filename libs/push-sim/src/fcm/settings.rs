//! What can be changed about Google's side while the simulator runs.

use serde::{Deserialize, Serialize};

/// Google's part of the settings (`PUT /v1/settings` with `{"fcm": {…}}`). Times are by the
/// simulator's clock.
///
/// ```
/// use push_sim::{FcmSettings, Settings};
/// let settings = Settings {
///     fcm: FcmSettings { sends_per_minute: 100, ..FcmSettings::default() },
///     ..Settings::default()
/// };
/// assert_eq!(settings.fcm.max_streams, 100);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FcmSettings {
    /// Streams allowed on a connection; one more is answered with GOAWAY (Google: 100).
    pub max_streams: u32,
    /// Sends for each project and minute (Google: 600,000). Above it: 429 `RATE_LIMIT_EXCEEDED`.
    pub sends_per_minute: u32,
    /// Sends to one phone in a minute (Google, for Android: 240); `None`: no limit. Above it: 429
    /// `QUOTA_EXCEEDED`.
    pub device_sends_per_minute: Option<u32>,
    /// `expires_in` of an access token in seconds (Google: 3599 or 3600).
    pub access_token_secs: i64,
    /// Seconds that `iat` of an assertion may lie in the future (Google: unpublished).
    pub clock_skew_secs: i64,
    /// Take any bearer as good for any project. A token that was given out here is still checked.
    pub accept_any_access_token: bool,
    /// `Retry-After` of a 429 and of a 503 in seconds; `None`: no such header.
    pub retry_after_secs: Option<u64>,
    /// `Retry-After` is a date, by the simulator's clock; both forms are seen.
    pub retry_after_as_date: bool,
    /// The project whose access tokens the metadata server gives; it stands on the admin address.
    pub metadata_project: Option<String>,
}

impl Default for FcmSettings {
    fn default() -> FcmSettings {
        FcmSettings {
            max_streams: 100,
            sends_per_minute: 600_000,
            device_sends_per_minute: Some(240),
            access_token_secs: 3599,
            clock_skew_secs: 300,
            accept_any_access_token: false,
            retry_after_secs: Some(60),
            retry_after_as_date: false,
            metadata_project: None,
        }
    }
}
