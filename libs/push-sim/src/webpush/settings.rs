//! What can be changed about the push services while they run.

use serde::{Deserialize, Serialize};

/// Behaviour of the Web Push services (`web_push` in `PUT /v1/settings`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebPushSettings {
    /// Largest body taken, in bytes (RFC 8030, section 7.2: never less than 4096).
    pub max_body_bytes: usize,
    /// Longest TTL kept to, in seconds; absent: what the service is known for (30 days, FCM 28).
    pub longest_ttl_secs: Option<u32>,
    /// Pushes that one subscription takes in a minute of the simulator's clock; more are answered
    /// with 429. Absent: any number.
    pub pushes_per_minute: Option<u32>,
    /// `Retry-After` of that 429, in seconds; absent: what is left of the minute. Apple's service
    /// sends none.
    pub retry_after_secs: Option<u64>,
    /// Messages kept for one browser that is offline; the oldest go first.
    pub max_waiting: usize,
    /// Pushes that show nothing after which a browser with `user_visible_only` ends the
    /// subscription (Safari: 3). Absent: never.
    pub silent_pushes_allowed: Option<u32>,
    /// Streams allowed on an HTTP/2 connection.
    pub max_streams: u32,
}

impl Default for WebPushSettings {
    fn default() -> WebPushSettings {
        WebPushSettings {
            max_body_bytes: 4096,
            longest_ttl_secs: None,
            pushes_per_minute: None,
            retry_after_secs: None,
            max_waiting: 100,
            silent_pushes_allowed: None,
            max_streams: 100,
        }
    }
}
