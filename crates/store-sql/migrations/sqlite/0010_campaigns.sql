-- Campaigns: notifications whose fan-out goes by a plan.
--
-- notifications.campaign: 0 none, 1 a campaign, 2 one that rests: nothing new of it is sent.
-- fanouts.due_at: when its next page is due; 0 at once.
-- campaigns.parked 1: work of it may be put aside; its due_at is 2^52 later than it says.

ALTER TABLE notifications ADD COLUMN campaign INTEGER NOT NULL DEFAULT 0;
ALTER TABLE fanouts ADD COLUMN due_at INTEGER NOT NULL DEFAULT 0;

CREATE TABLE campaigns (
    notification_no INTEGER PRIMARY KEY,
    app_no INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    parked INTEGER NOT NULL,
    retired INTEGER NOT NULL,
    name TEXT NOT NULL,
    plan TEXT NOT NULL,
    state TEXT NOT NULL,
    UNIQUE (app_no, name)
) STRICT;
CREATE INDEX campaigns_app ON campaigns (app_no, notification_no);
CREATE INDEX campaigns_parked ON campaigns (parked);

-- Why deliveries ended that reached nobody.
CREATE TABLE campaign_failures (
    notification_no INTEGER NOT NULL,
    gateway INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (notification_no, gateway, state, reason)
) STRICT, WITHOUT ROWID;

-- Audiences that were written down: devices that go at the same instant (0: with the campaign), in pieces.
CREATE TABLE campaign_chunks (
    notification_no INTEGER NOT NULL,
    wave_at INTEGER NOT NULL,
    chunk_no INTEGER NOT NULL,
    devices BLOB NOT NULL,
    PRIMARY KEY (notification_no, wave_at, chunk_no)
) STRICT;
