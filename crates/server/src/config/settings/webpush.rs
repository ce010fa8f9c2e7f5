//! `[webpush]`: the push services of browsers.

use super::{Setting, plain, secret};

/// Keys of `[webpush]`.
pub(super) const WEBPUSH: &[Setting] = &[
    plain(
        "webpush.services",
        "\"known\"",
        "Whose push services are spoken to: \"known\" (Apple, Google, Microsoft, Mozilla), or \"public\":\nany host with a public address, which UnifiedPush and small browsers need.",
    ),
    plain(
        "webpush.allowed_hosts",
        "\"\"",
        "Hosts that are let through besides the known services, with commas between them; one that\nbegins with a dot stands for every host below it. Their addresses must be public.",
    ),
    plain(
        "webpush.trusted_origins",
        "\"\"",
        "Push services of your own, or a simulator: host:port, with commas between them. They are let\nthrough whatever their address.",
    ),
    plain(
        "webpush.ca_file",
        "\"\"",
        "PEM file with further certificate authorities to trust for push services (simulator, proxy).",
    ),
    plain(
        "webpush.proxy",
        "\"\"",
        "HTTP proxy, host:port, through which push services are reached (CONNECT). Not with\nservices = \"public\": a proxy looks names up itself.",
    ),
    plain("webpush.proxy_user", "\"\"", "The proxy's user name."),
    secret("webpush.proxy_password", "The proxy's password."),
    plain(
        "webpush.io_threads",
        "1",
        "Threads that do the network I/O to push services.",
    ),
    plain(
        "webpush.encryption_threads",
        "2",
        "Threads that encrypt: some 60 microseconds a message.",
    ),
    plain(
        "webpush.max_origins",
        "64",
        "Most push services with a connection for each credential; known ones and others are counted\napart.",
    ),
    plain(
        "webpush.origin_idle_timeout",
        "\"10m\"",
        "The last connection to a push service is closed after so long without a push.",
    ),
    plain(
        "webpush.connect_timeout",
        "\"10s\"",
        "Time for name, TCP, proxy, TLS and the first SETTINGS together.",
    ),
    plain(
        "webpush.connect_attempts",
        "3",
        "Failed connects in a row after which pushes to that service are tried again later.",
    ),
    plain(
        "webpush.backoff_min",
        "\"1s\"",
        "Shortest wait between two connects to a service after a failure.",
    ),
    plain(
        "webpush.backoff_max",
        "\"1m\"",
        "Longest wait between two connects to a service after failures.",
    ),
    plain(
        "webpush.max_connections",
        "4",
        "Most connections for each credential and push service.",
    ),
    plain(
        "webpush.grow_after",
        "\"200ms\"",
        "A connection is added when all streams were taken for so long.",
    ),
    plain(
        "webpush.idle_timeout",
        "\"10m\"",
        "A connection beyond the first is closed after so long without a push.",
    ),
    plain(
        "webpush.max_age",
        "\"12h\"",
        "A connection is replaced at this age.",
    ),
    plain(
        "webpush.max_streams",
        "1000",
        "Most pushes in flight on one connection, whatever the push service allows.",
    ),
    plain(
        "webpush.queue_timeout",
        "\"30s\"",
        "Longest wait of a push for a stream; then it is tried again later.",
    ),
    plain(
        "webpush.request_timeout",
        "\"20s\"",
        "Longest wait for a push service's answer; then the delivery is in doubt.",
    ),
    plain(
        "webpush.late_grace",
        "\"30s\"",
        "How long after that an answer is still listened for.",
    ),
    plain(
        "webpush.throttle_pause",
        "\"1s\"",
        "How long a push service is left alone that answered 429 and did not say for how long.",
    ),
    plain(
        "webpush.max_pause",
        "\"1m\"",
        "The longest that a push service is left alone, whatever it says.",
    ),
    plain(
        "webpush.ping_busy",
        "\"15s\"",
        "With pushes in flight, a PING goes out after so long without a byte from the service.",
    ),
    plain(
        "webpush.ping_idle",
        "\"1m\"",
        "The same without pushes in flight.",
    ),
    plain(
        "webpush.ping_timeout",
        "\"10s\"",
        "A PING unanswered for so long means that the connection is dead.",
    ),
    plain(
        "webpush.probe_timeout",
        "\"15s\"",
        "Longest time of a credential's probe.",
    ),
    plain(
        "webpush.default_ttl",
        "\"3d\"",
        "How long push services keep a push for a browser that is away, if the notification has no end.",
    ),
    plain(
        "webpush.max_ttl",
        "\"28d\"",
        "The longest that they are asked to keep one.",
    ),
];
