-- Live Activities: each one's timeline and what became of it. What the columns are for is said in SQLite's file.

CREATE TABLE live_activities (
    activity_no BIGINT PRIMARY KEY,
    app_no BIGINT NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    fence BIGINT NOT NULL,
    state BIGINT NOT NULL,
    recipient TEXT COLLATE "C" NOT NULL,
    attributes_type TEXT COLLATE "C" NOT NULL,
    plan TEXT COLLATE "C" NOT NULL,
    run TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (app_no, id)
);
CREATE INDEX live_activities_of ON live_activities (app_no, recipient, state);
CREATE INDEX live_activities_over ON live_activities (state, updated_at);

CREATE TABLE live_activity_records (
    record_no BIGINT PRIMARY KEY,
    activity_no BIGINT NOT NULL,
    at BIGINT NOT NULL,
    notification_no BIGINT,
    what TEXT COLLATE "C" NOT NULL
);
CREATE INDEX live_activity_records_of ON live_activity_records (activity_no, at);

CREATE TABLE push_to_start (
    device_no BIGINT NOT NULL,
    attributes_type TEXT COLLATE "C" NOT NULL,
    app_no BIGINT NOT NULL,
    push_token_of BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (device_no, attributes_type)
);
CREATE INDEX push_to_start_app ON push_to_start (app_no, device_no);
