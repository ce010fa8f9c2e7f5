-- Telling: what waits for webhook endpoints and how they have answered; receipts of devices.

-- One row for each endpoint, as long as it is defined. cursor: events up to this number are in its queue, or not wanted.
CREATE TABLE webhook_cursors (
    webhook_no INTEGER PRIMARY KEY,
    app_no INTEGER NOT NULL,
    cursor INTEGER NOT NULL,
    queued INTEGER NOT NULL,
    quiet_until INTEGER,
    state TEXT NOT NULL,
    health TEXT NOT NULL
) STRICT;

CREATE TABLE webhook_queue (
    webhook_no INTEGER NOT NULL,
    event_no INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    PRIMARY KEY (webhook_no, event_no)
) STRICT, WITHOUT ROWID;
CREATE INDEX webhook_queue_due ON webhook_queue (webhook_no, due_at);

-- The last calls of each endpoint. event_no is NULL for a test.
CREATE TABLE webhook_attempts (
    webhook_no INTEGER NOT NULL,
    attempt_no INTEGER NOT NULL,
    event_no INTEGER,
    attempt INTEGER NOT NULL,
    at INTEGER NOT NULL,
    status INTEGER,
    elapsed_ms INTEGER NOT NULL,
    next_attempt_at INTEGER,
    kind TEXT NOT NULL,
    result TEXT NOT NULL,
    sentence TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (webhook_no, attempt_no)
) STRICT, WITHOUT ROWID;

-- What devices said of the pushes of a batch. The counts stand before the blob, so that summing them reads no blob.
CREATE TABLE batch_receipts (
    batch_no INTEGER PRIMARY KEY,
    delivered INTEGER NOT NULL,
    opened INTEGER NOT NULL,
    receipts BLOB NOT NULL
) STRICT;
