/** Each verdict by its own rule, from the rows alone: late, aside, duplicate, and who may open a session. */
import { slotCount } from '../base/slot.ts'
import { clicksQuery, inRange, islandClicksQuery, type Look, movingUsers } from './range.ts'
import { type Difference, timeText } from './source.ts'

interface VerdictRow {
  readonly user_id: string
  readonly event_id: string
  readonly ts: string
  readonly found: string
  readonly wanted: string
}

const asideTypes = "('identify', 'group', 'alias')"
const refundNames = "('Order Refunded', 'refund')"

/** Late by the bound: its time lies before the bound at its row. */
function lateQuery(look: Look): string {
  const { clockwork } = look
  return `
    SELECT user_id, event_id, ts, concat('late, though the bound was ', toString(${clockwork.boundMs})) AS found,
           'accepted: it came in time' AS wanted
    FROM (SELECT r.user_id AS user_id, r.event_id AS event_id, c.ts AS ts, c.clock_ms AS clock_ms, c.ord AS ord,
                 c.regime AS regime, c.partition AS partition
          FROM (${clicksQuery(look)}) AS c
          INNER JOIN (SELECT user_id, event_id, epoch, partition, offset FROM rejects FINAL
                      WHERE source = 'log' AND kind = 'late' AND reason = 'bound') AS r
            ON c.epoch = r.epoch AND c.partition = r.partition AND c.offset = r.offset
          WHERE c.verdict = 'late' AND c.regime > 0)
    WHERE ts >= ${clockwork.boundMs}`
}

/** A click behind the bound is accepted only into a session that is open: it opens none. */
function openerQuery(look: Look): string {
  return `
    SELECT o.user_id AS user_id, argMin(o.event_id, o.ord) AS event_id, argMin(o.ts, o.ord) AS ts,
           concat('accepted as the first click of a session, though the bound was ', toString(argMin(o.bound_ms, o.ord))) AS found,
           'late' AS wanted
    FROM (SELECT *, ${look.clockwork.boundMs} AS bound_ms FROM (${islandClicksQuery(look)})) AS o
    WHERE NOT o.is_mixed
    GROUP BY o.slot, o.user_id, o.island
    HAVING argMin(o.ts < o.bound_ms, o.ord)`
}

/** What is no activity by its type, its name or the settings, and nothing else. */
function asideQuery(look: Look): string {
  const isAside = `type IN ${asideTypes} OR (type = 'track' AND name IN ${refundNames}) OR ${look.clockwork.isServerEvent}`
  return `
    SELECT user_id, event_id, ts, toString(verdict) AS found, if(${isAside}, 'aside', 'accepted or late') AS wanted
    FROM (${clicksQuery(look)})
    WHERE regime > 0 AND (verdict = 'aside') != (${isAside})`
}

/** Late and aside clicks stand in `rejects` too, under the same place of the log. */
function rejectQuery(look: Look): string {
  return `
    SELECT c.user_id AS user_id, c.event_id AS event_id, c.ts AS ts, concat(toString(c.verdict), ' in clicks alone') AS found,
           'in rejects too, as the same' AS wanted
    FROM (${clicksQuery(look)}) AS c
    LEFT ANTI JOIN (SELECT epoch, partition, offset, toString(kind) AS kind FROM rejects FINAL WHERE source = 'log') AS r
      ON c.epoch = r.epoch AND c.partition = r.partition AND c.offset = r.offset AND toString(c.verdict) = r.kind
    WHERE c.verdict != 'accepted'`
}

/** A session is open for a day at most, unless its cap was lifted: the id it repeats is no older. */
const repeatMsMax = 2 * 86_400_000

/** A duplicate repeats the id of a click of the same user. */
function duplicateQuery(look: Look): string {
  // Rejects have no slot.
  const ofAll = { ...look, range: { from: 0, to: slotCount } }
  const kept = Number.isFinite(look.horizonMs) ? look.horizonMs + repeatMsMax : 0
  return `
    SELECT r.user_id AS user_id, r.event_id AS event_id, r.ts AS ts, 'a duplicate, and no other click has its id' AS found,
           'accepted' AS wanted
    FROM (SELECT user_id, event_id, toUnixTimestamp64Milli(assumeNotNull(timestamp)) AS ts FROM rejects FINAL
          WHERE source = 'log' AND kind = 'duplicate' AND user_id NOT IN (${movingUsers(ofAll)})
            AND timestamp IS NOT NULL AND toUnixTimestamp64Milli(clock) >= ${kept}) AS r
    LEFT ANTI JOIN (SELECT user_id, event_id FROM clicks WHERE verdict = 'accepted') AS c
      ON r.user_id = c.user_id AND r.event_id = c.event_id`
}

export async function countClicks(look: Look): Promise<number> {
  const [row] = await look.source.store.query<{ count: string }>(
    `SELECT count() AS count FROM clicks FINAL WHERE ${inRange(look)}`,
  )
  return Number(row!.count)
}

export async function compareVerdicts(look: Look): Promise<Difference[]> {
  const queries = [lateQuery(look), openerQuery(look), asideQuery(look), rejectQuery(look)]
  // Looked at once, with the first range.
  if (look.range.from === 0) queries.push(duplicateQuery(look))
  const differences: Difference[] = []
  for (const query of queries) {
    const rows = await look.source.store.query<VerdictRow>(`${query} LIMIT 1000`)
    for (const { user_id, event_id, ts, found, wanted } of rows)
      differences.push({
        kind: 'verdicts',
        where: `click ${event_id} of user ${user_id} at ${timeText(Number(ts))}`,
        is: found,
        should: wanted,
      })
  }
  return differences
}
