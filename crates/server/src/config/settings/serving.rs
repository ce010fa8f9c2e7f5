//! How the API is served: `[server]` and `[api]`.

use super::{Setting, plain};

/// Keys of `[server]`.
pub(super) const SERVER: &[Setting] = &[
    plain(
        "server.mode",
        "\"production\"",
        "\"production\", or \"development\": the latter allows a moved clock.",
    ),
    plain(
        "server.roles",
        "\"api,scheduler,worker,sender\"",
        "What this process does: \"api\" accepts and answers, \"scheduler\" fires what is due, \"worker\"\ndoes what is slow, \"sender\" talks to the gateways; with commas between. On SQLite: all.",
    ),
    plain(
        "server.listen",
        "\"127.0.0.1:8600\"",
        "Address and port of the API. Port 0 takes a free one and prints it.",
    ),
    plain(
        "server.wake_address",
        "\"\"",
        "IP address and port at which other processes on the same store wake this one, by UDP.\nEmpty: as server.listen; if that is all addresses, the one by which the database is reached.",
    ),
    plain(
        "server.tls_certificate_file",
        "\"\"",
        "PEM chain, leaf first, to serve the API over TLS. Empty: plain HTTP, e.g. behind a proxy.",
    ),
    plain(
        "server.tls_private_key_file",
        "\"\"",
        "PEM private key of that certificate.",
    ),
    plain(
        "server.threads",
        "0",
        "Threads that serve the API. 0: half of the machine's cores, at least one.",
    ),
    plain(
        "server.header_timeout",
        "\"1m\"",
        "How long a client may take to send a request's head, and how long an idle connection is kept.\nAn idle HTTP/2 connection is asked this often, and has as long to answer.",
    ),
    plain(
        "server.connections",
        "4096",
        "Connections to the API at once; more wait until one is closed.",
    ),
    plain(
        "server.stop_delay",
        "\"0s\"",
        "How long requests are still taken after a stop was asked for, while /readyz says no: until\na load balancer or Kubernetes has noticed. Only with the role \"api\".",
    ),
    plain(
        "server.stop_deadline",
        "\"25s\"",
        "How long a graceful stop may take, with stop_delay; what is unanswered then is recorded as in\ndoubt. Keep it below the time after which your supervisor kills (Kubernetes: 30 s).",
    ),
];

/// Keys of `[api]`.
pub(super) const API: &[Setting] = &[
    plain("api.body_bytes", "1048576", "Largest JSON body, in bytes."),
    plain(
        "api.line_bytes",
        "65536",
        "Longest line of NDJSON or row of CSV, in bytes.",
    ),
    plain(
        "api.stream_bytes",
        "1073741824",
        "Largest streamed body (NDJSON, CSV) in all, in bytes.",
    ),
    plain(
        "api.group_lines",
        "500",
        "Lines of one stream that are committed together: 1 to 1000.",
    ),
    plain(
        "api.groups_in_flight",
        "2",
        "Groups of one stream that are being committed at once.",
    ),
    plain(
        "api.result_bytes",
        "8388608",
        "Bytes of results that wait for a client that reads slowly, for each stream.",
    ),
    plain(
        "api.requests",
        "4096",
        "Requests carried out at once; more get 503.",
    ),
    plain(
        "api.streams",
        "64",
        "Streams at once, among those requests; more get 503.",
    ),
    plain(
        "api.event_streams",
        "256",
        "Event streams (server-sent events) at once; more get 503.",
    ),
    plain(
        "api.key_requests_per_second",
        "0",
        "Requests in a second with one API key; more get 429. 0: no limit.",
    ),
    plain(
        "api.key_requests_burst",
        "0",
        "How many of them at once after a quiet time. 0: a fifth of a second's worth.",
    ),
    plain(
        "api.registrations_per_second",
        "1000",
        "The same with one publishable key, which everybody may have. 0: no limit.",
    ),
    plain(
        "api.registrations_burst",
        "10000",
        "How many of them at once after a quiet time: what a push to everybody makes apps do.\n0: a fifth of a second's worth.",
    ),
    plain(
        "api.body_timeout",
        "\"30s\"",
        "Longest time until a JSON body is complete; also the longest pause in a stream.",
    ),
    plain(
        "api.deadline",
        "\"1m\"",
        "Longest time until an answer begins.",
    ),
    plain(
        "api.backup_deadline",
        "\"1h\"",
        "The same for a backup, which takes as long as the disk takes to copy the store.",
    ),
    plain(
        "api.list_deadline",
        "\"1h\"",
        "The same for the upload of a list, which takes as long as the client takes to send it.",
    ),
    plain(
        "api.store_tries",
        "6",
        "How often a group of a stream is given to a store that is overloaded or locked.",
    ),
    plain(
        "api.store_pause",
        "\"100ms\"",
        "Pause before the second of those tries; it doubles.",
    ),
    plain(
        "api.open_metrics",
        "false",
        "Whether GET /metrics needs no API key.",
    ),
];
