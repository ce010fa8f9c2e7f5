-- Lists: devices that were uploaded under a name.

-- Each upload is a list of its own. definition_no: whose name it has; without, it is being written, or another one has
-- its name by now. since: when that began.
CREATE TABLE lists (
    list_no INTEGER PRIMARY KEY,
    app_no INTEGER NOT NULL,
    since INTEGER NOT NULL,
    definition_no INTEGER
) STRICT;

-- Its devices, ascending, in chunks; written once.
CREATE TABLE list_chunks (
    list_no INTEGER NOT NULL,
    last_device INTEGER NOT NULL,
    devices BLOB NOT NULL,
    PRIMARY KEY (list_no, last_device)
) STRICT;
