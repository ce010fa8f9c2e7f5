-- People with many devices: devices that register themselves, and those that were not seen for long.

-- SHA-256 of the secret by which a device that registered itself comes back.
ALTER TABLE devices ADD COLUMN secret_hash BLOB;

CREATE INDEX devices_seen ON devices (app_no, last_seen_at);
