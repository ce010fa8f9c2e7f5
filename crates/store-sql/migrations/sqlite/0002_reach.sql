-- Devices on several gateways: what they run on, what they are subscribed to, what else is known of them.

ALTER TABLE devices ADD COLUMN platform TEXT;
ALTER TABLE devices ADD COLUMN topics TEXT;
ALTER TABLE devices ADD COLUMN attributes TEXT;

-- Who is subscribed to what, in the order in which a fan-out walks.
CREATE TABLE topic_devices (
    app_no INTEGER NOT NULL,
    topic TEXT NOT NULL,
    device_no INTEGER NOT NULL,
    PRIMARY KEY (app_no, topic, device_no)
) STRICT, WITHOUT ROWID;
CREATE INDEX topic_devices_device ON topic_devices (device_no);
