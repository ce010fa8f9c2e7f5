-- What devices told of campaigns by receipts. What the columns are for is said in SQLite's file.

CREATE TABLE activity (
    notification_no BIGINT NOT NULL,
    device_no BIGINT NOT NULL,
    told BIGINT NOT NULL,
    PRIMARY KEY (notification_no, device_no)
);
