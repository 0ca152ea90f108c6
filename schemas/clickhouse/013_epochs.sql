-- The topics of clicks that this project has had, one an epoch: partitions never grow in place. A project that
-- never grew has no row. A row stands here before the first record of its topic is folded.
CREATE TABLE IF NOT EXISTS epochs
(
    epoch      UInt16,
    topic      String,
    partitions UInt16,
    began_at   DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(began_at)
ORDER BY epoch
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480;

-- As in 010, but a user is of the partition that owns him in the newest epoch, whenever his row was written.
CREATE OR REPLACE VIEW users_now AS
WITH
    7776000000 AS days_90_ms,
    ifNull((SELECT argMax(partitions, epoch) FROM epochs WHERE epoch > 0), 0) AS grown,
    clocks AS
    (
        SELECT partition, clock, clock_day, toUnixTimestamp64Milli(assumeNotNull(clock)) AS clock_ms
        FROM progress FINAL
        WHERE endsWith(topic, 'clicks') AND clock IS NOT NULL
        ORDER BY epoch DESC
        LIMIT 1 BY partition
    ),
    facts AS
    (
        SELECT
            * EXCEPT (state),
            toUnixTimestamp64Milli(first_seen) AS first_seen_ms,
            toUnixTimestamp64Milli(last_purchase) AS last_purchase_ms,
            toUnixTimestamp64Milli(returned_at) AS returned_at_ms,
            clock_ms - toUnixTimestamp64Milli(last_seen) AS quiet_ms,
            arraySort(arrayFilter(d -> d > clock_day - 90 AND d <= clock_day, active_days)) AS days,
            arraySort(arrayPopFront(arrayDifference(days))) AS gaps,
            length(gaps) AS gap_count,
            arrayMap(t -> toUnixTimestamp64Milli(t) > clock_ms - days_90_ms AND toUnixTimestamp64Milli(t) <= clock_ms, money_times) AS recent
        FROM users AS u FINAL
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
    arrayCount(d -> d > clock_day - 7, days) AS active_days_7,
    arrayCount(d -> d > clock_day - 28, days) AS active_days_28,
    toUInt32(length(days)) AS active_days_90,
    arrayCount((one, order) -> one AND order = 1, recent, money_orders) AS orders_90,
    greatest(arraySum((one, amount) -> if(one, amount, toDecimal64(0, 4)), recent, money_amounts), toDecimal128(0, 4)) AS value_90,
    if(gap_count >= 5, (gaps[intDiv(gap_count + 1, 2)] + gaps[intDiv(gap_count, 2) + 1]) * 43200000, NULL) AS usual_gap_ms,
    quiet_ms / usual_gap_ms AS quiet_ratio,
    if(sessions > 0, session_ms_sum / sessions, NULL) AS mean_session_ms,
    if(sessions > 0, bounces / sessions, NULL) AS bounce_share,
    value_at_silence,
    tier,
    segments,
    multiIf(
        clock_ms - last_purchase_ms >= 2160000000, 'churned',
        quiet_ratio > 3, 'quiet',
        quiet_ratio > 1.5, 'slowing',
        clock_ms < returned_at_ms + 604800000, 'returned',
        clock_ms < first_seen_ms + 604800000, 'new',
        'active') AS state
FROM facts;
