-- Everything on the log that is no new accepted click, by its place: duplicates, quarantined, dead;
-- late and aside ones too (their content is in `clicks`), so that the log can be accounted for.
-- A late or aside row whose (epoch, partition, offset) is not in `clicks` is a second copy: a duplicate.
CREATE TABLE IF NOT EXISTS rejects
(
    source     LowCardinality(String) COMMENT 'log: read from the topic; collector, import: refused at the door, never on the log',
    epoch      UInt16,
    partition  UInt16,
    offset     UInt64 COMMENT 'of the log; for an import its line, for a collector a count',
    `index`    UInt32 COMMENT 'place within a batch, else 0',
    kind       Enum8('duplicate' = 1, 'late' = 2, 'aside' = 3, 'quarantined' = 4, 'dead' = 5),
    reason     LowCardinality(String),
    detail     String COMMENT 'a sentence',
    user_id    String,
    event_id   String,
    timestamp  Nullable(DateTime64(3, 'UTC')),
    bytes      String COMMENT 'what came, at most 64 KiB of it; empty where `clicks` has it' CODEC(ZSTD),
    clock      DateTime64(3, 'UTC'),
    seen_at    DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY (source, epoch, partition, offset, index)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480;
