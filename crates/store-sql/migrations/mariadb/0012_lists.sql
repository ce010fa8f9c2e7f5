-- Lists: devices that were uploaded under a name. What the columns are for is said in SQLite's file.

CREATE TABLE IF NOT EXISTS lists (
    list_no BIGINT PRIMARY KEY,
    app_no BIGINT NOT NULL,
    since BIGINT NOT NULL,
    definition_no BIGINT
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

CREATE TABLE IF NOT EXISTS list_chunks (
    list_no BIGINT NOT NULL,
    last_device BIGINT NOT NULL,
    devices LONGBLOB NOT NULL,
    PRIMARY KEY (list_no, last_device)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;
