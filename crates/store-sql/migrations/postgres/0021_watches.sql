-- Monitors: what is remembered of each, its incidents, how it did, and how often each device was rung. What the columns
-- are for is said in SQLite's file.

CREATE TABLE watches (
    monitor_no BIGINT PRIMARY KEY,
    app_no BIGINT NOT NULL,
    fence BIGINT NOT NULL,
    state BIGINT NOT NULL,
    version BIGINT NOT NULL,
    check_at BIGINT,
    look_at BIGINT,
    updated_at BIGINT NOT NULL,
    record TEXT COLLATE "C" NOT NULL
);
CREATE INDEX watches_due ON watches (check_at) WHERE check_at IS NOT NULL;
CREATE INDEX watches_app ON watches (app_no);

CREATE TABLE incidents (
    monitor_no BIGINT NOT NULL,
    incident_no BIGINT NOT NULL,
    app_no BIGINT NOT NULL,
    opened_at BIGINT NOT NULL,
    fault TEXT COLLATE "C" NOT NULL,
    acknowledged_by TEXT COLLATE "C",
    acknowledged_at BIGINT,
    pages BIGINT NOT NULL,
    is_given_up BIGINT NOT NULL,
    resolved TEXT COLLATE "C",
    resolved_at BIGINT,
    entries BIGINT NOT NULL,
    PRIMARY KEY (monitor_no, incident_no)
);
CREATE INDEX incidents_opened ON incidents (app_no, opened_at, monitor_no, incident_no);
CREATE INDEX incidents_open ON incidents (app_no, resolved_at, opened_at, monitor_no, incident_no);
CREATE INDEX incidents_closed ON incidents (resolved_at) WHERE resolved_at IS NOT NULL;

CREATE TABLE incident_entries (
    monitor_no BIGINT NOT NULL,
    incident_no BIGINT NOT NULL,
    entry_no BIGINT NOT NULL,
    what TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (monitor_no, incident_no, entry_no)
);

CREATE TABLE incident_pages (
    notification_no BIGINT PRIMARY KEY,
    monitor_no BIGINT NOT NULL,
    incident_no BIGINT NOT NULL
);
CREATE INDEX incident_pages_of ON incident_pages (monitor_no, incident_no);

CREATE TABLE rings (
    device_no BIGINT PRIMARY KEY,
    record TEXT COLLATE "C" NOT NULL
);

CREATE TABLE monitor_tallies (
    monitor_no BIGINT NOT NULL,
    hour BIGINT NOT NULL,
    tally BYTEA NOT NULL,
    PRIMARY KEY (monitor_no, hour)
);
CREATE INDEX monitor_tallies_old ON monitor_tallies (hour);

ALTER TABLE devices ADD COLUMN capabilities TEXT COLLATE "C";
