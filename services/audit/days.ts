/** `user_days` against the clicks of each day. */
import { clicksQuery, inRange, type Look, movingUsers, twiceQuery } from './range.ts'
import type { Difference } from './source.ts'

interface DayRow {
  readonly user_id: string
  readonly day: string
  readonly found: string
  readonly wanted: string
}

const counters = ['clicks', 'orders', 'value', 'refunds']

const countersText = (prefix: string) =>
  `concat(${counters.map(name => `'${name} ', toString(${prefix}.${name})`).join(", ', ', ")})`

function comparison(look: Look): string {
  const { clockwork, horizonMs } = look
  const clicks = `
    SELECT user_id, ${clockwork.day('ts')} AS day, countIf(verdict != 'aside') AS clicks, countIf(purchase) AS orders,
           sumIf(amount, purchase) AS value, -sumIf(amount, verdict = 'aside') AS refunds, min(regime) > 0 AS known
    FROM (${clicksQuery(look)}) GROUP BY user_id, day`
  const rows = `
    SELECT user_id, toInt64(toUInt16(day)) AS day, clicks, orders, value, refunds
    FROM user_days FINAL WHERE ${inRange(look)} AND user_id NOT IN (${movingUsers(look)})`
  const differs = counters.map(name => `d.${name} != c.${name}`).join(' OR ')
  // The first day of which all clicks are kept.
  const kept = Number.isFinite(horizonMs)
    ? `AND day > ${Math.floor(horizonMs / 86_400_000) + 1}`
    : ''
  return `
    SELECT if(d.there, d.user_id, c.user_id) AS user_id, if(d.there, d.day, c.day) AS day,
           ${countersText('d')} AS found, ${countersText('c')} AS wanted
    FROM (SELECT *, true AS there FROM (${rows})) AS d
    FULL OUTER JOIN (${clicks}) AS c ON d.user_id = c.user_id AND d.day = c.day
    WHERE (${differs}) AND (c.known OR c.user_id = '') AND user_id NOT IN (${twiceQuery(look)}) ${kept}`
}

export async function countDays(look: Look): Promise<number> {
  const [row] = await look.source.store.query<{ count: string }>(
    `SELECT count() AS count FROM user_days FINAL WHERE ${inRange(look)}`,
  )
  return Number(row!.count)
}

export async function compareDays(look: Look): Promise<Difference[]> {
  const rows = await look.source.store.query<DayRow>(
    `${comparison(look)} ORDER BY user_id, day LIMIT 1000`,
  )
  return rows.map(({ user_id, day, found, wanted }) => ({
    kind: 'days',
    where: `user ${user_id} on ${new Date(Number(day) * 86_400_000).toISOString().slice(0, 10)}`,
    is: found,
    should: wanted,
  }))
}
