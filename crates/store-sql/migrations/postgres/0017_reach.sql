-- What is to be asked of a gateway for Live Activities. What the columns are for is said in SQLite's file.

CREATE TABLE live_activity_errands (
    activity_no BIGINT PRIMARY KEY,
    due_at BIGINT NOT NULL
);
CREATE INDEX live_activity_errands_due ON live_activity_errands (due_at);
