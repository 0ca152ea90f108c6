-- Which command grows or rebuilds the project now: one at a time. A row is a sign of life of one, or its end.
CREATE TABLE IF NOT EXISTS claims
(
    claim   UUID,
    command String COMMENT 'which one it is, and where, for a person',
    seen_at DateTime64(3, 'UTC') COMMENT 'by the clock of ClickHouse',
    ended   Bool
)
ENGINE = MergeTree
ORDER BY (claim, seen_at)
TTL toDateTime(seen_at) + INTERVAL 7 DAY;
