-- Every distinct click with its verdict. Identity: user, event time, event id.
-- Of several rows of one identity the accepted one stays, then the one with the lowest offset (`precedence`).
CREATE TABLE IF NOT EXISTS clicks
(
    slot         UInt16,
    user_id      String,
    timestamp    DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    event_id     String,
    type         LowCardinality(String),
    name         LowCardinality(String),
    anonymous_id Nullable(String),
    received_at  DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    url          Nullable(String),
    referrer     Nullable(String),
    value        Nullable(Float64),
    currency     LowCardinality(Nullable(String)),
    order_id     Nullable(String),
    properties   String CODEC(ZSTD),
    context      String CODEC(ZSTD),
    imported     Bool,
    verdict      Enum8('accepted' = 1, 'late' = 2, 'aside' = 3),
    purchase     Bool COMMENT 'counted as an order: its money is in `amount`',
    amount       Decimal(18, 4) COMMENT 'what it moved: an order counted once, or minus a refund',
    clock        DateTime64(3, 'UTC') COMMENT 'the partition''s clock when it was judged',
    epoch        UInt16,
    partition    UInt16,
    offset       UInt64,
    precedence   UInt64
)
ENGINE = ReplacingMergeTree(precedence)
ORDER BY (slot, user_id, timestamp, event_id)
SETTINGS non_replicated_deduplication_window = 0, fsync_after_insert = 1, fsync_part_directory = 1,
         min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480;
