CREATE TABLE ebb.alerts
(
    `message_id` String,
    `alert_id` String,
    `rule_id` LowCardinality(String),
    `rule_version` UInt32,
    `slot` UInt16,
    `user_id` String,
    `status` LowCardinality(String) COMMENT 'fired, stale, held_out, suppressed, resolved, cancelled',
    `reason` LowCardinality(String) COMMENT 'of a resolved one: returned or late',
    `since` DateTime64(3, 'UTC'),
    `due` DateTime64(3, 'UTC'),
    `threshold_ms` UInt64,
    `covers_ms` Array(UInt64),
    `tier` LowCardinality(String),
    `value` Decimal(18, 4) COMMENT 'of the 90 days before the silence: what is at stake',
    `send` Bool COMMENT 'whether a webhook carries it',
    `body` String CODEC(ZSTD(1)),
    `clock` DateTime64(3, 'UTC') COMMENT 'the partition\'s clock at the record that made it',
    `epoch` UInt16,
    `partition` UInt16,
    `offset` UInt64,
    `precedence` UInt64
)
ENGINE = ReplacingMergeTree(precedence)
ORDER BY (message_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192, merge_selector_base = 9;

CREATE TABLE ebb.audits
(
    `started_at` DateTime64(3, 'UTC'),
    `kind` LowCardinality(String) COMMENT 'log, verdicts, sessions, users, days, alerts, progress',
    `checked` UInt64 COMMENT 'rows or records compared',
    `differences` UInt64,
    `examples` Array(String) COMMENT 'the first differences, a sentence each',
    `notes` Array(String) COMMENT 'what could not be audited, and why',
    `finished_at` DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(finished_at)
ORDER BY (started_at, kind)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192;

CREATE TABLE ebb.claims
(
    `claim` UUID,
    `command` String COMMENT 'which one it is, and where, for a person',
    `seen_at` DateTime64(3, 'UTC') COMMENT 'by the clock of ClickHouse',
    `ended` Bool
)
ENGINE = MergeTree
ORDER BY (claim, seen_at)
TTL toDateTime(seen_at) + toIntervalDay(7)
SETTINGS index_granularity = 8192;

CREATE TABLE ebb.clicks
(
    `slot` UInt16,
    `user_id` String,
    `timestamp` DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    `event_id` String,
    `type` LowCardinality(String),
    `name` LowCardinality(String),
    `anonymous_id` Nullable(String),
    `received_at` DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    `url` Nullable(String),
    `referrer` Nullable(String),
    `value` Nullable(Float64),
    `currency` LowCardinality(Nullable(String)),
    `order_id` Nullable(String),
    `properties` String CODEC(ZSTD(1)),
    `context` String CODEC(ZSTD(1)),
    `imported` Bool,
    `verdict` Enum8('accepted' = 1, 'late' = 2, 'aside' = 3),
    `purchase` Bool COMMENT 'counted as an order: its money is in `amount`',
    `amount` Decimal(18, 4) COMMENT 'what it moved: an order counted once, or minus a refund',
    `clock` DateTime64(3, 'UTC') COMMENT 'the partition\'s clock when it was judged',
    `epoch` UInt16,
    `partition` UInt16,
    `offset` UInt64,
    `precedence` UInt64,
    INDEX offset_range offset TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(precedence)
ORDER BY (slot, user_id, timestamp, event_id)
SETTINGS non_replicated_deduplication_window = 0, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192, merge_selector_base = 9;

CREATE TABLE ebb.controls
(
    `kind` LowCardinality(String) COMMENT 'settings, cutoffs, model',
    `revision` UInt64,
    `value` String COMMENT 'as JSON',
    `changed_at` DateTime64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (kind, revision)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192;

CREATE TABLE ebb.deliveries
(
    `message_id` String,
    `endpoint_id` String,
    `attempt` UInt16,
    `user_id` String,
    `alert_id` String,
    `status` LowCardinality(String) COMMENT 'pending, delivered, failed, dead, stale, cancelled',
    `code` UInt16 COMMENT 'HTTP status; 0: no answer',
    `error` String,
    `duration_ms` UInt32,
    `at` DateTime64(3, 'UTC'),
    `next_at` Nullable(DateTime64(3, 'UTC')),
    `version` UInt64,
    `epoch` UInt16,
    `offset` UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (message_id, endpoint_id, attempt)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192, merge_selector_base = 9;

CREATE TABLE ebb.endpoints
(
    `endpoint_id` String,
    `revision` UInt64,
    `url` String,
    `secret` String COMMENT 'sealed',
    `disabled` Bool,
    `removed` Bool,
    `changed_at` DateTime64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (endpoint_id, revision)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192;

CREATE TABLE ebb.epochs
(
    `epoch` UInt16,
    `topic` String,
    `partitions` UInt16,
    `began_at` DateTime64(3, 'UTC'),
    `rebuilt` Bool
)
ENGINE = ReplacingMergeTree(began_at)
ORDER BY epoch
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192;

CREATE TABLE ebb.erasures
(
    `slot` UInt16,
    `user_hash` String COMMENT 'SHA-256 of the user\'s id, in hex',
    `epoch` UInt16,
    `partition` UInt16,
    `offset` UInt64,
    `version` UInt64 COMMENT 'of rows made at that place',
    `erased_at` DateTime64(3, 'UTC'),
    `times` UInt16
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (slot, user_hash)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192;

CREATE TABLE ebb.migrations
(
    `number` UInt32,
    `name` String,
    `sha256` FixedString(64),
    `at` DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(at)
ORDER BY number
SETTINGS index_granularity = 8192;

CREATE TABLE ebb.progress
(
    `topic` String,
    `partition` UInt16,
    `epoch` UInt16,
    `next_offset` UInt64 COMMENT 'the first record whose effects may be missing',
    `clock` Nullable(DateTime64(3, 'UTC')),
    `clock_day` Int32 COMMENT 'day of the clock in the project\'s zone, days since 1970-01-01; -1 before the first record',
    `held` LowCardinality(String) COMMENT 'why alert timers wait: import, hole, low intake; empty while they do not',
    `state` String CODEC(ZSTD(1)),
    `last_hash` String COMMENT 'of the record before next_offset, to tell this log from another',
    `version` UInt64,
    `written_at` DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (topic, partition)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192, merge_selector_base = 9;

CREATE TABLE ebb.rebuilds
(
    `epoch` UInt16,
    `topic` String,
    `partitions` UInt16,
    `step` LowCardinality(String),
    `from` UInt16 COMMENT 'the epoch that it is made from',
    `points` Array(UInt64) COMMENT 'by partition of that epoch: what stands before was taken while it was still folded',
    `tables` Map(String, UUID) COMMENT 'the new tables that are to stand in the place of the old ones',
    `version` UInt64,
    `changed_at` DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(version)
ORDER BY epoch
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192;

CREATE TABLE ebb.rejects
(
    `source` LowCardinality(String) COMMENT 'log: read from the topic; collector, import: refused at the door, never on the log',
    `epoch` UInt16,
    `partition` UInt16,
    `offset` UInt64 COMMENT 'of the log; for an import its line, for a collector a count',
    `index` UInt32 COMMENT 'place within a batch, else 0',
    `kind` Enum8('duplicate' = 1, 'late' = 2, 'aside' = 3, 'quarantined' = 4, 'dead' = 5),
    `reason` LowCardinality(String),
    `detail` String COMMENT 'a sentence',
    `user_id` String,
    `event_id` String,
    `timestamp` Nullable(DateTime64(3, 'UTC')),
    `bytes` String COMMENT 'what came, at most 64 KiB of it; empty where `clicks` has it' CODEC(ZSTD(1)),
    `clock` DateTime64(3, 'UTC'),
    `seen_at` DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY (source, epoch, partition, offset, index)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192, merge_selector_base = 9;

CREATE TABLE ebb.rules
(
    `rule_id` String,
    `revision` UInt64,
    `rule` String COMMENT 'as JSON',
    `removed` Bool,
    `changed_at` DateTime64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (rule_id, revision)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192;

CREATE TABLE ebb.sessions
(
    `slot` UInt16,
    `user_id` String,
    `session_id` String,
    `part` UInt32,
    `start` DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    `end` DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    `clicks` UInt32,
    `first_event` LowCardinality(String),
    `last_event` LowCardinality(String),
    `value` Decimal(18, 4) COMMENT 'orders first counted in this session\'s clicks',
    `final` Bool,
    `epoch` UInt16,
    `partition` UInt16,
    `version` UInt64,
    `is_deleted` UInt8 DEFAULT 0
)
ENGINE = ReplacingMergeTree(version, is_deleted)
ORDER BY (slot, user_id, session_id, part)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192, merge_selector_base = 9;

CREATE TABLE ebb.user_days
(
    `day` Date,
    `slot` UInt16,
    `user_id` String,
    `clicks` UInt32 COMMENT 'accepted and late',
    `orders` UInt32,
    `value` Decimal(18, 4) COMMENT 'orders counted on this day, before refunds',
    `refunds` Decimal(18, 4) COMMENT 'refunds of this day',
    `epoch` UInt16,
    `partition` UInt16,
    `version` UInt64,
    `is_deleted` UInt8 DEFAULT 0
)
ENGINE = ReplacingMergeTree(version, is_deleted)
ORDER BY (day, slot, user_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192, merge_selector_base = 9;

CREATE TABLE ebb.users
(
    `slot` UInt16,
    `user_id` String,
    `first_seen` Nullable(DateTime64(3, 'UTC')),
    `last_seen` Nullable(DateTime64(3, 'UTC')),
    `last_event` String,
    `last_purchase` Nullable(DateTime64(3, 'UTC')),
    `returned_at` Nullable(DateTime64(3, 'UTC')),
    `clicks` UInt64,
    `sessions` UInt64,
    `session_ms_sum` UInt64 COMMENT 'final and open sessions',
    `bounces` UInt64,
    `active_days` Array(UInt16) COMMENT 'days since 1970-01-01 in the project\'s zone: the last 91 up to last_seen',
    `money_times` Array(DateTime64(3, 'UTC')) COMMENT 'orders and refunds of at least the last 90 days',
    `money_amounts` Array(Decimal(18, 4)),
    `money_orders` Array(UInt8) COMMENT '1: an order, 0: a refund of its own',
    `value_at_silence` Decimal(18, 4) COMMENT 'value of the 90 days before the last activity',
    `tier` LowCardinality(String) COMMENT 'high or empty; by value_at_silence',
    `segments` Array(String),
    `state` String CODEC(ZSTD(1)),
    `epoch` UInt16,
    `partition` UInt16,
    `version` UInt64,
    `is_deleted` UInt8 DEFAULT 0
)
ENGINE = ReplacingMergeTree(version, is_deleted)
ORDER BY (slot, user_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480, index_granularity = 8192, merge_selector_base = 9;

CREATE VIEW ebb.users_now
(
    `slot` UInt16,
    `user_id` String,
    `partition` UInt16,
    `clock` Nullable(DateTime64(3, 'UTC')),
    `first_seen` Nullable(DateTime64(3, 'UTC')),
    `last_seen` Nullable(DateTime64(3, 'UTC')),
    `last_event` String,
    `last_purchase` Nullable(DateTime64(3, 'UTC')),
    `returned_at` Nullable(DateTime64(3, 'UTC')),
    `clicks` UInt64,
    `sessions` UInt64,
    `quiet_ms` Nullable(Int64),
    `active_days_7` UInt32,
    `active_days_28` UInt32,
    `active_days_90` UInt32,
    `orders_90` UInt32,
    `value_90` Decimal(38, 4),
    `usual_gap_ms` Nullable(Int64),
    `quiet_ratio` Nullable(Float64),
    `mean_session_ms` Nullable(Float64),
    `bounce_share` Nullable(Float64),
    `value_at_silence` Decimal(18, 4),
    `tier` LowCardinality(String),
    `segments` Array(String),
    `state` String
)
AS WITH
    7776000000 AS days_90_ms,
    ifNull((
        SELECT argMax(partitions, epoch)
        FROM ebb.epochs
        WHERE epoch > 0
    ), 0) AS grown,
    clocks AS
    (
        SELECT
            partition,
            clock,
            clock_day,
            toUnixTimestamp64Milli(assumeNotNull(clock)) AS clock_ms
        FROM ebb.progress
        FINAL
        WHERE endsWith(topic, 'clicks') AND (clock IS NOT NULL)
        ORDER BY epoch DESC
        LIMIT 1 BY partition
    ),
    facts AS
    (
        SELECT
            * EXCEPT state,
            toUnixTimestamp64Milli(first_seen) AS first_seen_ms,
            toUnixTimestamp64Milli(last_purchase) AS last_purchase_ms,
            toUnixTimestamp64Milli(returned_at) AS returned_at_ms,
            clock_ms - toUnixTimestamp64Milli(last_seen) AS quiet_ms,
            arraySort(arrayFilter(d -> ((d > (clock_day - 90)) AND (d <= clock_day)), active_days)) AS days,
            arraySort(arrayPopFront(arrayDifference(days))) AS gaps,
            length(gaps) AS gap_count,
            arrayMap(t -> ((toUnixTimestamp64Milli(t) > (clock_ms - days_90_ms)) AND (toUnixTimestamp64Milli(t) <= clock_ms)), money_times) AS recent
        FROM ebb.users AS u
        FINAL
        INNER JOIN clocks ON clocks.partition = if(grown > 0, u.slot % greatest(grown, 1), u.partition)
    )
SELECT
    slot,
    user_id,
    partition,
    clock,
    first_seen,
    last_seen,
    last_event,
    last_purchase,
    returned_at,
    clicks,
    sessions,
    quiet_ms,
    arrayCount(d -> (d > (clock_day - 7)), days) AS active_days_7,
    arrayCount(d -> (d > (clock_day - 28)), days) AS active_days_28,
    toUInt32(length(days)) AS active_days_90,
    arrayCount((one, order) -> (one AND (order = 1)), recent, money_orders) AS orders_90,
    greatest(arraySum((one, amount) -> if(one, amount, toDecimal64(0, 4)), recent, money_amounts), toDecimal128(0, 4)) AS value_90,
    if(gap_count >= 5, ((gaps[intDiv(gap_count + 1, 2)]) + (gaps[intDiv(gap_count, 2) + 1])) * 43200000, NULL) AS usual_gap_ms,
    quiet_ms / usual_gap_ms AS quiet_ratio,
    if(sessions > 0, session_ms_sum / sessions, NULL) AS mean_session_ms,
    if(sessions > 0, bounces / sessions, NULL) AS bounce_share,
    value_at_silence,
    tier,
    segments,
    multiIf((clock_ms - last_purchase_ms) >= 2160000000, 'churned', quiet_ratio > 3, 'quiet', quiet_ratio > 1.5, 'slowing', clock_ms < (returned_at_ms + 604800000), 'returned', clock_ms < (first_seen_ms + 604800000), 'new', 'active') AS state
FROM facts;
