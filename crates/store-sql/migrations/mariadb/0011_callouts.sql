-- What came of asking Apps' own code. A run is open while finished_at is NULL; its timer is then due again when
-- the asking should long be over.

CREATE TABLE IF NOT EXISTS callout_runs (
    run_no BIGINT PRIMARY KEY,
    definition_no BIGINT NOT NULL,
    schedule_no BIGINT NOT NULL,
    timer_no BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    opened_at BIGINT NOT NULL,
    started_at BIGINT,
    begun BIGINT NOT NULL,
    finished_at BIGINT,
    attempts BIGINT NOT NULL,
    result BIGINT NOT NULL,
    notification_no BIGINT,
    code LONGTEXT,
    message LONGTEXT,
    INDEX callout_runs_of (definition_no, run_no),
    INDEX callout_runs_open (timer_no, finished_at),
    INDEX callout_runs_opened (opened_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4
  COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;
