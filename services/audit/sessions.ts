/**
 * The sessions that the accepted clicks make, by islands and gaps, against the table `sessions`: bounds,
 * clicks, value, first and last event, id, whether final, and the parts of those that a cap cut.
 */
import { inRange, islandClicksQuery, type Look, movingUsers, ofPartition } from './range.ts'
import { type Difference, partitionArray, timeText } from './source.ts'

/** One side of the comparison; `there` is false where that side has nothing. */
interface Side {
  readonly there: boolean
  readonly start: string
  readonly end: string
  readonly clicks: string
  readonly value: string
  readonly first: string
  readonly last: string
  readonly id: string
  readonly final: boolean
}

interface SessionRow {
  readonly user_id: string
  readonly total: string
  readonly parts: string
  readonly found: Side
  readonly wanted: Side
}

/** The islands as sessions: one row each. */
function islandsQuery(look: Look): string {
  const { clockwork, source, points } = look
  const bounds = partitionArray(source, points, ({ boundMs }) => boundMs, Number.NaN)
  return `
    SELECT slot, user_id, min(ts) AS start, max(ts) AS end, count() AS clicks, sumIf(amount, purchase) AS value,
           argMin(name, (ts, ord)) AS first, argMax(name, (ts, ord)) AS last,
           lower(substring(base32Encode(CAST(SHA256(concat('s\\n', {project:String}, '\\n', user_id, '\\n',
             argMin(event_id, ord), '\\n', toString(argMin(ts, ord)))), 'String')), 1, 26)) AS id,
           max(ts) + any(${clockwork.gapMs}) < ${ofPartition(look, bounds)} AS final,
           any(is_mixed) AS is_mixed,
           (any(${clockwork.clicksMax}) > 0 AND count() > any(${clockwork.clicksMax}))
             OR (any(${clockwork.sessionMsMax}) > 0 AND max(ts) - min(ts) > any(${clockwork.sessionMsMax})) AS is_cut
    FROM (${islandClicksQuery(look)}) GROUP BY slot, user_id, island`
}

/** The table's sessions, the parts of one together. */
function rowsQuery(look: Look): string {
  return `
    SELECT p.slot AS slot, p.user_id AS user_id, p.session_id AS id,
           toUnixTimestamp64Milli(min(p.start)) AS start, toUnixTimestamp64Milli(max(p.end)) AS end,
           sum(p.clicks) AS clicks, sum(p.value) AS value,
           argMin(p.first_event, p.part) AS first, argMax(p.last_event, p.part) AS last,
           argMax(p.final, p.part) AS final, min(p.final OR p.part = p.last_part) AS parts_final,
           count() AS parts, min(p.part) = 1 AND max(p.part) = count() AS is_numbered
    FROM (SELECT *, max(part) OVER (PARTITION BY slot, user_id, session_id) AS last_part
          FROM sessions FINAL
          WHERE ${inRange(look)} AND user_id NOT IN (${movingUsers(look)})) AS p
    GROUP BY p.slot, p.user_id, p.session_id`
}

const side = (prefix: string) => `
  CAST((${prefix}.there, toString(${prefix}.start), toString(${prefix}.end), toString(${prefix}.clicks), toString(${prefix}.value),
    ${prefix}.first, ${prefix}.last, ${prefix}.id, ${prefix}.final),
    'Tuple(there Bool, start String, end String, clicks String, value String, first String, last String, id String, final Bool)')`

function comparison(look: Look): string {
  const { clockwork, horizonMs } = look
  const islands = islandsQuery(look)
  // A session that reaches behind the horizon may lack clicks, and nobody can tell.
  const kept = Number.isFinite(horizonMs)
    ? `AND greatest(i.start, r.start) > ${horizonMs + clockwork.gapMsMax}`
    : ''
  const steady = clockwork.isSteady ? '' : 'AND NOT i.is_mixed AND NOT touchesMixed'
  const ranges = clockwork.isSteady
    ? ''
    : `LEFT JOIN (SELECT user_id, groupArray((start, end)) AS ranges FROM (${islands}) WHERE is_mixed GROUP BY user_id) AS m
       ON m.user_id = if(r.there, r.user_id, i.user_id)`
  const touches = clockwork.isSteady
    ? ''
    : 'arrayExists(range -> r.start >= range.1 AND r.start <= range.2, m.ranges) AS touchesMixed,'
  return `
    SELECT ${touches} if(r.there, r.user_id, i.user_id) AS user_id, r.parts AS parts,
           ${side('r')} AS found, ${side('i')} AS wanted
    FROM (SELECT *, true AS there FROM (${rowsQuery(look)})) AS r
    FULL OUTER JOIN (SELECT *, true AS there FROM (${islands})) AS i
      ON r.user_id = i.user_id AND r.start = i.start
    ${ranges}
    WHERE NOT (r.there AND i.there AND r.end = i.end AND r.clicks = i.clicks AND r.value = i.value
               AND r.first = i.first AND r.last = i.last AND r.final = i.final
               AND (r.parts > 1 OR r.id = i.id) AND (r.parts > 1) = i.is_cut
               AND r.is_numbered AND r.parts_final) ${kept} ${steady}`
}

/** How many sessions of the range stand in the table. */
export async function countSessions(look: Look): Promise<number> {
  const [row] = await look.source.store.query<{ count: string }>(
    `SELECT count() AS count FROM sessions FINAL WHERE ${inRange(look)}`,
  )
  return Number(row!.count)
}

/** Sessions across a change of gap or caps: which of them they have depends on the order of arrival. */
export async function countMixed(look: Look): Promise<number> {
  if (look.clockwork.isSteady) return 0
  const [row] = await look.source.store.query<{ count: string }>(
    `SELECT countIf(is_mixed) AS count FROM (${islandsQuery(look)})`,
    { project: look.source.project },
  )
  return Number(row!.count)
}

export async function compareSessions(look: Look): Promise<Difference[]> {
  const rows = await look.source.store.query<SessionRow>(
    `SELECT * FROM (${comparison(look)}) ORDER BY user_id, least(found.start, wanted.start) LIMIT 1000`,
    { project: look.source.project },
  )
  return [...paired(rows).map(differenceOf), ...(await compareParts(look))]
}

/** What the table has and what it should have of one session often begin at two times: two rows, made one. */
function paired(rows: readonly SessionRow[]): SessionRow[] {
  const left = [...rows]
  const pairs: SessionRow[] = []
  for (let row = left.shift(); row; row = left.shift()) {
    const one = row
    const at = left.findIndex(
      other =>
        other.user_id === one.user_id &&
        one.found.there !== other.found.there &&
        one.wanted.there !== other.wanted.there &&
        overlap(one, other),
    )
    const other = at < 0 ? undefined : left.splice(at, 1)[0]
    if (!other) pairs.push(one)
    else
      pairs.push(
        one.found.there ? { ...one, wanted: other.wanted } : { ...other, wanted: one.wanted },
      )
  }
  return pairs
}

function overlap(one: SessionRow, other: SessionRow): boolean {
  const a = one.found.there ? one.found : one.wanted
  const b = other.found.there ? other.found : other.wanted
  return Number(a.start) <= Number(b.end) && Number(b.start) <= Number(a.end)
}

function differenceOf({ user_id, parts, found, wanted }: SessionRow): Difference {
  const id = found.there ? found.id : wanted.id
  return {
    kind: 'sessions',
    where: `session ${id} of user ${user_id}`,
    is: found.there ? sideText(found, Number(parts)) : 'missing',
    should: wanted.there ? sideText(wanted, 0) : 'not there: no accepted click stands behind it',
  }
}

function sideText(one: Side, parts: number): string {
  const times = `[${timeText(Number(one.start))}, ${timeText(Number(one.end))}]`
  const cut = parts > 1 ? ` in ${parts} parts` : ''
  return `${times}, ${one.clicks} clicks${cut}, value ${one.value}, first ${one.first}, last ${one.last}, ${one.final ? 'final' : 'open'}, id ${one.id}`
}

/** The parts of cut sessions, each against the clicks within its own bounds. */
async function compareParts(look: Look): Promise<Difference[]> {
  const { clockwork } = look
  const parts = `
    SELECT user_id, session_id, part, clicks, start, end, lagInFrame(end, 1, toInt64(-1)) OVER parts = start AS ties_before,
           leadInFrame(start, 1, toInt64(-1)) OVER parts = end AS ties_after
    FROM (SELECT s.user_id AS user_id, s.session_id AS session_id, s.part AS part, s.clicks AS clicks,
                 toUnixTimestamp64Milli(s.start) AS start, toUnixTimestamp64Milli(s.end) AS end,
                 max(s.part) OVER (PARTITION BY s.user_id, s.session_id) AS last_part
          FROM sessions AS s FINAL
          WHERE ${inRange(look)} AND user_id NOT IN (${movingUsers(look)}))
    WHERE last_part > 1
    WINDOW parts AS (PARTITION BY user_id, session_id ORDER BY part ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)`
  const rows = await look.source.store.query<Record<string, string>>(
    `SELECT p.user_id AS user_id, p.session_id AS session_id, p.part AS part, p.clicks AS clicks, p.start AS start, p.end AS end,
            count() AS within
     FROM (${parts}) AS p
     INNER JOIN (SELECT user_id, ts, regime FROM (${islandClicksQuery(look)}) WHERE NOT is_mixed) AS c ON p.user_id = c.user_id
     WHERE c.ts >= p.start AND c.ts <= p.end
     GROUP BY p.user_id, p.session_id, p.part, p.clicks, p.start, p.end, p.ties_before, p.ties_after
     HAVING p.clicks > within
         OR p.clicks < within - p.ties_before * countIf(c.ts = p.start) - p.ties_after * countIf(c.ts = p.end)
         OR countIf(c.ts = p.start) = 0 OR countIf(c.ts = p.end) = 0
         OR (any(${clockwork.clicksMax.replace('regime', 'c.regime')}) > 0 AND p.clicks > any(${clockwork.clicksMax.replace('regime', 'c.regime')}))
     LIMIT 1000`,
  )
  return rows.map(row => ({
    kind: 'sessions',
    where: `part ${row.part} of session ${row.session_id} of user ${row.user_id}`,
    is: `[${timeText(Number(row.start))}, ${timeText(Number(row.end))}], ${row.clicks} clicks`,
    should: `${row.within} accepted clicks lie there`,
  }))
}
