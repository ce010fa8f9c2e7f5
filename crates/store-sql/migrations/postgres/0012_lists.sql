-- Lists: devices that were uploaded under a name. What the columns are for is said in SQLite's file.

CREATE TABLE lists (
    list_no BIGINT PRIMARY KEY,
    app_no BIGINT NOT NULL,
    since BIGINT NOT NULL,
    definition_no BIGINT
);

CREATE TABLE list_chunks (
    list_no BIGINT NOT NULL,
    last_device BIGINT NOT NULL,
    devices BYTEA NOT NULL,
    PRIMARY KEY (list_no, last_device)
);
ALTER TABLE list_chunks ALTER COLUMN devices SET STORAGE EXTERNAL;
