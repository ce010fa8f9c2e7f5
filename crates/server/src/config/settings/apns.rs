//! `[apns]`: Apple's gateway.

use super::{Setting, plain, secret};

/// Keys of `[apns]`.
pub(super) const APNS: &[Setting] = &[
    plain(
        "apns.production",
        "\"api.push.apple.com:443\"",
        "Apple's production host. Port 2197 works as well where 443 is blocked.",
    ),
    plain(
        "apns.sandbox",
        "\"api.sandbox.push.apple.com:443\"",
        "Apple's sandbox host.",
    ),
    plain(
        "apns.production_channels",
        "\"api-manage-broadcast.push.apple.com:2196\"",
        "Where broadcast channels are managed, production.",
    ),
    plain(
        "apns.sandbox_channels",
        "\"api-manage-broadcast.sandbox.push.apple.com:2195\"",
        "Where broadcast channels are managed, sandbox.",
    ),
    plain(
        "apns.production_broadcasts",
        "\"\"",
        "Where broadcasts are sent, production. Empty: the device host.",
    ),
    plain(
        "apns.sandbox_broadcasts",
        "\"\"",
        "Where broadcasts are sent, sandbox. Empty: the device host.",
    ),
    plain(
        "apns.ca_file",
        "\"\"",
        "PEM file with further certificate authorities to trust for these hosts (simulator, proxy).",
    ),
    plain(
        "apns.proxy",
        "\"\"",
        "HTTP proxy, host:port, through which Apple is reached (CONNECT).",
    ),
    plain("apns.proxy_user", "\"\"", "The proxy's user name."),
    secret("apns.proxy_password", "The proxy's password."),
    plain(
        "apns.io_threads",
        "1",
        "Threads that do the network I/O to Apple. One carries tens of thousands of pushes a second.",
    ),
    plain(
        "apns.connect_timeout",
        "\"10s\"",
        "Time for name, TCP, proxy, TLS and the first SETTINGS together.",
    ),
    plain(
        "apns.connect_attempts",
        "3",
        "Failed connects in a row after which the lane is told that Apple is out of reach.",
    ),
    plain(
        "apns.backoff_min",
        "\"1s\"",
        "Shortest wait between two connects after a failure.",
    ),
    plain(
        "apns.backoff_max",
        "\"1m\"",
        "Longest wait between two connects after failures.",
    ),
    plain(
        "apns.max_connections",
        "4",
        "Most connections for each credential and environment.",
    ),
    plain(
        "apns.grow_after",
        "\"200ms\"",
        "A connection is added when all streams were taken for so long.",
    ),
    plain(
        "apns.idle_timeout",
        "\"10m\"",
        "A connection beyond the first is closed after so long without a push.",
    ),
    plain(
        "apns.max_age",
        "\"12h\"",
        "A connection is replaced at this age.",
    ),
    plain(
        "apns.max_streams",
        "1000",
        "Most pushes in flight on one connection, whatever Apple allows.",
    ),
    plain(
        "apns.queue_timeout",
        "\"30s\"",
        "Longest wait of a push for a stream.",
    ),
    plain(
        "apns.request_timeout",
        "\"20s\"",
        "Longest wait for Apple's answer; after it the delivery is in doubt.",
    ),
    plain(
        "apns.late_grace",
        "\"30s\"",
        "How long after that an answer is still listened for.",
    ),
    plain(
        "apns.ping_busy",
        "\"15s\"",
        "With pushes in flight, a PING goes out after so long without a byte from Apple.",
    ),
    plain(
        "apns.ping_idle",
        "\"1m\"",
        "The same without pushes in flight.",
    ),
    plain(
        "apns.ping_timeout",
        "\"10s\"",
        "A PING unanswered for so long means that the connection is dead.",
    ),
    plain(
        "apns.probe_timeout",
        "\"15s\"",
        "Longest time of a credential's probe or a channel call.",
    ),
    plain(
        "apns.provider_token_pause",
        "\"20m\"",
        "How long pushes are held back after TooManyProviderTokenUpdates: Apple's interval.",
    ),
];
