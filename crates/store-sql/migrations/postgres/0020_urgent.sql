-- The budget of pushes at once of Live Activities. What the columns are for is said in SQLite's file.

CREATE TABLE live_activity_urgent (
    device_no BIGINT NOT NULL,
    minute BIGINT NOT NULL,
    pushes BIGINT NOT NULL,
    PRIMARY KEY (device_no, minute)
);
CREATE INDEX live_activity_urgent_old ON live_activity_urgent (minute);
