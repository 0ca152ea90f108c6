/**
 * The figures of the page: each one SQL statement and, beside it, the rule in the words that the page prints
 * next to the figure (pages.ts puts them into the HTML, so that they cannot drift apart).
 *
 * Parameters: today = the day of the project's clock in its zone, as days since 1970-01-01;
 * clock_ms = the project's clock. All rows are read by their newest version (FINAL).
 */

export interface Figure {
  readonly rule: string
  readonly sql: string
}

const dayMs = 86_400_000
/** A high-value user whose last activity is older has no value of the last 90 days left: gone, not at risk. */
export const horizonMs = 90 * dayMs
const riskRowsMax = 100
const alertRowsMax = 14
export const lifecycleDays = 30
export const cohortCount = 12

/** Who has too few visits for a usual gap of his own is measured against this one. */
const assumedGapMs = 5 * dayMs
const overdue = `coalesce(quiet_ratio, quiet_ms / ${assumedGapMs})`
const highAndNear = `tier = 'high' AND quiet_ms <= ${horizonMs}`

/** Money comes as strings; -1 stands for the day before the first record. */
export const position: Figure = {
  rule: 'Rows that reached the table of clicks, per second of your clock, over the last 5 s.',
  sql: `SELECT toUnixTimestamp64Milli(max(clock)) AS clock_ms, max(clock_day) AS clock_day,
               sum(next_offset) AS records, (SELECT count() FROM clicks) AS clicks
        FROM progress FINAL WHERE endsWith(topic, 'clicks')`,
}

export const openSessions: Figure = {
  rule: 'Sessions not yet final: the project clock has not passed the last click by the gap (30 min unless set) and the disorder.',
  sql: `SELECT uniqExact(session_id) AS open FROM sessions FINAL WHERE NOT final`,
}

export const riskByStage: Figure = {
  rule: 'High value: the top 20 % of paying users by the money of 90 days. At risk: silent for more than 1.5 times the usual gap between active days (quiet: 3 times), and for at most 90 days. At stake: the money of the 90 days before the silence.',
  sql: `SELECT multiIf(${overdue} > 3, 'quiet', ${overdue} > 1.5, 'slowing', 'inRhythm') AS stage,
               count() AS users, sum(value_at_silence) AS money
        FROM users_now WHERE ${highAndNear} GROUP BY stage`,
}

export const riskUsers: Figure = {
  rule: `Usual gap: median over the active days of the last 90, from 5 gaps on; below that 5 days are assumed. The list holds the ${riskRowsMax} with the most at stake.`,
  sql: `SELECT user_id, toUnixTimestamp64Milli(clock) - quiet_ms AS since_ms, usual_gap_ms,
               ${overdue} AS overdue, value_at_silence AS money, state, segments
        FROM users_now WHERE ${highAndNear} AND ${overdue} > 1.5
        ORDER BY money DESC, user_id LIMIT ${riskRowsMax}`,
}

export const cameBack: Figure = {
  rule: 'Users who came back after an alert had gone out, in the last 30 days. Whether the alert did it, only a holdout can tell.',
  sql: `SELECT count() AS users, sum(money) AS money FROM (
          SELECT user_id, argMax(value, clock) AS money FROM alerts FINAL
          WHERE status = 'resolved' AND reason = 'returned'
            AND toUnixTimestamp64Milli(clock) > {clock_ms:Int64} - ${30 * dayMs}
            AND alert_id IN (SELECT alert_id FROM alerts FINAL WHERE status = 'fired')
          GROUP BY user_id)`,
}

export const activeUsers: Figure = {
  rule: 'Distinct users with a click today, in the last 7 and in the last 30 days, today included, by the project clock. Stickiness: mean of the daily figure over those 30 days (from the first day of the project) / users of 30 days.',
  sql: `SELECT uniqExactIf(user_id, toInt32(day) = {today:Int32}) AS today,
               uniqExactIf(user_id, toInt32(day) > {today:Int32} - 7) AS week,
               uniqExact(user_id) AS month, count() AS user_days,
               (SELECT toInt32(min(day)) FROM user_days) AS first_day
        FROM user_days FINAL
        WHERE day > toDate({today:Int32} - 30) AND day <= toDate({today:Int32}) AND clicks > 0`,
}

export const lifecycle: Figure = {
  rule: 'New: first click ever on that day. Returning: also active the day before. Resurrecting: not the day before, but earlier. Dormant: active the day before and not on that day; today that means not yet.',
  sql: `SELECT at AS day, countIf(here) AS active, countIf(here AND first_day = at) AS new,
               countIf(here AND before) AS returning,
               countIf(here AND NOT before AND first_day < at) AS resurrecting,
               countIf(NOT here AND before) AS dormant
        FROM (
          SELECT first_day, at, has(days, at) AS here, has(days, at - 1) AS before
          FROM (
            SELECT min(toInt32(day)) AS first_day,
                   groupUniqArrayIf(toInt32(day), toInt32(day) >= {today:Int32} - ${lifecycleDays}) AS days
            FROM user_days FINAL WHERE clicks > 0 AND day <= toDate({today:Int32}) GROUP BY user_id
          ) ARRAY JOIN arrayDistinct(arrayConcat(days, arrayMap(d -> d + 1, days))) AS at
        ) WHERE at > {today:Int32} - ${lifecycleDays} AND at <= {today:Int32}
        GROUP BY at ORDER BY at`,
}

/** `unit` is 1 (days) or 7 (weeks from Monday: day 4 of 1970 was one, hence the + 3). */
export const retention: Figure = {
  rule: 'Return on: users active on exactly that day (week) after their first / users of the cohort. Cohort: the day (week from Monday) of the first click. Hatched: still running, left out of the mean. Mean: all returned / all users, complete cells only.',
  sql: `SELECT cohort, intDiv(period - cohort, {unit:Int32}) AS step, count() AS users
        FROM (
          SELECT min(start) AS cohort, groupUniqArray(start) AS periods
          FROM (
            SELECT user_id, toInt32(day) - (toInt32(day) + 3) % {unit:Int32} AS start
            FROM user_days FINAL WHERE clicks > 0 AND day <= toDate({today:Int32})
          ) GROUP BY user_id HAVING cohort >= {from:Int32}
        ) ARRAY JOIN periods AS period
        GROUP BY cohort, step ORDER BY cohort, step`,
}

/** One row per message and endpoint in `deliveries` decides: what is over, else retrying, else pending. */
const deliveriesOf = (messages: string) => `
  SELECT message_id, groupArray(CAST((endpoint, status, attempts, code, next_ms), 'Tuple(
           endpoint String, status String, attempts UInt16, code UInt16, nextMs Nullable(Int64))')) AS deliveries
  FROM (
    SELECT message_id, endpoint_id,
           multiIf(countIf(d.status = 'delivered') > 0, 'delivered', countIf(d.status = 'dead') > 0, 'dead',
                   countIf(d.status = 'cancelled') > 0, 'cancelled', countIf(d.status = 'stale') > 0, 'stale',
                   max(attempt) > 0, 'retrying', 'pending') AS status,
           max(attempt) AS attempts, argMax(d.code, (d.status = 'delivered', attempt)) AS code,
           toUnixTimestamp64Milli(argMax(next_at, d.version)) AS next_ms,
           any(e.host) AS endpoint
    FROM (SELECT * FROM deliveries FINAL WHERE message_id IN (${messages})) AS d
    LEFT JOIN (SELECT endpoint_id, argMax(concat(domain(url), if(port(url) > 0, concat(':', toString(port(url))), '')), revision) AS host
               FROM endpoints GROUP BY endpoint_id) AS e USING endpoint_id
    GROUP BY message_id, endpoint_id
  ) GROUP BY message_id`

/** A silence of purchases is told as such; the rule says which it is, as it was last in force. */
const isOfPurchases = `rule_id IN (
  SELECT rule_id FROM rules WHERE NOT removed GROUP BY rule_id
  HAVING argMax(JSONExtractString(rule, 'when', 'since') = 'purchase' OR JSONHas(rule, 'when', 'expected'), revision))`

const alertColumns = `${isOfPurchases} AS of_purchases, message_id, alert_id, rule_id, user_id, status, reason, send, threshold_ms, value AS money, tier,
  toUnixTimestamp64Milli(since) AS since_ms, toUnixTimestamp64Milli(clock) AS clock_ms`

export const latestAlerts: Figure = {
  rule: 'Every step of every silence, the newest first, by the project clock; a webhook carries only what fired and who came back after that.',
  sql: `SELECT ${alertColumns}, deliveries
        FROM (SELECT * FROM alerts FINAL ORDER BY clock DESC, message_id LIMIT ${alertRowsMax}) AS a
        LEFT JOIN (${deliveriesOf(`SELECT message_id FROM alerts FINAL ORDER BY clock DESC, message_id LIMIT ${alertRowsMax}`)}) AS b
        USING message_id ORDER BY clock DESC, message_id`,
}

export const setup: Figure = {
  rule: 'Rules and endpoints in force.',
  sql: `SELECT (SELECT count() FROM (SELECT rule_id FROM rules GROUP BY rule_id HAVING NOT argMax(removed, revision))) AS rules,
               (SELECT count() FROM (SELECT endpoint_id FROM endpoints GROUP BY endpoint_id
                HAVING NOT argMax(removed OR disabled, revision))) AS endpoints,
               (SELECT coalesce(any(currency), '') FROM (SELECT currency FROM clicks WHERE currency IS NOT NULL LIMIT 1)) AS currency`,
}

export const partitions: Figure = {
  rule: 'Records of the log whose effects are in the tables, by partition; behind: its clock against the furthest one.',
  sql: `SELECT topic, partition, next_offset, held, toUnixTimestamp64Milli(clock) AS clock_ms
        FROM progress FINAL WHERE endsWith(topic, 'clicks')
          AND epoch = (SELECT max(epoch) FROM progress WHERE endsWith(topic, 'clicks'))
        ORDER BY topic, partition`,
}

export const rejects: Figure = {
  rule: 'What came in and is no new accepted click. A second copy of a late or aside click counts as its kind here.',
  sql: `SELECT toString(kind) AS kind, reason, count() AS count FROM rejects FINAL
        GROUP BY kind, reason ORDER BY count DESC, kind, reason LIMIT 20`,
}

export const audit: Figure = {
  rule: 'Audited: once a day Ebb makes sessions, users, days and alerts a second time, from the clicks, and compares (ebb audit).',
  sql: `SELECT toUnixTimestamp64Milli(started_at) AS started_ms, sumIf(checked, kind = 'sessions') AS sessions,
               sum(differences) AS differences
        FROM audits FINAL GROUP BY started_at ORDER BY started_at DESC LIMIT 1`,
}

/** The questions about one user; `slot` makes each a range read. */
export const oneUser = {
  signals: `SELECT n.*, toUnixTimestamp64Milli(clock) AS clock_ms,
                   toUnixTimestamp64Milli(first_seen) AS first_seen_ms,
                   toUnixTimestamp64Milli(last_seen) AS last_seen_ms,
                   toUnixTimestamp64Milli(last_purchase) AS last_purchase_ms
            FROM users_now AS n WHERE slot = {slot:UInt16} AND user_id = {user:String}`,
  days: `SELECT toInt32(day) AS on_day, clicks, value AS money FROM user_days FINAL
         WHERE day > toDate({today:Int32} - 91) AND day <= toDate({today:Int32})
           AND slot = {slot:UInt16} AND user_id = {user:String} AND clicks > 0 ORDER BY on_day`,
  sessions: `SELECT session_id, part, toUnixTimestamp64Milli(start) AS start_ms, toUnixTimestamp64Milli(end) AS end_ms,
                    clicks, first_event, last_event, value AS money, final
             FROM sessions FINAL WHERE slot = {slot:UInt16} AND user_id = {user:String}
             ORDER BY start DESC, part DESC LIMIT 12`,
  alerts: `SELECT ${alertColumns}, deliveries
           FROM (SELECT * FROM alerts FINAL WHERE user_id = {user:String} ORDER BY clock DESC, message_id LIMIT 12) AS a
           LEFT JOIN (${deliveriesOf('SELECT message_id FROM alerts FINAL WHERE user_id = {user:String}')}) AS b
           USING message_id ORDER BY clock DESC, message_id`,
}
