-- The first schema: everything that takes one notification from acceptance to its last outcome.
--
-- Rules of the layout: rising integer keys; no random index on the hot path; what changes often stands in
-- narrow rows; blobs last; a batch of up to 16 deliveries keeps its devices and verdicts in its own row.

-- Small facts of the installation: epoch, seed, the ends of reserved number ranges, cursors of the chores.
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    number INTEGER NOT NULL DEFAULT 0,
    bytes BLOB
) STRICT, WITHOUT ROWID;

-- === registry ===

CREATE TABLE apps (
    app_no INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    settings TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- Apps whose devices and records are still being deleted in slices.
CREATE TABLE deleted_apps (
    app_no INTEGER PRIMARY KEY,
    deleted_at INTEGER NOT NULL
) STRICT;

CREATE TABLE credentials (
    credential_no INTEGER PRIMARY KEY,
    app_no INTEGER NOT NULL,
    name TEXT NOT NULL,
    gateway INTEGER NOT NULL,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    facts TEXT NOT NULL,
    secret BLOB NOT NULL,
    UNIQUE (app_no, name)
) STRICT;

-- The current provider token of each signing key, sealed.
CREATE TABLE provider_tokens (
    name TEXT PRIMARY KEY,
    updated_at INTEGER NOT NULL,
    secret BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE api_keys (
    api_key_no INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    app_no INTEGER,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    hint TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER,
    hash BLOB NOT NULL UNIQUE
) STRICT;

CREATE TABLE audit (
    audit_no INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    api_key_no INTEGER,
    request_id TEXT,
    action TEXT NOT NULL,
    subject TEXT NOT NULL
) STRICT;

-- Devices without an id were made for raw push tokens, or registered without one.
CREATE TABLE devices (
    device_no INTEGER PRIMARY KEY,
    app_no INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    id TEXT,
    user_id TEXT,
    locale TEXT,
    time_zone TEXT,
    app_version TEXT,
    tags TEXT
) STRICT;
CREATE INDEX devices_app ON devices (app_no);
CREATE UNIQUE INDEX devices_id ON devices (app_no, id) WHERE id IS NOT NULL;
CREATE INDEX devices_user ON devices (app_no, user_id) WHERE user_id IS NOT NULL;

CREATE TABLE push_tokens (
    device_no INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    app_no INTEGER NOT NULL,
    environment INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    registered_at INTEGER NOT NULL,
    retired_at INTEGER,
    retired_reason TEXT,
    address BLOB NOT NULL,
    PRIMARY KEY (device_no, kind)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX push_tokens_address ON push_tokens (app_no, kind, address);
-- What a fan-out reads: nothing but this index.
CREATE INDEX push_tokens_live ON push_tokens (app_no, kind, device_no, environment) WHERE retired_at IS NULL;

-- === hot store ===

CREATE TABLE notifications (
    notification_no INTEGER PRIMARY KEY,
    app_no INTEGER NOT NULL,
    accepted_at INTEGER NOT NULL,
    expires_at INTEGER,
    cancelled_at INTEGER,
    options BLOB NOT NULL,
    payload BLOB NOT NULL
) STRICT;
CREATE INDEX notifications_app ON notifications (app_no);

-- Totals of a notification that is not exactly one batch. Those that are have none: their batch says it all.
CREATE TABLE tallies (
    notification_no INTEGER PRIMARY KEY,
    deliveries INTEGER NOT NULL,
    open INTEGER NOT NULL,
    completed_at INTEGER,
    states BLOB NOT NULL
) STRICT;

-- Fan-outs that are not finished.
CREATE TABLE fanouts (
    notification_no INTEGER PRIMARY KEY,
    after_device INTEGER NOT NULL,
    next_place INTEGER NOT NULL,
    target TEXT NOT NULL
) STRICT;

-- batch_no is the notification's number and the batch's place in it, so a notification's batches are a range.
-- sole: this batch is the whole notification; settled_at is kept for those only.
CREATE TABLE batches (
    batch_no INTEGER PRIMARY KEY,
    count INTEGER NOT NULL,
    open INTEGER NOT NULL,
    sole INTEGER NOT NULL,
    settled_at INTEGER,
    verdicts BLOB,
    devices BLOB
) STRICT;

-- Devices of batches that are too large for their row; written once.
CREATE TABLE batch_devices (
    batch_no INTEGER PRIMARY KEY,
    notification_no INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    first_device INTEGER NOT NULL,
    last_device INTEGER NOT NULL,
    devices BLOB NOT NULL
) STRICT;
CREATE INDEX batch_devices_range ON batch_devices (notification_no, lane, first_device);

-- Verdicts of those, written whole each time.
CREATE TABLE batch_verdicts (
    batch_no INTEGER PRIMARY KEY,
    verdicts BLOB NOT NULL
) STRICT;

-- Notifications that have large batches, by App: where a device's history has to look besides device_batches.
CREATE TABLE crowds (
    app_no INTEGER NOT NULL,
    notification_no INTEGER NOT NULL,
    PRIMARY KEY (app_no, notification_no)
) STRICT, WITHOUT ROWID;

-- due_at set: nobody has it. holder set: held by the process of that epoch. Exactly one of the two.
CREATE TABLE work (
    batch_no INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    class INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    due_at INTEGER,
    holder INTEGER,
    watermark INTEGER NOT NULL,
    in_doubt INTEGER NOT NULL,
    positions BLOB,
    PRIMARY KEY (batch_no, seq),
    CHECK ((due_at IS NULL) <> (holder IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX work_due ON work (lane, class, due_at) WHERE due_at IS NOT NULL;

CREATE TABLE attempts (
    batch_no INTEGER NOT NULL,
    attempt_no INTEGER NOT NULL,
    position INTEGER,
    attempt INTEGER NOT NULL,
    at INTEGER NOT NULL,
    environment INTEGER NOT NULL,
    connection INTEGER NOT NULL,
    status INTEGER NOT NULL,
    elapsed_us INTEGER NOT NULL,
    next_attempt_at INTEGER,
    result TEXT NOT NULL,
    reason TEXT NOT NULL,
    raw TEXT NOT NULL,
    positions BLOB,
    PRIMARY KEY (batch_no, attempt_no)
) STRICT, WITHOUT ROWID;

CREATE TABLE counts (
    app_no INTEGER NOT NULL,
    hour INTEGER NOT NULL,
    gateway INTEGER NOT NULL,
    state INTEGER NOT NULL,
    reason TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (app_no, hour, gateway, state, reason)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    app_no INTEGER NOT NULL,
    event_no INTEGER NOT NULL,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (app_no, event_no)
) STRICT, WITHOUT ROWID;

-- In order of acceptance, so that the oldest are the first to go.
CREATE TABLE idempotency (
    idempotency_no INTEGER PRIMARY KEY,
    keep_until INTEGER NOT NULL,
    notification_no INTEGER NOT NULL,
    accepted_at INTEGER NOT NULL,
    scoped_key TEXT NOT NULL UNIQUE,
    body_hash BLOB NOT NULL
) STRICT;

-- Which small batches a device is in: filled later, in sorted bulks, up to a cursor in meta.
CREATE TABLE device_batches (
    device_no INTEGER NOT NULL,
    batch_no INTEGER NOT NULL,
    PRIMARY KEY (device_no, batch_no)
) STRICT, WITHOUT ROWID;

-- Notifications that a pass of the pruner (1 content, 2 records) went past because they were not done yet.
CREATE TABLE stragglers (
    pass INTEGER NOT NULL,
    notification_no INTEGER NOT NULL,
    PRIMARY KEY (pass, notification_no)
) STRICT, WITHOUT ROWID;
