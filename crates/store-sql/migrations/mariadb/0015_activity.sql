-- What devices told of campaigns by receipts. What the columns are for is said in SQLite's file.

CREATE TABLE IF NOT EXISTS activity (
    notification_no BIGINT NOT NULL,
    device_no BIGINT NOT NULL,
    told BIGINT NOT NULL,
    PRIMARY KEY (notification_no, device_no)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;
