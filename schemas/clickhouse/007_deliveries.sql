-- One row per message, endpoint and attempt; attempt 0 says that the delivery exists and when it is next due.
CREATE TABLE IF NOT EXISTS deliveries
(
    message_id  String,
    endpoint_id String,
    attempt     UInt16,
    user_id     String,
    alert_id    String,
    status      LowCardinality(String) COMMENT 'pending, delivered, failed, dead, stale, cancelled',
    code        UInt16 COMMENT 'HTTP status; 0: no answer',
    error       String,
    duration_ms UInt32,
    at          DateTime64(3, 'UTC'),
    next_at     Nullable(DateTime64(3, 'UTC')),
    version     UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (message_id, endpoint_id, attempt)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480;
