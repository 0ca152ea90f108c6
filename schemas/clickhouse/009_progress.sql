-- How far each partition's effects are in these tables, and the partition's whole state as of there.
-- It may trail the data, never lead it.
CREATE TABLE IF NOT EXISTS progress
(
    topic       String,
    partition   UInt16,
    epoch       UInt16,
    next_offset UInt64 COMMENT 'the first record whose effects may be missing',
    clock       Nullable(DateTime64(3, 'UTC')),
    clock_day   Int32 COMMENT 'day of the clock in the project''s zone, days since 1970-01-01; -1 before the first record',
    held        LowCardinality(String) COMMENT 'why alert timers wait: import, hole, low intake; empty while they do not',
    state       String CODEC(ZSTD),
    last_hash   String COMMENT 'of the record before next_offset, to tell this log from another',
    version     UInt64,
    written_at  DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (topic, partition)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480;
