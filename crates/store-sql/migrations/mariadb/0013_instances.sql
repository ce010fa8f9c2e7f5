-- Who shares the store, and what one process must tell the others. What the columns are for is said in SQLite's file.

CREATE TABLE IF NOT EXISTS instances (
    epoch BIGINT PRIMARY KEY,
    joined_no BIGINT NOT NULL,
    name LONGTEXT NOT NULL,
    roles LONGTEXT NOT NULL,
    url LONGTEXT NOT NULL,
    wake LONGTEXT NOT NULL,
    version LONGTEXT NOT NULL,
    started_at BIGINT NOT NULL,
    heartbeat_at BIGINT NOT NULL,
    commit_no BIGINT NOT NULL,
    report LONGTEXT NOT NULL
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS notices (
    notification_no BIGINT PRIMARY KEY,
    what BIGINT NOT NULL,
    at BIGINT NOT NULL
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE INDEX callout_runs_waiting ON callout_runs (finished_at, run_no);
