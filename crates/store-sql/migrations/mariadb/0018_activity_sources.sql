-- Tables of other programs that Live Activities follow. What the columns are for is said in SQLite's file.

CREATE TABLE IF NOT EXISTS activity_sources (
    app_no BIGINT NOT NULL,
    name VARCHAR(64) NOT NULL,
    report LONGTEXT NOT NULL,
    PRIMARY KEY (app_no, name)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS activity_source_rows (
    app_no BIGINT NOT NULL,
    source VARCHAR(64) NOT NULL,
    id VARCHAR(128) NOT NULL,
    hash BIGINT NOT NULL,
    PRIMARY KEY (app_no, source, id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;
