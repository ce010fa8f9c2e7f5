-- What devices told of campaigns by receipts, so that segments can ask it.

-- told: 1 it arrived, 2 it was opened.
CREATE TABLE activity (
    notification_no INTEGER NOT NULL,
    device_no INTEGER NOT NULL,
    told INTEGER NOT NULL,
    PRIMARY KEY (notification_no, device_no)
) STRICT, WITHOUT ROWID;
