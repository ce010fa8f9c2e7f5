//! What can be chosen when a simulator starts, with defaults that fit a test.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::fcm::settings::FcmSettings;
use crate::webpush::WebPushSettings;

/// How closely requests must follow Apple's written rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Only what Apple's pages promise to accept.
    #[default]
    Strict,
    /// Also what Apple is known to let through today: DER signatures, padded or standard-alphabet
    /// base64, `Bearer`, `iat` as a string, upper-case `apns-id`, `background` with priority 10, a
    /// push type that does not fit the topic's suffix, a method in lower case.
    Lax,
}

/// Ports to bind; 0 lets the system choose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ports {
    /// Production device host.
    pub production_device: u16,
    /// Production broadcast host.
    pub production_broadcast: u16,
    /// Production channel-management host.
    pub production_management: u16,
    /// Sandbox device host.
    pub sandbox_device: u16,
    /// Sandbox broadcast host.
    pub sandbox_broadcast: u16,
    /// Sandbox channel-management host.
    pub sandbox_management: u16,
    /// Push services of browsers, all on one port.
    pub web_push: u16,
    /// Google's hosts.
    pub google: u16,
    /// Admin HTTP API.
    pub admin: u16,
}

/// Behaviour that can be changed while the simulator runs (`PUT /v1/settings`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Strict or lax reading of the rules.
    pub mode: Mode,
    /// Accept any well-formed provider token without knowing its key, and any app. A registered
    /// key's signature is still verified.
    pub accept_any_key: bool,
    /// Streams allowed on a token connection before its first valid provider token (Apple: 1).
    pub initial_streams: u32,
    /// Streams allowed afterwards, and at once on a certificate connection (observed: 1000).
    pub max_streams: u32,
    /// After a 4xx other than 410 allow one stream, after the next 200 again `max_streams`
    /// (seen by users of Apple's service in 2016 and 2019).
    pub shrink_on_error: bool,
    /// After `ExpiredProviderToken` refuse every later provider token on that connection too
    /// (seen by pushy).
    pub wedge_on_expiry: bool,
    /// Close a connection after so many `BadDeviceToken` answers (Apple: unpublished).
    pub disconnect_after_bad_tokens: Option<u32>,
    /// Answer a sender's `apns-id` in upper case.
    pub echo_upper_case_ids: bool,
    /// Channels for each app and environment (Apple: 10,000).
    pub channel_limit: usize,
    /// The push services of browsers.
    pub web_push: WebPushSettings,
    /// What is Google's.
    pub fcm: FcmSettings,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            mode: Mode::Strict,
            accept_any_key: false,
            initial_streams: 1,
            max_streams: 1000,
            shrink_on_error: false,
            wedge_on_expiry: false,
            disconnect_after_bad_tokens: None,
            echo_upper_case_ids: false,
            channel_limit: 10_000,
            web_push: WebPushSettings::default(),
            fcm: FcmSettings::default(),
        }
    }
}

/// How a simulator starts.
///
/// ```
/// use push_sim::{Config, Settings};
/// let config = Config {
///     settings: Settings { accept_any_key: true, ..Settings::default() },
///     ..Config::default()
/// };
/// assert_eq!(config.settings.max_streams, 1000);
/// ```
#[derive(Debug, Clone)]
pub struct Config {
    /// Address to bind. Anything but loopback opens an admin API without a password to the network.
    pub bind: IpAddr,
    /// Ports to bind, 0 = any.
    pub ports: Ports,
    /// Where to keep the certificate authority between runs (`ca.pem`, `ca-key.pem`). `None`: a
    /// new one at each start.
    pub state_dir: Option<PathBuf>,
    /// What may be changed later through the admin API.
    pub settings: Settings,
    /// The simulator's clock.
    pub clock: Clock,
    /// Seed of made push tokens and of faults with a probability: same seed, same choices.
    pub seed: u64,
    /// Receive window for each stream and connection in bytes (observed at Apple: 65,535).
    pub window_bytes: u32,
    /// Largest header list in bytes (observed at Apple: 8,000).
    pub max_header_list_bytes: u32,
    /// Connections served at once; more wait in the kernel's queue.
    pub max_connections: usize,
    /// Deadline for TLS and HTTP/2 hand-shakes.
    pub handshake_timeout: Duration,
    /// Deadline for a request body after its headers.
    pub body_timeout: Duration,
    /// Records kept of received requests; the oldest go first (about 200 bytes each).
    pub max_records: usize,
    /// Memory for payloads kept with the records, in bytes; the oldest go first.
    pub max_payload_memory_bytes: usize,
    /// Bytes kept of one payload.
    pub max_payload_bytes: usize,
    /// Entries kept of what one app on one phone has shown.
    pub max_shown_per_app: usize,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            ports: Ports::default(),
            state_dir: None,
            settings: Settings::default(),
            clock: Clock::real(),
            seed: 1,
            window_bytes: 65_535,
            max_header_list_bytes: 8_000,
            max_connections: 1024,
            handshake_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(60),
            max_records: 2_000_000,
            max_payload_memory_bytes: 64 << 20,
            max_payload_bytes: 5120,
            max_shown_per_app: 32,
        }
    }
}
