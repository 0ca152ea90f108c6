-- One row per user: facts only, nothing that mere time changes (that is in users_now).
-- `state` is the whole state of the fold for this user: what a processor starts from.
CREATE TABLE IF NOT EXISTS users
(
    slot             UInt16,
    user_id          String,
    first_seen       Nullable(DateTime64(3, 'UTC')),
    last_seen        Nullable(DateTime64(3, 'UTC')),
    last_event       String,
    last_purchase    Nullable(DateTime64(3, 'UTC')),
    returned_at      Nullable(DateTime64(3, 'UTC')),
    clicks           UInt64,
    sessions         UInt64,
    session_ms_sum   UInt64 COMMENT 'final and open sessions',
    bounces          UInt64,
    active_days      Array(UInt16) COMMENT 'days since 1970-01-01 in the project''s zone: the last 91 up to last_seen',
    money_times      Array(DateTime64(3, 'UTC')) COMMENT 'orders and refunds of at least the last 90 days',
    money_amounts    Array(Decimal(18, 4)),
    money_orders     Array(UInt8) COMMENT '1: an order, 0: a refund of its own',
    value_at_silence Decimal(18, 4) COMMENT 'value of the 90 days before the last activity',
    tier             LowCardinality(String) COMMENT 'high or empty; by value_at_silence',
    segments         Array(String),
    state            String CODEC(ZSTD),
    epoch            UInt16,
    partition        UInt16,
    version          UInt64,
    is_deleted       UInt8 DEFAULT 0
)
ENGINE = ReplacingMergeTree(version, is_deleted)
ORDER BY (slot, user_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480;
