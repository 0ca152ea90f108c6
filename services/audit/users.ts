/** What `users` says of each user that follows from his clicks alone, against those clicks. */
import { clicksQuery, inRange, islandClicksQuery, type Look, movingUsers } from './range.ts'
import type { Difference } from './source.ts'

/** Days that the row tells of, up to the last one. */
const daysKept = 91

/** Facts by the names of their columns; times in ms, 0 where there is none. */
const facts = [
  'first_seen',
  'last_seen',
  'last_event',
  'last_purchase',
  'active_days',
  'clicks',
  'sessions',
  'session_ms_sum',
  'bounces',
] as const

type FactsRow = {
  readonly user_id: string
  readonly known: boolean
  readonly there: boolean
} & Record<`${'found' | 'wanted'}_${(typeof facts)[number]}`, string>

function activityQuery(look: Look): string {
  const day = look.clockwork.day('ts')
  return `
    SELECT user_id, min(ts) AS first_seen, max(ts) AS last_seen, argMax(name, (ts, ord)) AS last_event,
           maxIf(ts, purchase) AS last_purchase, countIf(verdict = 'accepted') AS clicks,
           arraySort(groupUniqArray(day)) AS days, min(regime) > 0 AS known
    FROM (SELECT *, ${day} AS day FROM (${clicksQuery(look)}))
    WHERE verdict != 'aside'
    GROUP BY user_id`
}

/** Sessions of the user, the parts of one as one. */
function totalsQuery(look: Look): string {
  return `
    SELECT user_id, count() AS sessions, sum(length_ms) AS session_ms_sum, countIf(island_clicks = 1) AS bounces,
           max(is_mixed) AS is_mixed
    FROM (SELECT user_id, max(ts) - min(ts) AS length_ms, count() AS island_clicks, any(is_mixed) AS is_mixed
          FROM (${islandClicksQuery(look)}) GROUP BY user_id, island)
    GROUP BY user_id`
}

function rowsQuery(look: Look): string {
  return `
    SELECT user_id, toUnixTimestamp64Milli(ifNull(first_seen, toDateTime64(0, 3))) AS first_seen,
           toUnixTimestamp64Milli(ifNull(last_seen, toDateTime64(0, 3))) AS last_seen, last_event,
           toUnixTimestamp64Milli(ifNull(last_purchase, toDateTime64(0, 3))) AS last_purchase,
           arraySort(active_days) AS active_days, clicks, sessions, session_ms_sum, bounces
    FROM users FINAL
    WHERE ${inRange(look)} AND user_id NOT IN (${movingUsers(look)})`
}

function comparison(look: Look): string {
  const newest = 'arrayMax(a.days)'
  const wanted: Record<(typeof facts)[number], string> = {
    first_seen: 'a.first_seen',
    last_seen: 'a.last_seen',
    last_event: 'a.last_event',
    last_purchase: 'a.last_purchase',
    active_days: `arrayFilter(day -> day > ${newest} - ${daysKept}, a.days)`,
    clicks: 'a.clicks',
    sessions: 't.sessions',
    session_ms_sum: 't.session_ms_sum',
    bounces: 't.bounces',
  }
  const ofSessions = ['sessions', 'session_ms_sum', 'bounces']
  const columns = facts.flatMap(fact => [
    `toString(u.${fact}) AS found_${fact}`,
    // Sessions across a change of settings cannot be told from the clicks alone.
    `${ofSessions.includes(fact) ? `if(t.is_mixed, found_${fact}, toString(${wanted[fact]}))` : `toString(${wanted[fact]})`} AS wanted_${fact}`,
  ])
  const differs = facts.map(fact => `found_${fact} != wanted_${fact}`).join(' OR ')
  const recent = Number.isFinite(look.horizonMs) ? `AND u.first_seen > ${look.horizonMs}` : ''
  return `
    SELECT if(u.there, u.user_id, a.user_id) AS user_id, u.there AS there, ${columns.join(', ')}
    FROM (SELECT *, true AS there FROM (${rowsQuery(look)})) AS u
    FULL OUTER JOIN (${activityQuery(look)}) AS a ON u.user_id = a.user_id
    LEFT JOIN (${totalsQuery(look)}) AS t ON t.user_id = if(u.there, u.user_id, a.user_id)
    WHERE (${differs}) AND (a.known OR a.user_id = '') ${recent}`
}

/** Users of the range; `old` ones are known for longer than clicks are kept. */
export async function countUsers(look: Look): Promise<{ users: number; old: number }> {
  const { horizonMs } = look
  const old = Number.isFinite(horizonMs)
    ? `toUnixTimestamp64Milli(first_seen) <= ${horizonMs}`
    : 'false'
  const [row] = await look.source.store.query<{ users: string; old: string }>(
    `SELECT count() AS users, countIf(${old}) AS old FROM users FINAL WHERE ${inRange(look)}`,
  )
  return { users: Number(row!.users), old: Number(row!.old) }
}

export async function compareUsers(look: Look): Promise<Difference[]> {
  const rows = await look.source.store.query<FactsRow>(
    `${comparison(look)} ORDER BY user_id LIMIT 1000`,
  )
  return rows.map(row => {
    const other = facts.filter(fact => row[`found_${fact}`] !== row[`wanted_${fact}`])
    const text = (side: 'found' | 'wanted') =>
      other.map(fact => `${fact} ${row[`${side}_${fact}`]}`).join(', ')
    return {
      kind: 'users',
      where: `user ${row.user_id}`,
      is: row.there ? text('found') : 'missing',
      should: text('wanted'),
    }
  })
}
