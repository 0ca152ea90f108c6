-- Who was erased, by the hash of his id, and the last place in the clicks up to which nothing of him may stand here.
-- An insert that began before an erasure may be applied after it: by these rows such rows are neither read nor kept.
CREATE TABLE IF NOT EXISTS erasures
(
    slot      UInt16,
    user_hash String COMMENT 'SHA-256 of the user''s id, in hex',
    epoch     UInt16,
    partition UInt16,
    offset    UInt64,
    version   UInt64 COMMENT 'of rows made at that place',
    erased_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (slot, user_hash)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480;

-- The place in the clicks of the record that made the alert; 0 and 0 in rows of before it was kept.
ALTER TABLE deliveries ADD COLUMN IF NOT EXISTS epoch UInt16;
ALTER TABLE deliveries ADD COLUMN IF NOT EXISTS offset UInt64;
