-- What shapes all partitions alike, every revision: settings, cutoffs, model. Broadcast to each partition
-- until its progress shows the revision; rules have a table of their own.
CREATE TABLE IF NOT EXISTS controls
(
    kind       LowCardinality(String) COMMENT 'settings, cutoffs, model',
    revision   UInt64,
    value      String COMMENT 'as JSON',
    changed_at DateTime64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (kind, revision)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480;
