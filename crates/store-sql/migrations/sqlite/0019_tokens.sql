-- The life of the tokens of Live Activities: who finds that one is dead or that a start was refused tells the activity.

-- Pushes that surely reached nobody, since the last step: JSON, NULL for none.
ALTER TABLE live_activities ADD COLUMN refused TEXT;

-- Whose a push is, whose answer is settled.
CREATE INDEX live_activity_records_sent ON live_activity_records (notification_no);

-- What a push-to-start token that died started.
CREATE INDEX push_to_start_token ON push_to_start (push_token_of);
