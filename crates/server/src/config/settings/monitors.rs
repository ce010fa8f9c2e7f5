//! What is watched how: `[monitors]`.

use super::{Setting, plain, secret};

/// Keys of `[monitors]`.
pub(super) const MONITORS: &[Setting] = &[
    plain(
        "monitors.allow_private",
        "\"\"",
        "Hosts, addresses and networks of your own that checks with \"private_target\" may go to,\nwith commas between them: \"db.internal:5432, 127.0.0.1, 10.1.0.0/16\".",
    ),
    plain(
        "monitors.ca_file",
        "\"\"",
        "PEM file of certificate authorities to trust besides the public ones, for checks.",
    ),
    plain(
        "monitors.name_servers",
        "\"\"",
        "Name servers that DNS checks ask that name none, with commas between them; default: those of\n/etc/resolv.conf.",
    ),
    plain(
        "monitors.concurrency",
        "512",
        "Most checks that one process makes at once.",
    ),
    plain(
        "monitors.gather",
        "\"20ms\"",
        "How long the result of a check waits for others to be written with it.",
    ),
    plain(
        "monitors.flush_every",
        "\"10s\"",
        "How long it may stay in memory only that a monitor which is up was found up once more, and\nwhat is counted for its status. A crash costs that, and one check too many.",
    ),
    plain(
        "monitors.beat_pause",
        "\"50ms\"",
        "How long a beat waits for others to be written with it.",
    ),
    plain(
        "monitors.link_life",
        "\"1d\"",
        "How long the link in a page lets its reader acknowledge and close the incident.",
    ),
    plain(
        "monitors.ring_life",
        "\"45s\"",
        "A ring that was not sent so long after it was made is not sent at all: it would wake somebody\nfor what may be over.",
    ),
    plain(
        "monitors.ring_most",
        "10",
        "How often one device is rung within monitors.ring_within; more often it gets critical alerts.",
    ),
    plain("monitors.ring_within", "\"1d\"", "See monitors.ring_most."),
    plain(
        "monitors.ring_unanswered",
        "3",
        "After so many rings in a row that brought no word from the device it gets critical alerts,\nuntil it is heard of.",
    ),
    plain(
        "monitors.watch_server_app",
        "\"\"",
        "Id of the App that gets the monitors which watch this server, and whose monitors alone may.\nEmpty: the server does not watch itself.",
    ),
    plain(
        "monitors.watch_server_ladder",
        "\"\"",
        "The ladder of that App by which these monitors page. Empty: they page nobody.",
    ),
    secret(
        "monitors.heartbeat_url",
        "URL that the server posts to as long as it is well, so that somebody outside notices when\nnothing comes any more; past the guard of checks. Empty: nowhere.",
    ),
    plain(
        "monitors.heartbeat_every",
        "\"1m\"",
        "How often; at least a second.",
    ),
];
