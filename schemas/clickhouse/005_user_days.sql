-- Activity and money of a user on a day of the project's zone. Snapshots: the newest version counts.
CREATE TABLE IF NOT EXISTS user_days
(
    day       Date,
    slot      UInt16,
    user_id   String,
    clicks    UInt32 COMMENT 'accepted and late',
    orders    UInt32,
    value     Decimal(18, 4) COMMENT 'orders counted on this day, before refunds',
    refunds   Decimal(18, 4) COMMENT 'refunds of this day',
    epoch     UInt16,
    partition UInt16,
    version   UInt64,
    is_deleted UInt8 DEFAULT 0
)
ENGINE = ReplacingMergeTree(version, is_deleted)
ORDER BY (day, slot, user_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480;
