-- The schema of SQLite's files 0001 to 0009 in one: there is no MariaDB or MySQL that has an older one. What the tables
-- are for is said there; here is what is different, and why.
--
-- Text compares and sorts by its bytes and without padding, as SQLite's does. MariaDB and MySQL have that under different
-- names: each reads its own comment, and takes the other's for none. Text that stands in an index is VARCHAR of the
-- longest that is accepted, in characters.
--
-- There are no indexes over some of the rows: those with a condition on SQLite hold all rows here. `timers_due` serves
-- timers that are set aside as well (due_at IS NULL), and `push_tokens_live` has what the condition asks.
--
-- An address may be longer than what an entry of an index can hold: `address_hash` is a column that the server fills in,
-- and whoever looks for an address asks for its hash.
--
-- A statement that changes the schema is a transaction of its own here. Each can be repeated, so that a migration that
-- was broken off goes on.

CREATE TABLE IF NOT EXISTS meta (
    name VARCHAR(64) PRIMARY KEY,
    number BIGINT NOT NULL DEFAULT 0,
    bytes LONGBLOB
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

-- So that a database which is half made is known as ours.
INSERT INTO meta (name, number) VALUES ('schema', 0) ON DUPLICATE KEY UPDATE number = number;

-- === registry ===

CREATE TABLE IF NOT EXISTS apps (
    app_no BIGINT PRIMARY KEY,
    id VARCHAR(64) NOT NULL,
    name LONGTEXT NOT NULL,
    settings LONGTEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    has_preferences BIGINT NOT NULL DEFAULT 0,
    UNIQUE (id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS deleted_apps (
    app_no BIGINT PRIMARY KEY,
    deleted_at BIGINT NOT NULL
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS credentials (
    credential_no BIGINT PRIMARY KEY,
    app_no BIGINT NOT NULL,
    name VARCHAR(64) NOT NULL,
    gateway BIGINT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    facts LONGTEXT NOT NULL,
    secret LONGBLOB NOT NULL,
    UNIQUE (app_no, name)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS provider_tokens (
    name VARCHAR(191) PRIMARY KEY,
    updated_at BIGINT NOT NULL,
    secret LONGBLOB NOT NULL
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS api_keys (
    api_key_no BIGINT PRIMARY KEY,
    id VARCHAR(64) NOT NULL,
    app_no BIGINT,
    name LONGTEXT NOT NULL,
    scopes LONGTEXT NOT NULL,
    hint LONGTEXT NOT NULL,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT,
    hash VARBINARY(32) NOT NULL,
    UNIQUE (id),
    UNIQUE (hash)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS audit (
    audit_no BIGINT AUTO_INCREMENT PRIMARY KEY,
    at BIGINT NOT NULL,
    api_key_no BIGINT,
    request_id LONGTEXT,
    action LONGTEXT NOT NULL,
    subject LONGTEXT NOT NULL
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS devices (
    device_no BIGINT PRIMARY KEY,
    app_no BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    id VARCHAR(128),
    user_id VARCHAR(128),
    locale VARCHAR(64),
    time_zone VARCHAR(64),
    app_version VARCHAR(64),
    tags LONGTEXT,
    platform VARCHAR(64),
    topics LONGTEXT,
    attributes LONGTEXT,
    secret_hash VARBINARY(32),
    INDEX devices_app (app_no),
    UNIQUE INDEX devices_id (app_no, id),
    INDEX devices_user (app_no, user_id),
    INDEX devices_seen (app_no, last_seen_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS push_tokens (
    device_no BIGINT NOT NULL,
    kind BIGINT NOT NULL,
    app_no BIGINT NOT NULL,
    environment BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    registered_at BIGINT NOT NULL,
    retired_at BIGINT,
    retired_reason LONGTEXT,
    address LONGBLOB NOT NULL,
    address_hash BINARY(32) GENERATED ALWAYS AS (UNHEX(SHA2(address, 256))) STORED,
    PRIMARY KEY (device_no, kind),
    UNIQUE INDEX push_tokens_address (app_no, kind, address_hash),
    INDEX push_tokens_live (app_no, kind, device_no, environment, retired_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

-- === hot store ===

CREATE TABLE IF NOT EXISTS notifications (
    notification_no BIGINT PRIMARY KEY,
    app_no BIGINT NOT NULL,
    accepted_at BIGINT NOT NULL,
    expires_at BIGINT,
    cancelled_at BIGINT,
    options LONGBLOB NOT NULL,
    payload LONGBLOB NOT NULL,
    send_at BIGINT,
    begun_at BIGINT,
    INDEX notifications_app (app_no)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS tallies (
    notification_no BIGINT PRIMARY KEY,
    deliveries BIGINT NOT NULL,
    open BIGINT NOT NULL,
    completed_at BIGINT,
    states LONGBLOB NOT NULL
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS fanouts (
    notification_no BIGINT PRIMARY KEY,
    after_device BIGINT NOT NULL,
    next_place BIGINT NOT NULL,
    target LONGTEXT NOT NULL
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS batches (
    batch_no BIGINT PRIMARY KEY,
    count BIGINT NOT NULL,
    open BIGINT NOT NULL,
    sole BIGINT NOT NULL,
    settled_at BIGINT,
    verdicts LONGBLOB,
    devices LONGBLOB
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS batch_devices (
    batch_no BIGINT PRIMARY KEY,
    notification_no BIGINT NOT NULL,
    lane BIGINT NOT NULL,
    first_device BIGINT NOT NULL,
    last_device BIGINT NOT NULL,
    devices LONGBLOB NOT NULL,
    INDEX batch_devices_range (notification_no, lane, first_device)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS batch_verdicts (
    batch_no BIGINT PRIMARY KEY,
    verdicts LONGBLOB NOT NULL
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS crowds (
    app_no BIGINT NOT NULL,
    notification_no BIGINT NOT NULL,
    PRIMARY KEY (app_no, notification_no)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS work (
    batch_no BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    lane BIGINT NOT NULL,
    class BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    due_at BIGINT,
    holder BIGINT,
    watermark BIGINT NOT NULL,
    in_doubt BIGINT NOT NULL,
    positions LONGBLOB,
    PRIMARY KEY (batch_no, seq),
    CHECK ((due_at IS NULL) <> (holder IS NULL)),
    INDEX work_due (lane, class, due_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS attempts (
    batch_no BIGINT NOT NULL,
    attempt_no BIGINT NOT NULL,
    position BIGINT,
    attempt BIGINT NOT NULL,
    at BIGINT NOT NULL,
    environment BIGINT NOT NULL,
    connection BIGINT NOT NULL,
    status BIGINT NOT NULL,
    elapsed_us BIGINT NOT NULL,
    next_attempt_at BIGINT,
    result LONGTEXT NOT NULL,
    reason LONGTEXT NOT NULL,
    raw LONGTEXT NOT NULL,
    positions LONGBLOB,
    PRIMARY KEY (batch_no, attempt_no)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS counts (
    app_no BIGINT NOT NULL,
    hour BIGINT NOT NULL,
    gateway BIGINT NOT NULL,
    state BIGINT NOT NULL,
    reason VARCHAR(255) NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (app_no, hour, gateway, state, reason)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS events (
    app_no BIGINT NOT NULL,
    event_no BIGINT NOT NULL,
    at BIGINT NOT NULL,
    kind LONGTEXT NOT NULL,
    subject LONGTEXT NOT NULL,
    data LONGTEXT NOT NULL,
    PRIMARY KEY (app_no, event_no)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS idempotency (
    idempotency_no BIGINT AUTO_INCREMENT PRIMARY KEY,
    keep_until BIGINT NOT NULL,
    notification_no BIGINT NOT NULL,
    accepted_at BIGINT NOT NULL,
    scoped_key VARCHAR(512) NOT NULL,
    body_hash VARBINARY(32) NOT NULL,
    UNIQUE (scoped_key)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS device_batches (
    device_no BIGINT NOT NULL,
    batch_no BIGINT NOT NULL,
    PRIMARY KEY (device_no, batch_no)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS stragglers (
    pass BIGINT NOT NULL,
    notification_no BIGINT NOT NULL,
    PRIMARY KEY (pass, notification_no)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS topic_devices (
    app_no BIGINT NOT NULL,
    topic VARCHAR(64) NOT NULL,
    device_no BIGINT NOT NULL,
    PRIMARY KEY (app_no, topic, device_no),
    INDEX topic_devices_device (device_no)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

-- === people ===

CREATE TABLE IF NOT EXISTS user_preferences (
    app_no BIGINT NOT NULL,
    user_id VARCHAR(128) NOT NULL,
    updated_at BIGINT NOT NULL,
    preferences LONGTEXT NOT NULL,
    PRIMARY KEY (app_no, user_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS user_sends (
    app_no BIGINT NOT NULL,
    user_id VARCHAR(128) NOT NULL,
    notification_no BIGINT NOT NULL,
    at BIGINT NOT NULL,
    keep_until BIGINT NOT NULL,
    category VARCHAR(64),
    PRIMARY KEY (app_no, user_id, notification_no),
    INDEX user_sends_keep_until (keep_until)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS user_badges (
    app_no BIGINT NOT NULL,
    user_id VARCHAR(128) NOT NULL,
    badge BIGINT NOT NULL,
    notification_no BIGINT,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (app_no, user_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS device_badges (
    device_no BIGINT PRIMARY KEY,
    badge BIGINT NOT NULL
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS counted_badges (
    notification_no BIGINT NOT NULL,
    user_id VARCHAR(128) NOT NULL,
    badge BIGINT NOT NULL,
    PRIMARY KEY (notification_no, user_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS batch_badges (
    batch_no BIGINT PRIMARY KEY,
    badges LONGBLOB NOT NULL
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

-- === definitions ===

CREATE TABLE IF NOT EXISTS definitions (
    definition_no BIGINT PRIMARY KEY,
    app_no BIGINT NOT NULL,
    kind BIGINT NOT NULL,
    name VARCHAR(64) NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    body LONGTEXT NOT NULL,
    secret LONGBLOB,
    UNIQUE (app_no, kind, name)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS definition_versions (
    definition_no BIGINT NOT NULL,
    version BIGINT NOT NULL,
    replaced_at BIGINT NOT NULL,
    body LONGTEXT NOT NULL,
    PRIMARY KEY (definition_no, version),
    INDEX definition_versions_replaced (replaced_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

-- === telling ===

CREATE TABLE IF NOT EXISTS webhook_cursors (
    webhook_no BIGINT PRIMARY KEY,
    app_no BIGINT NOT NULL,
    `cursor` BIGINT NOT NULL,
    queued BIGINT NOT NULL,
    quiet_until BIGINT,
    state LONGTEXT NOT NULL,
    health LONGTEXT NOT NULL
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS webhook_queue (
    webhook_no BIGINT NOT NULL,
    event_no BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    PRIMARY KEY (webhook_no, event_no),
    INDEX webhook_queue_due (webhook_no, due_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS webhook_attempts (
    webhook_no BIGINT NOT NULL,
    attempt_no BIGINT NOT NULL,
    event_no BIGINT,
    attempt BIGINT NOT NULL,
    at BIGINT NOT NULL,
    status BIGINT,
    elapsed_ms BIGINT NOT NULL,
    next_attempt_at BIGINT,
    kind LONGTEXT NOT NULL,
    result LONGTEXT NOT NULL,
    sentence LONGTEXT NOT NULL,
    body LONGTEXT NOT NULL,
    PRIMARY KEY (webhook_no, attempt_no)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS batch_receipts (
    batch_no BIGINT PRIMARY KEY,
    delivered BIGINT NOT NULL,
    opened BIGINT NOT NULL,
    receipts LONGBLOB NOT NULL
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

-- === triggers ===

CREATE TABLE IF NOT EXISTS digests (
    digest_no BIGINT AUTO_INCREMENT PRIMARY KEY,
    app_no BIGINT NOT NULL,
    definition_no BIGINT NOT NULL,
    user_id VARCHAR(128) NOT NULL,
    `key` VARCHAR(128) NOT NULL,
    version BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    event LONGTEXT NOT NULL,
    state LONGBLOB NOT NULL,
    UNIQUE (definition_no, user_id, `key`),
    INDEX digests_due (due_at),
    INDEX digests_user (app_no, user_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS throttles (
    definition_no BIGINT NOT NULL,
    user_id VARCHAR(128) NOT NULL,
    app_no BIGINT NOT NULL,
    keep_until BIGINT NOT NULL,
    state LONGBLOB NOT NULL,
    PRIMARY KEY (definition_no, user_id),
    INDEX throttles_over (keep_until),
    INDEX throttles_user (app_no, user_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

-- === later ===

CREATE TABLE IF NOT EXISTS timers (
    timer_no BIGINT PRIMARY KEY,
    app_no BIGINT NOT NULL,
    kind BIGINT NOT NULL,
    subject BIGINT NOT NULL,
    due_at BIGINT,
    fence BIGINT NOT NULL,
    missed BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    last_error LONGTEXT,
    body LONGBLOB NOT NULL,
    UNIQUE (kind, subject),
    INDEX timers_due (app_no, due_at, subject)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS schedule_runs (
    run_no BIGINT PRIMARY KEY,
    definition_no BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    last_due_at BIGINT NOT NULL,
    times BIGINT NOT NULL,
    fired_at BIGINT NOT NULL,
    cause BIGINT NOT NULL,
    result BIGINT NOT NULL,
    notification_no BIGINT,
    code LONGTEXT,
    message LONGTEXT,
    INDEX schedule_runs_of (definition_no, run_no),
    INDEX schedule_runs_fired (fired_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;
