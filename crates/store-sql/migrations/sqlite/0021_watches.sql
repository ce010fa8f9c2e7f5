-- Monitors: what is remembered of each, its incidents with all that happened to them, how it did, and how often each
-- device was rung.

-- record is JSON and the engine's business. fence: another number with each step; who read another one writes nothing.
-- state: 0 waiting, 1 ok, 2 suspected, 3 firing, 4 acknowledged. version: the definition's, by which it took its last turn.
-- look_at: when its timer (of kind 4) was set to; NULL: it has none.
CREATE TABLE watches (
    monitor_no INTEGER PRIMARY KEY,
    app_no INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    state INTEGER NOT NULL,
    version INTEGER NOT NULL,
    check_at INTEGER,
    look_at INTEGER,
    updated_at INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT;
CREATE INDEX watches_due ON watches (check_at) WHERE check_at IS NOT NULL;
CREATE INDEX watches_app ON watches (app_no);

-- fault, resolved: JSON. entries: how many were written of it, those that are gone by now included.
CREATE TABLE incidents (
    monitor_no INTEGER NOT NULL,
    incident_no INTEGER NOT NULL,
    app_no INTEGER NOT NULL,
    opened_at INTEGER NOT NULL,
    fault TEXT NOT NULL,
    acknowledged_by TEXT,
    acknowledged_at INTEGER,
    pages INTEGER NOT NULL,
    is_given_up INTEGER NOT NULL,
    resolved TEXT,
    resolved_at INTEGER,
    entries INTEGER NOT NULL,
    PRIMARY KEY (monitor_no, incident_no)
) STRICT, WITHOUT ROWID;
CREATE INDEX incidents_opened ON incidents (app_no, opened_at, monitor_no, incident_no);
CREATE INDEX incidents_open ON incidents (app_no, resolved_at, opened_at, monitor_no, incident_no);
CREATE INDEX incidents_closed ON incidents (resolved_at) WHERE resolved_at IS NOT NULL;

-- What happened to each, numbered from 1. what: JSON.
CREATE TABLE incident_entries (
    monitor_no INTEGER NOT NULL,
    incident_no INTEGER NOT NULL,
    entry_no INTEGER NOT NULL,
    what TEXT NOT NULL,
    PRIMARY KEY (monitor_no, incident_no, entry_no)
) STRICT, WITHOUT ROWID;

-- Which incident a notification is about.
CREATE TABLE incident_pages (
    notification_no INTEGER PRIMARY KEY,
    monitor_no INTEGER NOT NULL,
    incident_no INTEGER NOT NULL
) STRICT;
CREATE INDEX incident_pages_of ON incident_pages (monitor_no, incident_no);

-- The rings of devices, as JSON.
CREATE TABLE rings (
    device_no INTEGER PRIMARY KEY,
    record TEXT NOT NULL
) STRICT;

-- How monitors did. hour: since 1970-01-01T00:00Z. tally: a compact record.
CREATE TABLE monitor_tallies (
    monitor_no INTEGER NOT NULL,
    hour INTEGER NOT NULL,
    tally BLOB NOT NULL,
    PRIMARY KEY (monitor_no, hour)
) STRICT, WITHOUT ROWID;
CREATE INDEX monitor_tallies_old ON monitor_tallies (hour);

-- What a device's app has declared that it can do: a JSON list; NULL: nothing.
ALTER TABLE devices ADD COLUMN capabilities TEXT;
