-- What came of the times at which schedules were due. Timers of kind 2 are theirs; subject is definition_no.

CREATE TABLE schedule_runs (
    run_no INTEGER PRIMARY KEY,
    definition_no INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    last_due_at INTEGER NOT NULL,
    times INTEGER NOT NULL,
    fired_at INTEGER NOT NULL,
    cause INTEGER NOT NULL,
    result INTEGER NOT NULL,
    notification_no INTEGER,
    code TEXT,
    message TEXT
) STRICT;
CREATE INDEX schedule_runs_of ON schedule_runs (definition_no, run_no);
CREATE INDEX schedule_runs_fired ON schedule_runs (fired_at);
