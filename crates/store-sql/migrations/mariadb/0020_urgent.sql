-- The budget of pushes at once of Live Activities. What the columns are for is said in SQLite's file.

CREATE TABLE IF NOT EXISTS live_activity_urgent (
    device_no BIGINT NOT NULL,
    minute BIGINT NOT NULL,
    pushes BIGINT NOT NULL,
    PRIMARY KEY (device_no, minute),
    INDEX live_activity_urgent_old (minute)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;
