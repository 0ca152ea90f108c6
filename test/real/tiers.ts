/**
 * Who is high-value at three dates, by plain SQL over the file's rows.
 *
 * A user's value is the money of the 90 days up to his last order, less the refunds of that time, as it stands
 * after each of his orders and refunds. The tier begins at the value of the last one of the first fifth of all
 * who paid within 90 days of the date, ends below that of the first quarter, and stays in between.
 */
import type { Project } from './project.ts'

export const dates = ['2011-03-01', '2011-06-01', '2011-10-01']

export interface RawCutoffs {
  readonly at: string
  readonly high: string
  readonly keep: string
}

export async function rawCutoffs(project: Project): Promise<RawCutoffs[]> {
  const days = dates.map(date => `toDateTime('${date} 00:00:00', 'UTC')`).join(', ')
  await project.store.command(
    `CREATE TABLE raw.cutoffs ENGINE = MergeTree ORDER BY at AS
     WITH paid AS
     (
         SELECT date, user_id, sum(amount) AS value
         FROM raw.orders ARRAY JOIN [${days}] AS date
         WHERE at > date - INTERVAL 90 DAY AND at <= date
         GROUP BY date, user_id
         HAVING value > 0
     ),
     ranked AS
     (
         SELECT date, value, row_number() OVER (PARTITION BY date ORDER BY value DESC) AS place,
                count() OVER (PARTITION BY date) AS payers
         FROM paid
     )
     SELECT date AS at, minIf(value, place * 5 < payers + 5) AS high, minIf(value, place * 4 < payers + 4) AS keep
     FROM ranked GROUP BY date`,
  )
  return project.store.query(
    'SELECT toString(toDate(at)) AS at, high, keep FROM raw.cutoffs ORDER BY at',
  )
}

/** The high-value users of each date, after the cutoffs of the dates up to it. */
export async function rawTiers(project: Project): Promise<Map<string, string[]>> {
  const rows = await project.store.query<{ at: string; users: string[] }>(
    `WITH
     moves AS
     (
         SELECT *, max(if(refund, toDateTime(0, 'UTC'), at))
                     OVER (PARTITION BY user_id ORDER BY at, n ROWS UNBOUNDED PRECEDING) AS last_order
         FROM raw.orders
     ),
     standing AS
     (
         SELECT m.user_id AS user_id, m.at AS at, m.n AS n, greatest(sum(o.amount), toDecimal64(0, 4)) AS value
         FROM moves AS m INNER JOIN raw.orders AS o ON o.user_id = m.user_id
         WHERE (o.at, o.n) <= (m.at, m.n)
           AND o.at > m.last_order - INTERVAL 90 DAY AND o.at <= m.last_order
         GROUP BY user_id, at, n
     ),
     -- What may change a tier: a record under the cutoffs in force, and new cutoffs for a value as it stands.
     steps AS
     (
         SELECT s.user_id AS user_id, s.at AS at, s.n AS n, any(s.value) AS value,
                argMax(c.high, c.at) AS high, argMax(c.keep, c.at) AS keep
         FROM standing AS s CROSS JOIN raw.cutoffs AS c
         WHERE c.at <= s.at
         GROUP BY user_id, at, n
         UNION ALL
         SELECT s.user_id, c.at, 0, argMax(s.value, (s.at, s.n)), any(c.high), any(c.keep)
         FROM standing AS s CROSS JOIN raw.cutoffs AS c
         WHERE s.at < c.at
         GROUP BY s.user_id, c.at
     )
     SELECT toString(toDate(date.at)) AS at, groupArrayIf(user_id, is_high) AS users
     FROM
     (
         SELECT c.at AS at, user_id,
                arrayFold((was, step) -> toUInt8(step.3 >= step.4 OR (was AND step.3 >= step.5)),
                    arraySort(groupArray((steps.at, n, value, high, keep))), toUInt8(0)) AS is_high
         FROM steps CROSS JOIN raw.cutoffs AS c
         WHERE steps.at <= c.at
         GROUP BY c.at, user_id
     ) AS date
     GROUP BY at`,
  )
  return new Map(rows.map(({ at, users }) => [at, users.sort()]))
}
