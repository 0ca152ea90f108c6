/** What the users' rows say that clicks alone do not, as records. */
import { slotCount } from '../base/slot.ts'
import { encodeRecord } from '../log/codec.ts'
import { risenRowsSql } from '../processor/erasures.ts'
import { hasStanding, standingJson } from '../processor/fold/standing.ts'
import { restoreUser } from '../processor/fold/user-row.ts'
import type { Store } from '../store/store.ts'

export interface StandingRecord {
  readonly partition: number
  readonly userId: string
  readonly value: Buffer
}

const usersAtOnce = 20_000

const inRange = 't.slot >= {from:UInt16} AND t.slot < {to:UInt16}'

/**
 * In pieces, of partitions by that number of them, in the same order whenever nobody folds. Rows of erased users that
 * no sweep has deleted yet are left out.
 */
export async function* readStandings(
  store: Store,
  partitions: number,
): AsyncGenerator<StandingRecord[]> {
  const [row] = await store.query<{ users: string }>('SELECT count() AS users FROM users')
  const ranges = Math.min(slotCount, Math.ceil(Number(row!.users) / usersAtOnce) || 1)
  for (let range = 0; range < ranges; range++) {
    const rows = await store.query<{ slot: number; user_id: string; state: string }>(
      `SELECT slot, user_id, state FROM users AS t FINAL
       WHERE ${inRange} AND (user_id, version) NOT IN
         (${risenRowsSql('users', ['user_id', 'version'])} AND ${inRange})
       ORDER BY slot, user_id`,
      {
        from: Math.floor((range * slotCount) / ranges),
        to: Math.floor(((range + 1) * slotCount) / ranges),
      },
    )
    yield rows.flatMap(({ slot, user_id: userId, state }) => {
      const user = restoreUser(userId, state, 0)
      if (!hasStanding(user)) return []
      const value = encodeRecord({ kind: 'standing', userId, standing: standingJson(user) })
      return [{ partition: Number(slot) % partitions, userId, value }]
    })
  }
}
