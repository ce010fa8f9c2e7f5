-- What came of asking Apps' own code. A run is open while finished_at is NULL; its timer is then due again when
-- the asking should long be over.

CREATE TABLE callout_runs (
    run_no BIGINT PRIMARY KEY,
    definition_no BIGINT NOT NULL,
    schedule_no BIGINT NOT NULL,
    timer_no BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    opened_at BIGINT NOT NULL,
    started_at BIGINT,
    begun BIGINT NOT NULL,
    finished_at BIGINT,
    attempts BIGINT NOT NULL,
    result BIGINT NOT NULL,
    notification_no BIGINT,
    code TEXT COLLATE "C",
    message TEXT COLLATE "C"
);
CREATE INDEX callout_runs_of ON callout_runs (definition_no, run_no);
CREATE INDEX callout_runs_open ON callout_runs (timer_no, finished_at);
CREATE INDEX callout_runs_opened ON callout_runs (opened_at);
