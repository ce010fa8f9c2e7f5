//! `[fcm]`: Google's gateway.

use super::{Setting, plain, secret};

/// Keys of `[fcm]`.
pub(super) const FCM: &[Setting] = &[
    plain(
        "fcm.endpoint",
        "\"fcm.googleapis.com:443\"",
        "Google's host for messages.",
    ),
    plain(
        "fcm.token_endpoint",
        "\"\"",
        "Where access tokens come from. Empty: what each service account names, one of Google's hosts.\nSet (for a simulator), key files may name any.",
    ),
    plain(
        "fcm.ca_file",
        "\"\"",
        "PEM file with further certificate authorities to trust for these hosts (simulator, proxy).",
    ),
    plain(
        "fcm.proxy",
        "\"\"",
        "HTTP proxy, host:port, through which Google is reached (CONNECT).",
    ),
    plain("fcm.proxy_user", "\"\"", "The proxy's user name."),
    secret("fcm.proxy_password", "The proxy's password."),
    plain(
        "fcm.io_threads",
        "1",
        "Threads that do the network I/O to Google.",
    ),
    plain(
        "fcm.connect_timeout",
        "\"10s\"",
        "Time for name, TCP, proxy, TLS and the first SETTINGS together.",
    ),
    plain(
        "fcm.connect_attempts",
        "3",
        "Failed connects in a row after which the lane is told that Google is out of reach.",
    ),
    plain(
        "fcm.backoff_min",
        "\"1s\"",
        "Shortest wait between two connects after a failure.",
    ),
    plain(
        "fcm.backoff_max",
        "\"1m\"",
        "Longest wait between two connects after failures.",
    ),
    plain(
        "fcm.max_connections",
        "10",
        "Most connections for each credential.",
    ),
    plain(
        "fcm.grow_after",
        "\"200ms\"",
        "A connection is added when all streams were taken for so long.",
    ),
    plain(
        "fcm.idle_timeout",
        "\"10m\"",
        "A connection beyond the first is closed after so long without a push.",
    ),
    plain(
        "fcm.max_age",
        "\"12h\"",
        "A connection is replaced at this age.",
    ),
    plain(
        "fcm.max_streams",
        "100",
        "Most pushes in flight on one connection; more than 100 are never used, since Google closes it.",
    ),
    plain(
        "fcm.queue_timeout",
        "\"30s\"",
        "Longest wait of a push for a stream, or for a place in the project's quota.",
    ),
    plain(
        "fcm.request_timeout",
        "\"20s\"",
        "Longest wait for Google's answer (its rules: at least 10 s); then the delivery is in doubt.",
    ),
    plain(
        "fcm.late_grace",
        "\"30s\"",
        "How long after that an answer is still listened for.",
    ),
    plain(
        "fcm.ping_busy",
        "\"15s\"",
        "With pushes in flight, a PING goes out after so long without a byte from Google.",
    ),
    plain(
        "fcm.ping_idle",
        "\"1m\"",
        "The same without pushes in flight.",
    ),
    plain(
        "fcm.ping_timeout",
        "\"10s\"",
        "A PING unanswered for so long means that the connection is dead.",
    ),
    plain(
        "fcm.probe_timeout",
        "\"20s\"",
        "Longest time of a credential's probe.",
    ),
    plain(
        "fcm.access_token_timeout",
        "\"30s\"",
        "Longest wait of pushes for an access token.",
    ),
    plain(
        "fcm.quota_per_minute",
        "600000",
        "Most messages a minute for each Firebase project: what Google gives, unless it gave you more.",
    ),
    plain(
        "fcm.quota_ramp",
        "\"1m\"",
        "How long sending takes from a slow start to all of it, as Google asks. 0s: all at once.",
    ),
    plain(
        "fcm.stringify_data",
        "true",
        "Values in data that are not strings, which FCM does not take: true writes their JSON text,\nfalse refuses the notification.",
    ),
];
