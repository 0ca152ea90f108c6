-- Rebuilds of the project into a new epoch, each by its epoch, with the step that it is in:
-- staging, folding, sealing, closing, ending, carrying, switching, done; or given up.
CREATE TABLE IF NOT EXISTS rebuilds
(
    epoch      UInt16,
    topic      String,
    partitions UInt16,
    step       LowCardinality(String),
    `from`     UInt16 COMMENT 'the epoch that it is made from',
    points     Array(UInt64) COMMENT 'by partition of that epoch: what stands before was taken while it was still folded',
    tables     Map(String, UUID) COMMENT 'the new tables that are to stand in the place of the old ones',
    version    UInt64,
    changed_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(version)
ORDER BY epoch
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480;

-- Whether an epoch begins with nothing, its topic holding all that its tables are made of.
ALTER TABLE epochs ADD COLUMN IF NOT EXISTS rebuilt Bool;
