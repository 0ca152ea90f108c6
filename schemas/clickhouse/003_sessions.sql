-- Sessions, final and open. A session cut by a cap has several parts under one id.
-- An id that was swallowed by a merge stays as a deleted row (a tombstone).
CREATE TABLE IF NOT EXISTS sessions
(
    slot        UInt16,
    user_id     String,
    session_id  String,
    part        UInt32,
    start       DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    end         DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    clicks      UInt32,
    first_event LowCardinality(String),
    last_event  LowCardinality(String),
    value       Decimal(18, 4) COMMENT 'orders first counted in this session''s clicks',
    final       Bool,
    epoch       UInt16,
    partition   UInt16,
    version     UInt64,
    is_deleted  UInt8 DEFAULT 0
)
ENGINE = ReplacingMergeTree(version, is_deleted)
ORDER BY (slot, user_id, session_id, part)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480;
