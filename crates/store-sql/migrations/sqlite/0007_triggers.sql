-- What triggers remember: events that are being gathered, and how often somebody was told lately.

-- An open digest of one trigger, for one recipient ('' for a crowd) and one key. version rises with every
-- event that joins, so that what is told is what was read.
CREATE TABLE digests (
    digest_no INTEGER PRIMARY KEY,
    app_no INTEGER NOT NULL,
    definition_no INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    event TEXT NOT NULL,
    state BLOB NOT NULL,
    UNIQUE (definition_no, user_id, key)
) STRICT;
CREATE INDEX digests_due ON digests (due_at);
CREATE INDEX digests_user ON digests (app_no, user_id);

CREATE TABLE throttles (
    definition_no INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    app_no INTEGER NOT NULL,
    keep_until INTEGER NOT NULL,
    state BLOB NOT NULL,
    PRIMARY KEY (definition_no, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX throttles_over ON throttles (keep_until);
CREATE INDEX throttles_user ON throttles (app_no, user_id);
