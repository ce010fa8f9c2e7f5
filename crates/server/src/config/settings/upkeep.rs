//! What runs beside sending: `[credentials]`, `[sources]`, `[scheduler]`, `[retention]`, `[log]` and `[clock]`.

use super::{Setting, plain};

/// Keys of `[scheduler]`.
pub(super) const SCHEDULER: &[Setting] = &[
    plain("scheduler.round", "2000", "Timers that are read at once."),
    plain(
        "scheduler.share",
        "500",
        "Most of them that belong to one App; they are fired in one transaction.",
    ),
    plain(
        "scheduler.round_bytes",
        "16777216",
        "With so many bytes of what they say and whom it is for, no more are read at once.",
    ),
    plain(
        "scheduler.tries",
        "8",
        "How often a timer that cannot fire is tried before it is set aside.",
    ),
    plain(
        "scheduler.backoff",
        "\"1s\"",
        "Pause after its first try; it doubles with each.",
    ),
    plain("scheduler.backoff_max", "\"10m\"", "Longest such pause."),
    plain(
        "scheduler.grace",
        "\"1m\"",
        "A timer that fires late by at most so long was not missed.",
    ),
    plain(
        "scheduler.send_ahead_max",
        "\"366d\"",
        "How far ahead a notification may be sent.",
    ),
];

/// Keys of `[live_activities]`.
pub(super) const LIVE_ACTIVITIES: &[Setting] = &[
    plain(
        "live_activities.coalesce",
        "\"1s\"",
        "Updates of a Live Activity within so long after a push become one.",
    ),
    plain(
        "live_activities.alert_grace",
        "\"1m\"",
        "A phase that is late by more than this is shown without its alert.",
    ),
    plain(
        "live_activities.start_deadline",
        "\"2m\"",
        "A start that brought no update token after so long is told as an event.",
    ),
    plain(
        "live_activities.start_tries",
        "3",
        "How often one phone is asked to start a Live Activity, at most.",
    ),
    plain(
        "live_activities.start_repeats",
        "1",
        "How often a start that the gateway refused is pushed again by itself.",
    ),
    plain(
        "live_activities.start_repeat_after",
        "\"10s\"",
        "How long after the refusal.",
    ),
    plain(
        "live_activities.urgent_per_hour",
        "12",
        "Pushes at once in an hour to one phone, by all Live Activities that it shows;\nthe others wait for its pleasure.",
    ),
    plain(
        "live_activities.urgent_per_hour_frequent",
        "60",
        "The same where the person lets the app update often.",
    ),
    plain(
        "live_activities.most_on_a_phone",
        "5",
        "Live Activities of one recipient that run on one phone, at most: no more are started there,\nor adopted. iOS shows five of an app.",
    ),
    plain(
        "live_activities.channel_tries",
        "12",
        "How often Apple is asked to make a Live Activity's broadcast channel, and how often to\ndelete it.",
    ),
    plain(
        "live_activities.channel_pause",
        "\"5s\"",
        "The first pause between two of these; each is twice as long as the one before, up to an hour.",
    ),
    plain(
        "live_activities.channel_delete_after",
        "\"10m\"",
        "A channel is deleted so long after its Live Activity left the lock screens.",
    ),
    plain(
        "live_activities.channels_warn_at",
        "9000",
        "With so many channels of an app in one environment an event says that they run out\n(Apple allows 10,000).",
    ),
];

/// Keys of `[retention]`.
pub(super) const RETENTION: &[Setting] = &[
    plain(
        "retention.content",
        "\"7d\"",
        "How long a notification's content is kept after its last delivery is final.",
    ),
    plain(
        "retention.records",
        "\"30d\"",
        "How long the records (deliveries, attempts, events, counters, closed incidents) are kept.",
    ),
];

/// Keys of `[credentials]`.
pub(super) const CREDENTIALS: &[Setting] = &[
    plain(
        "credentials.file",
        "\"\"",
        "TOML file that says which files have the keys of which credentials. Whoever leads the role\n\"worker\" follows it. Empty: credentials are set through the API.",
    ),
    plain(
        "credentials.poll_interval",
        "\"10s\"",
        "How often it and the files that it names are looked at. A change is taken when two looks in a\nrow have seen it, and at once at a SIGHUP.",
    ),
];

/// Keys of `[sources]`.
pub(super) const SOURCES: &[Setting] = &[plain(
    "sources.file",
    "\"\"",
    "TOML file with a section for each of them, read at the start. Empty: there are none.",
)];

/// Keys of `[log]`.
pub(super) const LOG: &[Setting] = &[
    plain(
        "log.format",
        "\"text\"",
        "\"text\" for people, \"json\" for machines. Both go to stderr.",
    ),
    plain(
        "log.level",
        "\"info\"",
        "error, warn, info, debug, trace; also by part: \"warn,carillon_engine=debug\".",
    ),
];

/// Keys of `[clock]`.
pub(super) const CLOCK: &[Setting] = &[
    plain(
        "clock.at",
        "\"\"",
        "Development only: business time starts at this instant when the process does, e.g.\n\"2026-12-01T16:00:00+09:00\". Empty: at the machine's time.",
    ),
    plain(
        "clock.offset",
        "\"0s\"",
        "Development only: business time starts so far from that, e.g. \"30d\" or \"-1h\".",
    ),
    plain(
        "clock.speed",
        "1.0",
        "Development only: business time runs so many times as fast.",
    ),
];
