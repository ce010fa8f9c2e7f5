-- Tables of other programs that Live Activities follow. What the columns are for is said in SQLite's file.

CREATE TABLE activity_sources (
    app_no BIGINT NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    report TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (app_no, name)
);

CREATE TABLE activity_source_rows (
    app_no BIGINT NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    hash BIGINT NOT NULL,
    PRIMARY KEY (app_no, source, id)
);
