-- Who shares the store, and what one process must tell the others. On SQLite there is only one; the tables are the same.

CREATE TABLE instances (
    epoch INTEGER PRIMARY KEY,
    -- In the order in which they joined: the first of a role leads it. 0: it has not joined.
    joined_no INTEGER NOT NULL,
    name TEXT NOT NULL,
    roles TEXT NOT NULL,
    url TEXT NOT NULL,
    wake TEXT NOT NULL,
    version TEXT NOT NULL,
    -- By the database's clock.
    started_at INTEGER NOT NULL,
    heartbeat_at INTEGER NOT NULL,
    -- How many transactions it committed: tells whether one was whose answer never came.
    commit_no INTEGER NOT NULL,
    -- What is wrong with the lanes that it sends from, for whoever is asked elsewhere.
    report TEXT NOT NULL
) STRICT;

-- What whoever holds work of a notification must hear of: 1 it was cancelled, 2 its campaign was paused, 3 goes on.
CREATE TABLE notices (
    notification_no INTEGER PRIMARY KEY,
    what INTEGER NOT NULL,
    at INTEGER NOT NULL
) STRICT;

-- Questions that are not answered, for whoever asks them where another process has put their timers off.
CREATE INDEX callout_runs_waiting ON callout_runs (finished_at, run_no);
