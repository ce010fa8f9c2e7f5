-- What is to be asked of a gateway for Live Activities: their broadcast channels, made and deleted.

-- At most one for each activity, of which the plan and run say what is asked. Who asks puts it off before, under the
-- activity's fence.
CREATE TABLE live_activity_errands (
    activity_no INTEGER PRIMARY KEY,
    due_at INTEGER NOT NULL
) STRICT;
CREATE INDEX live_activity_errands_due ON live_activity_errands (due_at);
