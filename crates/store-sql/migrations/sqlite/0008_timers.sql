-- What is to happen later, one row each, whatever it is.

-- kind 1: a notification at its time; subject is its number. fence is another with each change, and none is
-- given twice. due_at NULL: set aside, because it could not fire. missed: what becomes of it when nobody looked
-- at its time (-1 fires, 0 does not, above 0 fires if late by less than so many milliseconds).
CREATE TABLE timers (
    timer_no INTEGER PRIMARY KEY,
    app_no INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    subject INTEGER NOT NULL,
    due_at INTEGER,
    fence INTEGER NOT NULL,
    missed INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    last_error TEXT,
    body BLOB NOT NULL,
    UNIQUE (kind, subject)
) STRICT;
-- Looked through App by App, so that one App's many delay nobody.
CREATE INDEX timers_due ON timers (app_no, due_at, subject) WHERE due_at IS NOT NULL;
CREATE INDEX timers_set_aside ON timers (app_no, subject) WHERE due_at IS NULL;

-- When it was to be sent, and when that began: both are set only where it was not sent with its acceptance.
ALTER TABLE notifications ADD COLUMN send_at INTEGER;
ALTER TABLE notifications ADD COLUMN begun_at INTEGER;
