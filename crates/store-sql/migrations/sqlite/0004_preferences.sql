-- What users want, what they got of late, and the badge counters that the server keeps for them.

-- Set with the first preferences of the App: the engine looks for preferences only where there may be some.
ALTER TABLE apps ADD COLUMN has_preferences INTEGER NOT NULL DEFAULT 0;

CREATE TABLE user_preferences (
    app_no INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    preferences TEXT NOT NULL,
    PRIMARY KEY (app_no, user_id)
) STRICT, WITHOUT ROWID;

-- Notifications that count for an App's frequency caps: one row for each user and notification, written before the
-- first push of it is.
CREATE TABLE user_sends (
    app_no INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    notification_no INTEGER NOT NULL,
    at INTEGER NOT NULL,
    keep_until INTEGER NOT NULL,
    category TEXT,
    PRIMARY KEY (app_no, user_id, notification_no)
) STRICT, WITHOUT ROWID;
CREATE INDEX user_sends_keep_until ON user_sends (keep_until);

-- notification_no: which one changed it last; NULL: a caller set it.
CREATE TABLE user_badges (
    app_no INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    badge INTEGER NOT NULL,
    notification_no INTEGER,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (app_no, user_id)
) STRICT, WITHOUT ROWID;

-- Counters of devices that nobody knows the user of.
CREATE TABLE device_badges (
    device_no INTEGER PRIMARY KEY,
    badge INTEGER NOT NULL
) STRICT;

-- What a running fan-out has counted for users with several devices, which may be on different pages.
CREATE TABLE counted_badges (
    notification_no INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    badge INTEGER NOT NULL,
    PRIMARY KEY (notification_no, user_id)
) STRICT, WITHOUT ROWID;

-- The numbers of a batch by position, written once with it; only where counters are changed.
CREATE TABLE batch_badges (
    batch_no INTEGER PRIMARY KEY,
    badges BLOB NOT NULL
) STRICT;
