//! How sending works: `[engine]`, and the calls of `[webhooks]`.

use super::{Setting, plain};

/// Keys of `[webhooks]`.
pub(super) const WEBHOOKS: &[Setting] = &[
    plain(
        "webhooks.allow_private",
        "\"\"",
        "Hosts, addresses and networks of your own that webhooks may go to besides public addresses,\nwith commas between them: \"api.example.internal, 127.0.0.1, 10.1.0.0/16\". Also without TLS.",
    ),
    plain(
        "webhooks.ca_file",
        "\"\"",
        "PEM file of certificate authorities to trust besides the public ones, for webhooks.",
    ),
    plain(
        "webhooks.deadline",
        "\"15s\"",
        "Longest time for one call to a webhook endpoint.",
    ),
    plain(
        "webhooks.connect_timeout",
        "\"5s\"",
        "Longest time until the connection for it stands, TLS included.",
    ),
];

/// Keys of `[engine]`.
pub(super) const ENGINE: &[Setting] = &[
    plain(
        "engine.idempotency_keep",
        "\"1d\"",
        "How long an Idempotency-Key is kept.",
    ),
    plain(
        "engine.max_devices_per_user",
        "1000",
        "Most devices of one user that a notification goes to.",
    ),
    plain(
        "engine.overload_retry_after",
        "\"1s\"",
        "What a caller is told to wait (Retry-After) when the store's queue is full.",
    ),
    plain(
        "engine.intake_patience",
        "\"100ms\"",
        "How long a send waits for room in a full lane that sends, at most 1s; 0s: not at all.",
    ),
    plain(
        "engine.lane_horizon",
        "\"200ms\"",
        "A lane (App x environment) keeps about so much sending in memory; the rest waits in the store.",
    ),
    plain(
        "engine.lane_min_deliveries",
        "2000",
        "Deliveries of each class that a lane may always keep in memory, however slow it is.",
    ),
    plain(
        "engine.lane_max_deliveries",
        "20000",
        "Most deliveries of each class that a lane keeps in memory.",
    ),
    plain(
        "engine.lane_blocked_deliveries",
        "64",
        "Deliveries that a lane keeps in memory while its breaker is open: enough to probe with.",
    ),
    plain(
        "engine.total_deliveries",
        "60000",
        "Most deliveries in memory over all lanes.",
    ),
    plain(
        "engine.lane_floor_deliveries",
        "256",
        "A lane with fewer than this is let in all the same, so that a busy App shuts out no quiet one.",
    ),
    plain(
        "engine.total_bytes",
        "50331648",
        "Most bytes of payloads and device lists in memory over all lanes.",
    ),
    plain(
        "engine.quantum",
        "64",
        "Deliveries that one App of weight 1 gets in its turn.",
    ),
    plain(
        "engine.load_deliveries",
        "1024",
        "Most deliveries whose push tokens are read in one call.",
    ),
    plain("engine.max_loads", "4", "Most such calls at once."),
    plain(
        "engine.poll_interval",
        "\"250ms\"",
        "How often the store is asked for due work besides wake-ups.",
    ),
    plain(
        "engine.backlog_interval",
        "\"5s\"",
        "How often the store is asked for the age of the oldest work that waits there.",
    ),
    plain("engine.claim_batches", "256", "Most batches of one claim."),
    plain("engine.max_claims", "8", "Most claims at once."),
    plain(
        "engine.max_not_sent",
        "16",
        "After so many \"never sent\" in a row a delivery backs off, and the attempt is counted.",
    ),
    plain(
        "engine.claim_deliveries",
        "8000",
        "Most deliveries of one claim, about.",
    ),
    plain(
        "engine.store_retry_max",
        "\"5s\"",
        "Longest pause after the store refused; the first is a 50th of it.",
    ),
    plain(
        "engine.probe_interval",
        "\"1s\"",
        "While a gateway refuses a credential, a waiting delivery tries it this often.",
    ),
    plain(
        "engine.max_probes",
        "4",
        "Most of those tries that may be unanswered at once, for each pool.",
    ),
    plain(
        "engine.max_retry_after",
        "\"1m\"",
        "A gateway's Retry-After delays such a try at most so long.",
    ),
    plain(
        "engine.probing_per_second",
        "200",
        "Push tokens of unknown environment tried in a second, for each credential and environment.",
    ),
    plain(
        "engine.flood_count",
        "100",
        "So many BadDeviceToken for declared environments within flood_window are a flood: an event is\nraised, and no push token is retired for it.",
    ),
    plain(
        "engine.flood_window",
        "\"10s\"",
        "See flood_count. A push token refused as BadDeviceToken is retired only after this time.",
    ),
    plain(
        "engine.flushes_per_batch",
        "6",
        "How often the progress of a large batch is written in its life.",
    ),
    plain(
        "engine.max_flush_delay",
        "\"1s\"",
        "Longest time that an outcome stays only in memory while its batch goes on.",
    ),
    plain(
        "engine.settle_deliveries",
        "8000",
        "Most deliveries settled in one transaction.",
    ),
    plain(
        "engine.max_unsettled",
        "40000",
        "So many outcomes that are not on disk stop sending until the store catches up.",
    ),
    plain(
        "engine.late_answer",
        "\"1m\"",
        "How long, after a delivery became in doubt, a late answer to it is still expected.",
    ),
    plain(
        "engine.max_doubts",
        "50000",
        "Most deliveries in doubt of which a late answer is expected.",
    ),
    plain(
        "engine.cancel_wait",
        "\"2s\"",
        "How long a cancel waits for what is being sent before it answers 202 \"cancelling\".",
    ),
    plain(
        "engine.cancel_memory",
        "\"1m\"",
        "How long a cancelled notification is remembered without asking the store.",
    ),
    plain(
        "engine.fanout_page",
        "1000",
        "Devices of one page of a fan-out; at most 1000.",
    ),
    plain(
        "engine.fanout_scan",
        "5000",
        "Devices that are asked at once whether a segment or a tags target means them.",
    ),
    plain(
        "engine.fanout_scans",
        "20",
        "How many times that for one page, when few are meant.",
    ),
    plain(
        "engine.fanout_interval",
        "\"1s\"",
        "How often unfinished fan-outs are looked for besides wake-ups.",
    ),
    plain(
        "engine.campaign_gather",
        "10000",
        "Devices of a campaign's audience that are written down in one step.",
    ),
    plain(
        "engine.campaign_lead",
        "\"10m\"",
        "How long before its first possible wave a campaign by local time begins.",
    ),
    plain(
        "engine.pause_wait",
        "\"800ms\"",
        "How long a pause waits for what is being sent before it answers how much that is.",
    ),
    plain(
        "engine.rescue_slice",
        "500",
        "Work of a dead process that is freed in one slice.",
    ),
    plain(
        "engine.prune_interval",
        "\"1m\"",
        "How often the pruner looks for something to delete.",
    ),
    plain(
        "engine.prune_slice",
        "500",
        "Notifications that it looks at in one slice.",
    ),
    plain(
        "engine.index_interval",
        "\"1s\"",
        "How often the index from devices to their deliveries is filled.",
    ),
    plain(
        "engine.index_slice",
        "500",
        "Rows of such a slice, for which whatever else is written waits. While pushes are sent, at most\nten slices are filled in each index_interval.",
    ),
    plain(
        "engine.heartbeat",
        "\"1s\"",
        "How often a process that shares a store shows that it lives.",
    ),
    plain(
        "engine.instance_timeout",
        "\"3s\"",
        "A process that did not show it for so long is given up by the others, and stops.",
    ),
    plain(
        "engine.wake_pause",
        "\"10ms\"",
        "Least time between two wake-ups of other processes, and between two looks at what they did.",
    ),
    plain(
        "engine.segment_sample",
        "20000",
        "About how many devices an estimate asks. An App that has no more is counted whole.",
    ),
    plain(
        "engine.segment_places",
        "2000",
        "In how many places of the App's devices.",
    ),
    plain(
        "engine.segment_names_sample",
        "2000",
        "About how many devices are looked at for the names of attributes.",
    ),
    plain(
        "engine.segment_slice",
        "20000",
        "Devices that an exact count looks at in one slice.",
    ),
    plain(
        "engine.segment_count",
        "\"10s\"",
        "After so long an exact count answers with how far it came, to be continued.",
    ),
    plain(
        "engine.list_devices",
        "10000000",
        "Most devices of one uploaded list.",
    ),
    plain("engine.lists_per_app", "100", "Most lists of one App."),
    plain(
        "engine.list_grace",
        "\"1h\"",
        "How long what a list had before its last upload is kept at least, and an upload that broke off.",
    ),
    plain(
        "engine.source_readings",
        "4",
        "Most sources that are read at once, for campaigns that begin.",
    ),
    plain(
        "engine.source_tries",
        "5",
        "A source that cannot be read for a while is tried so often; then its campaign halts.",
    ),
    plain(
        "engine.source_pause",
        "\"30s\"",
        "Pause before it is tried again.",
    ),
    plain(
        "engine.restart_delay",
        "\"100ms\"",
        "A part that panicked is started again after this time.",
    ),
    plain(
        "engine.drain",
        "\"10s\"",
        "How long a credential's former connections may finish when the credential changes.",
    ),
    plain(
        "engine.webhook_concurrency",
        "4",
        "Calls to one webhook endpoint that run at once, while it answers.",
    ),
    plain(
        "engine.webhook_calls",
        "64",
        "Calls to all webhook endpoints that run at once. Those that fail get at most half of them.",
    ),
    plain(
        "engine.callout_concurrency",
        "4",
        "Questions of one App's call-outs that are asked at once.",
    ),
    plain(
        "engine.callout_calls",
        "32",
        "Questions of all Apps' call-outs that are asked at once.",
    ),
    plain(
        "engine.callout_pause",
        "\"1s\"",
        "How long a question that has to wait for its turn is left alone.",
    ),
    plain(
        "engine.callout_begins",
        "5",
        "How often asking begins for one run, more than once only after a crash, before the run fails.",
    ),
    plain(
        "engine.webhook_max_queued",
        "100000",
        "Events that may wait for one webhook endpoint; with more it is disabled.",
    ),
    plain(
        "engine.webhook_poll",
        "\"1s\"",
        "How often events and what is due for webhooks are looked for besides wake-ups.",
    ),
    plain(
        "engine.webhook_pause",
        "\"10ms\"",
        "Least time between two such looks, so that many events are taken together.",
    ),
    plain(
        "engine.receipt_pause",
        "\"100ms\"",
        "How long a receipt waits for others to be written down with it.",
    ),
];
