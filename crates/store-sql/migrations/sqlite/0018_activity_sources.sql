-- Tables of other programs that Live Activities follow.

-- What came of the last reading of each: JSON, the engine's business.
CREATE TABLE activity_sources (
    app_no INTEGER NOT NULL,
    name TEXT NOT NULL,
    report TEXT NOT NULL,
    PRIMARY KEY (app_no, name)
) STRICT, WITHOUT ROWID;

-- Rows that were seen and are not gone. hash: of what was in it when it was last followed; 0: it never was.
CREATE TABLE activity_source_rows (
    app_no INTEGER NOT NULL,
    source TEXT NOT NULL,
    id TEXT NOT NULL,
    hash INTEGER NOT NULL,
    PRIMARY KEY (app_no, source, id)
) STRICT, WITHOUT ROWID;
