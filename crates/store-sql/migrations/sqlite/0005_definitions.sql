-- What an App's people define by name: templates, triggers, webhook endpoints, identity keys.

CREATE TABLE definitions (
    definition_no INTEGER PRIMARY KEY,
    app_no INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    body TEXT NOT NULL,
    secret BLOB,
    UNIQUE (app_no, kind, name)
) STRICT;

-- Versions that were replaced, of kinds whose notifications are sent with the version they were accepted with.
CREATE TABLE definition_versions (
    definition_no INTEGER NOT NULL,
    version INTEGER NOT NULL,
    replaced_at INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (definition_no, version)
) STRICT, WITHOUT ROWID;
CREATE INDEX definition_versions_replaced ON definition_versions (replaced_at);
