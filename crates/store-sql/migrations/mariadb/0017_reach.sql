-- What is to be asked of a gateway for Live Activities. What the columns are for is said in SQLite's file.

CREATE TABLE IF NOT EXISTS live_activity_errands (
    activity_no BIGINT PRIMARY KEY,
    due_at BIGINT NOT NULL,
    INDEX live_activity_errands_due (due_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;
