-- Live Activities: each one's timeline and what became of it. What the columns are for is said in SQLite's file.

CREATE TABLE IF NOT EXISTS live_activities (
    activity_no BIGINT PRIMARY KEY,
    app_no BIGINT NOT NULL,
    id VARCHAR(128) NOT NULL,
    fence BIGINT NOT NULL,
    state BIGINT NOT NULL,
    recipient VARCHAR(191) NOT NULL,
    attributes_type VARCHAR(128) NOT NULL,
    plan LONGTEXT NOT NULL,
    run LONGTEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (app_no, id),
    INDEX live_activities_of (app_no, recipient, state),
    INDEX live_activities_over (state, updated_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS live_activity_records (
    record_no BIGINT PRIMARY KEY,
    activity_no BIGINT NOT NULL,
    at BIGINT NOT NULL,
    notification_no BIGINT,
    what LONGTEXT NOT NULL,
    INDEX live_activity_records_of (activity_no, at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS push_to_start (
    device_no BIGINT NOT NULL,
    attributes_type VARCHAR(128) NOT NULL,
    app_no BIGINT NOT NULL,
    push_token_of BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (device_no, attributes_type),
    INDEX push_to_start_app (app_no, device_no)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;
