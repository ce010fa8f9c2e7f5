-- Live Activities: each one's timeline and what became of it.

-- plan and run are JSON and the engine's business. fence: another number with each step; who read another one writes
-- nothing. recipient: user:… or device:…, else empty. state: 0 planned, 1 starting, 2 active,
-- 3 ended, 4 cancelled. Its next moment is a timer of kind 3.
CREATE TABLE live_activities (
    activity_no INTEGER PRIMARY KEY,
    app_no INTEGER NOT NULL,
    id TEXT NOT NULL,
    fence INTEGER NOT NULL,
    state INTEGER NOT NULL,
    recipient TEXT NOT NULL,
    attributes_type TEXT NOT NULL,
    plan TEXT NOT NULL,
    run TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (app_no, id)
) STRICT;
CREATE INDEX live_activities_of ON live_activities (app_no, recipient, state);
CREATE INDEX live_activities_over ON live_activities (state, updated_at);

-- What happened to each, with what was sent for it. what: JSON.
CREATE TABLE live_activity_records (
    record_no INTEGER PRIMARY KEY,
    activity_no INTEGER NOT NULL,
    at INTEGER NOT NULL,
    notification_no INTEGER,
    what TEXT NOT NULL
) STRICT;
CREATE INDEX live_activity_records_of ON live_activity_records (activity_no, at);

-- By what a device starts Live Activities of a type: the anonymous device that has the push-to-start token.
CREATE TABLE push_to_start (
    device_no INTEGER NOT NULL,
    attributes_type TEXT NOT NULL,
    app_no INTEGER NOT NULL,
    push_token_of INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (device_no, attributes_type)
) STRICT, WITHOUT ROWID;
CREATE INDEX push_to_start_app ON push_to_start (app_no, device_no);
