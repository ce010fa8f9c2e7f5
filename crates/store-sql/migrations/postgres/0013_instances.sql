-- Who shares the store, and what one process must tell the others. What the columns are for is said in SQLite's file.

CREATE TABLE instances (
    epoch BIGINT PRIMARY KEY,
    joined_no BIGINT NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    roles TEXT COLLATE "C" NOT NULL,
    url TEXT COLLATE "C" NOT NULL,
    wake TEXT COLLATE "C" NOT NULL,
    version TEXT COLLATE "C" NOT NULL,
    started_at BIGINT NOT NULL,
    heartbeat_at BIGINT NOT NULL,
    commit_no BIGINT NOT NULL,
    report TEXT COLLATE "C" NOT NULL
);

CREATE TABLE notices (
    notification_no BIGINT PRIMARY KEY,
    what BIGINT NOT NULL,
    at BIGINT NOT NULL
);

CREATE INDEX callout_runs_waiting ON callout_runs (finished_at, run_no);
