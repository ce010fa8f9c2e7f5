-- Monitors: what is remembered of each, its incidents, how it did, and how often each device was rung. What the columns
-- are for is said in SQLite's file.

CREATE TABLE IF NOT EXISTS watches (
    monitor_no BIGINT PRIMARY KEY,
    app_no BIGINT NOT NULL,
    fence BIGINT NOT NULL,
    state BIGINT NOT NULL,
    version BIGINT NOT NULL,
    check_at BIGINT,
    look_at BIGINT,
    updated_at BIGINT NOT NULL,
    record LONGTEXT NOT NULL,
    INDEX watches_due (check_at),
    INDEX watches_app (app_no)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS incidents (
    monitor_no BIGINT NOT NULL,
    incident_no BIGINT NOT NULL,
    app_no BIGINT NOT NULL,
    opened_at BIGINT NOT NULL,
    fault LONGTEXT NOT NULL,
    acknowledged_by LONGTEXT,
    acknowledged_at BIGINT,
    pages BIGINT NOT NULL,
    is_given_up BIGINT NOT NULL,
    resolved LONGTEXT,
    resolved_at BIGINT,
    entries BIGINT NOT NULL,
    PRIMARY KEY (monitor_no, incident_no),
    INDEX incidents_opened (app_no, opened_at, monitor_no, incident_no),
    INDEX incidents_open (app_no, resolved_at, opened_at, monitor_no, incident_no),
    INDEX incidents_closed (resolved_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS incident_entries (
    monitor_no BIGINT NOT NULL,
    incident_no BIGINT NOT NULL,
    entry_no BIGINT NOT NULL,
    what LONGTEXT NOT NULL,
    PRIMARY KEY (monitor_no, incident_no, entry_no)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS incident_pages (
    notification_no BIGINT PRIMARY KEY,
    monitor_no BIGINT NOT NULL,
    incident_no BIGINT NOT NULL,
    INDEX incident_pages_of (monitor_no, incident_no)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS rings (
    device_no BIGINT PRIMARY KEY,
    record LONGTEXT NOT NULL
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS monitor_tallies (
    monitor_no BIGINT NOT NULL,
    hour BIGINT NOT NULL,
    tally LONGBLOB NOT NULL,
    PRIMARY KEY (monitor_no, hour),
    INDEX monitor_tallies_old (hour)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

ALTER TABLE devices ADD COLUMN capabilities LONGTEXT;
