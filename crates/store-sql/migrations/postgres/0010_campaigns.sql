-- Campaigns: see SQLite's file.

ALTER TABLE notifications ADD COLUMN campaign BIGINT NOT NULL DEFAULT 0;
ALTER TABLE fanouts ADD COLUMN due_at BIGINT NOT NULL DEFAULT 0;

CREATE TABLE campaigns (
    notification_no BIGINT PRIMARY KEY,
    app_no BIGINT NOT NULL,
    fence BIGINT NOT NULL,
    parked BIGINT NOT NULL,
    retired BIGINT NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    plan TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    UNIQUE (app_no, name)
);
CREATE INDEX campaigns_app ON campaigns (app_no, notification_no);
CREATE INDEX campaigns_parked ON campaigns (parked);

CREATE TABLE campaign_failures (
    notification_no BIGINT NOT NULL,
    gateway BIGINT NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (notification_no, gateway, state, reason)
);

CREATE TABLE campaign_chunks (
    notification_no BIGINT NOT NULL,
    wave_at BIGINT NOT NULL,
    chunk_no BIGINT NOT NULL,
    devices BYTEA NOT NULL,
    PRIMARY KEY (notification_no, wave_at, chunk_no)
);
ALTER TABLE campaign_chunks ALTER COLUMN devices SET STORAGE EXTERNAL;
