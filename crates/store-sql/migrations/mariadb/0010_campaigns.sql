-- Campaigns: see SQLite's file. A reason is cut at 100 characters before it comes here.

ALTER TABLE notifications ADD COLUMN campaign BIGINT NOT NULL DEFAULT 0;
ALTER TABLE fanouts ADD COLUMN due_at BIGINT NOT NULL DEFAULT 0;

CREATE TABLE IF NOT EXISTS campaigns (
    notification_no BIGINT PRIMARY KEY,
    app_no BIGINT NOT NULL,
    fence BIGINT NOT NULL,
    parked BIGINT NOT NULL,
    retired BIGINT NOT NULL,
    name VARCHAR(64) NOT NULL,
    plan LONGTEXT NOT NULL,
    state LONGTEXT NOT NULL,
    UNIQUE (app_no, name),
    INDEX campaigns_app (app_no, notification_no),
    INDEX campaigns_parked (parked)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS campaign_failures (
    notification_no BIGINT NOT NULL,
    gateway BIGINT NOT NULL,
    state VARCHAR(64) NOT NULL,
    reason VARCHAR(128) NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (notification_no, gateway, state, reason)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS campaign_chunks (
    notification_no BIGINT NOT NULL,
    wave_at BIGINT NOT NULL,
    chunk_no BIGINT NOT NULL,
    devices LONGBLOB NOT NULL,
    PRIMARY KEY (notification_no, wave_at, chunk_no)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;
