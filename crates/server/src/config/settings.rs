//! Every configuration key, once: default, unit and meaning.

/// One key.
pub(crate) struct Setting {
    /// Section and name, e.g. `server.listen`.
    pub(crate) key: &'static str,
    /// Its default, as TOML. `""` for a text that is not set.
    pub(crate) default: &'static str,
    /// What it means, for the operator; lines of at most 95 characters.
    pub(crate) about: &'static str,
    /// A secret: its environment variable has a `_FILE` twin, and its value is never shown.
    pub(crate) secret: bool,
}

const fn plain(key: &'static str, default: &'static str, about: &'static str) -> Setting {
    Setting {
        key,
        default,
        about,
        secret: false,
    }
}

const fn secret(key: &'static str, about: &'static str) -> Setting {
    Setting {
        key,
        default: "\"\"",
        about,
        secret: true,
    }
}

/// All keys, in the order in which they are printed.
pub(crate) const SETTINGS: &[Setting] = &[
    plain(
        "server.mode",
        "\"production\"",
        "\"production\", or \"development\": the latter allows a moved clock.",
    ),
    plain(
        "server.listen",
        "\"127.0.0.1:8600\"",
        "Address and port of the API. Port 0 takes a free one and prints it.",
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
        "server.stop_deadline",
        "\"25s\"",
        "How long a graceful stop may take; what is unanswered then is recorded as in doubt.\nKeep it below the time after which your supervisor kills (Kubernetes: 30 s).",
    ),
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
    plain(
        "store.path",
        "\"carillon-data/carillon.db\"",
        "The SQLite file. Its directory is made, and must be on a local disk.",
    ),
    plain(
        "store.busy_timeout",
        "\"5s\"",
        "How long a statement waits for another program that locks the file (a copy, a shell).",
    ),
    plain(
        "store.queue_items",
        "20000",
        "Notifications, batches and the like that wait for the writer; intake beyond it gets 429.",
    ),
    plain(
        "store.queue_wait",
        "\"30s\"",
        "How long other work waits for room in that queue.",
    ),
    plain(
        "store.queue_reads",
        "4096",
        "Most reads that wait for a reader thread.",
    ),
    plain(
        "store.readers",
        "2",
        "Reader threads, at least 2: one is kept for sending.",
    ),
    plain(
        "store.cache_kib",
        "16384",
        "Page cache of the writer in KiB; each reader has an eighth of it.",
    ),
    plain(
        "store.checkpoint_pages",
        "20000",
        "Pages of 4 KiB in the write-ahead log after which they are copied into the database.",
    ),
    plain(
        "store.max_bytes",
        "0",
        "Upper bound of the database file in bytes; beyond it the disk counts as full. 0: none.",
    ),
    secret(
        "secrets.master_key",
        "The master key that seals credentials: 32 bytes in base64 or hex. Several with commas\nbetween them: the first seals, all open. Better given as CARILLON_MASTER_KEY than here.",
    ),
    plain(
        "secrets.master_key_file",
        "\"\"",
        "File with the master key, mode 0600; made on the first start. Empty: \"master.key\" beside\nthe store. Also CARILLON_MASTER_KEY_FILE.",
    ),
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
    plain("engine.max_claims", "2", "Most claims at once."),
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
    plain("engine.index_slice", "5000", "Rows of such a slice."),
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
    plain("scheduler.round", "2000", "Timers that are read at once."),
    plain(
        "scheduler.share",
        "500",
        "Most of them that belong to one App; they are fired in one transaction.",
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
    plain(
        "retention.content",
        "\"7d\"",
        "How long a notification's content is kept after its last delivery is final.",
    ),
    plain(
        "retention.records",
        "\"30d\"",
        "How long the records (deliveries, attempts, events, counters) are kept.",
    ),
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
    plain(
        "clock.offset",
        "\"0s\"",
        "Development only: business time starts so far from the machine's, e.g. \"30d\" or \"-1h\".",
    ),
    plain(
        "clock.speed",
        "1.0",
        "Development only: business time runs so many times as fast.",
    ),
];

/// Sections in the order in which they are printed, with what they are about.
pub(crate) const SECTIONS: &[(&str, &str)] = &[
    ("server", "The API's listener, and how the process stops."),
    ("api", "Bounds and deadlines of the API."),
    ("store", "Where everything is kept."),
    ("secrets", "The key under which credentials are sealed."),
    ("apns", "Apple's gateway."),
    ("fcm", "Google's gateway: Firebase Cloud Messaging."),
    ("webpush", "The push services of browsers."),
    (
        "webhooks",
        "Calls to webhook endpoints. How many run at once is in [engine].",
    ),
    (
        "engine",
        "How sending works: bounds and pauses. The defaults fit; change one only for a reason.",
    ),
    ("scheduler", "What happens later: bounds and pauses."),
    ("retention", "What is deleted when."),
    ("log", "Log lines."),
    ("clock", "Business time, for trying out."),
];

/// The key of this section and name, if there is one.
pub(crate) fn key_of(section: &str, name: &str) -> Option<&'static str> {
    let wanted = format!("{section}.{name}");
    SETTINGS
        .iter()
        .map(|setting| setting.key)
        .find(|key| *key == wanted)
}

/// Name of the environment variable that overrides a key.
pub(crate) fn env_name(key: &str) -> String {
    format!("CARILLON_{}", key.replace('.', "__").to_uppercase())
}
