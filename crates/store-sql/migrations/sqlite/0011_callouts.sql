-- What came of asking Apps' own code. A run is open while finished_at is NULL; its timer is then due again when
-- the asking should long be over.

CREATE TABLE callout_runs (
    run_no INTEGER PRIMARY KEY,
    definition_no INTEGER NOT NULL,
    schedule_no INTEGER NOT NULL,
    timer_no INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    opened_at INTEGER NOT NULL,
    started_at INTEGER,
    begun INTEGER NOT NULL,
    finished_at INTEGER,
    attempts INTEGER NOT NULL,
    result INTEGER NOT NULL,
    notification_no INTEGER,
    code TEXT,
    message TEXT
) STRICT;
CREATE INDEX callout_runs_of ON callout_runs (definition_no, run_no);
CREATE INDEX callout_runs_open ON callout_runs (timer_no, finished_at);
CREATE INDEX callout_runs_opened ON callout_runs (opened_at);
