-- Alert rules and webhook endpoints, every revision; the newest one counts. Secrets are sealed (AES-256-GCM).
CREATE TABLE IF NOT EXISTS rules
(
    rule_id    String,
    revision   UInt64,
    rule       String COMMENT 'as JSON',
    removed    Bool,
    changed_at DateTime64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (rule_id, revision)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480;

CREATE TABLE IF NOT EXISTS endpoints
(
    endpoint_id String,
    revision    UInt64,
    url         String,
    secret      String COMMENT 'sealed',
    disabled    Bool,
    removed     Bool,
    changed_at  DateTime64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (endpoint_id, revision)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480;
