-- The budget of pushes at once of Live Activities.

-- How many pushes at once each phone got in a minute, by all that it shows.
CREATE TABLE live_activity_urgent (
    device_no INTEGER NOT NULL,
    minute INTEGER NOT NULL,
    pushes INTEGER NOT NULL,
    PRIMARY KEY (device_no, minute)
) STRICT, WITHOUT ROWID;
CREATE INDEX live_activity_urgent_old ON live_activity_urgent (minute);
