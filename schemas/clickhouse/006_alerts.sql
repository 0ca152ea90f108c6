-- Every transition of every silence. One row per message; the body is frozen at first sight.
CREATE TABLE IF NOT EXISTS alerts
(
    message_id   String,
    alert_id     String,
    rule_id      LowCardinality(String),
    rule_version UInt32,
    slot         UInt16,
    user_id      String,
    status       LowCardinality(String) COMMENT 'fired, stale, held_out, suppressed, resolved, cancelled',
    reason       LowCardinality(String) COMMENT 'of a resolved one: returned or late',
    since        DateTime64(3, 'UTC'),
    due          DateTime64(3, 'UTC'),
    threshold_ms UInt64,
    covers_ms    Array(UInt64),
    tier         LowCardinality(String),
    value        Decimal(18, 4) COMMENT 'of the 90 days before the silence: what is at stake',
    send         Bool COMMENT 'whether a webhook carries it',
    body         String CODEC(ZSTD),
    clock        DateTime64(3, 'UTC') COMMENT 'the partition''s clock at the record that made it',
    epoch        UInt16,
    partition    UInt16,
    offset       UInt64,
    precedence   UInt64
)
ENGINE = ReplacingMergeTree(precedence)
ORDER BY (message_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480;
