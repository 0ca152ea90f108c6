-- What each audit found, one row for each kind of check: whether the tables say what the clicks say.
CREATE TABLE IF NOT EXISTS audits
(
    started_at  DateTime64(3, 'UTC'),
    kind        LowCardinality(String) COMMENT 'log, verdicts, sessions, users, days, alerts, progress',
    checked     UInt64 COMMENT 'rows or records compared',
    differences UInt64,
    examples    Array(String) COMMENT 'the first differences, a sentence each',
    notes       Array(String) COMMENT 'what could not be audited, and why',
    finished_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(finished_at)
ORDER BY (started_at, kind)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480;
