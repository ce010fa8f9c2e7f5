-- The life of the tokens of Live Activities. What the columns are for is said in SQLite's file.

ALTER TABLE live_activities ADD COLUMN refused TEXT COLLATE "C";
CREATE INDEX live_activity_records_sent ON live_activity_records (notification_no);
CREATE INDEX push_to_start_token ON push_to_start (push_token_of);
