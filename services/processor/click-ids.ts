/** Ids of clicks in open sessions that rows of users lack, read back from the table `clicks`. */
import { assert } from '../base/errors.ts'
import { slotOf } from '../base/slot.ts'
import { isTaken } from '../log/record.ts'
import { scannedRows } from '../store/scan.ts'
import type { Store } from '../store/store.ts'
import { type Erasures, erasuresOfUsers } from './erasures.ts'
import { idHash } from './fold/session.ts'
import type { User } from './fold/state.ts'
import { hasIds } from './fold/user-row.ts'
import { epochUnit, type Place } from './rows.ts'

const clickColumns = {
  user_id: 'text',
  timestamp: 'time',
  event_id: 'text',
  epoch: 'small',
  offset: 'integer',
} as const

/** Users in one question: those of the primary key are found without reading the others' clicks. */
const lackingAtOnce = 1_000
/** Of their ids: ClickHouse takes parameters of 128 KiB by HTTP, in process statements of 256, quotes escaped twice. */
const idUnitsAtOnce = 32 * 1024

/**
 * The ids that rows lack, of accepted clicks in open sessions: those that the row knows of, and no later ones. Users who
 * are erased meanwhile go from `users`.
 */
export async function readIds(
  store: Store,
  place: Place,
  users: Map<string, User>,
  erasures: Erasures,
): Promise<void> {
  let some: User[] = []
  let idUnits = 0
  const read = async () => {
    const lacking = await readIdsOf(store, place, some, erasures)
    for (const userId of await erasedMeanwhile(store, place, lacking)) users.delete(userId)
    some = []
    idUnits = 0
  }
  for (const user of users.values()) {
    if (user.open.every(hasIds)) continue
    if (some.length === lackingAtOnce || idUnits + user.id.length > idUnitsAtOnce) await read()
    some.push(user)
    idUnits += user.id.length
  }
  if (some.length > 0) await read()
}

/** Resolves to the users of whom the table knows fewer clicks than their rows, or more. */
async function readIdsOf(
  store: Store,
  { epoch }: Place,
  users: readonly User[],
  erasures: Erasures,
): Promise<User[]> {
  const byId = new Map(users.map(user => [user.id, user]))
  const lacking = new Set(users.flatMap(({ open }) => open.filter(session => !hasIds(session))))
  let oldestMs = Number.POSITIVE_INFINITY
  for (const { startMs } of lacking) oldestMs = Math.min(oldestMs, startMs)
  const ids = [...byId.keys()]
  const bytes = await store.scan(
    `SELECT user_id, timestamp, event_id, epoch, offset FROM clicks FINAL
     WHERE slot IN {slots:Array(UInt16)} AND user_id IN {users:Array(String)}
       AND verdict = 'accepted' AND timestamp >= fromUnixTimestamp64Milli({oldest:Int64}, 'UTC')
     ORDER BY epoch, offset`,
    { slots: ids.map(slotOf), users: ids, oldest: String(oldestMs) },
  )
  for (const { ids, beforeCut } of lacking) if (beforeCut) ids.push(...beforeCut)
  for (const row of scannedRows(bytes, clickColumns)) {
    const user = byId.get(row.user_id)
    // Those of an earlier epoch stand below 0.
    if (!user || row.offset + (row.epoch - epoch) * epochUnit > user.version) continue
    const erased = erasures(row.user_id)
    if (erased && isTaken(erased, row)) continue
    const timeMs = row.timestamp
    const session = user.open.find(
      ({ startMs, endMs, cutMs }) => timeMs >= startMs && timeMs <= endMs && timeMs > cutMs,
    )
    const hash = idHash(row.event_id)
    if (session && lacking.has(session) && !session.beforeCut?.includes(hash))
      session.ids.push(hash)
  }
  return users.filter(({ open }) => open.some(one => !hasIds(one)))
}

/**
 * Who lost the partition may still be in the middle of an erasure that did not stand in the tables when the users were
 * read, and whose record is to be folded here again. Nothing else takes clicks from behind a row: throws where it does.
 */
async function erasedMeanwhile(
  store: Store,
  { epoch }: Place,
  users: readonly User[],
): Promise<string[]> {
  const erasures = await erasuresOfUsers(
    store,
    users.map(({ id }) => id),
  )
  for (const { id, open, version } of users) {
    const erased = erasures(id)
    if (erased && erased.offset + (erased.epoch - epoch) * epochUnit >= version) continue
    for (const session of open)
      assert(
        hasIds(session),
        `session ${session.id} has ${session.clicks} clicks, and the table clicks knows ${session.ids.length} of them`,
      )
  }
  return users.map(({ id }) => id)
}
