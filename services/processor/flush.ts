/**
 * Writes what was gathered, in the order that makes a crash at any point repeat work and never an effect:
 *
 *   1. who is erased; alerts to their log, and behind them whom webhooks are to forget. Here the partitions of a
 *      process meet, whose rows then go together
 *   2. clicks, rejects, sessions, user_days, alerts: side by side, for none of them is read to make up another
 *   3. days counted again from clicks, the rows of the erased dropped     4. users
 *   5. progress                 6. the log's own offset, a hint
 *
 * Progress may trail the data, never lead it. Rows are the same wherever flushes fall. In the middle of a record 1 and
 * 2 alone are written: a user's row says that he has all of the records up to its version, the whole of that one.
 */
import { assert } from '../base/errors.ts'
import { partitionOf, slotOf } from '../base/slot.ts'
import { encodeAlert, encodeErasure } from '../log/codec.ts'
import type { Log } from '../log/log.ts'
import type { Erasure } from '../log/record.ts'
import { rowTime } from '../store/rows.ts'
import type { Store } from '../store/store.ts'
import type { Batch } from './batch.ts'
import { forget, rememberErasure } from './erasures.ts'
import { dayOf } from './fold/settings.ts'
import { snapshotPartition } from './fold/snapshot.ts'
import type { PartitionState, User } from './fold/state.ts'
import { timersHeld } from './fold/timer.ts'
import type { RoundPlace } from './rounds.ts'
import { dayRow, dayText, type Place, type Row, sessionRow, userRow, versionAt } from './rows.ts'

/** Rows of users in one insert: at a change of rules a flush may have all of a partition. */
const usersAtOnce = 20_000

export interface FlushTarget {
  readonly log: Log
  readonly store: Store
  readonly topic: string
  readonly alertsTopic: string
  readonly alertsPartitions: number
  readonly wallClock: () => number
}

/** Where the next run would begin: the first record whose effects may be missing, and the hash before it. */
export interface Reached {
  readonly nextOffset: number
  readonly lastHash: string
}

/** `users` are those changed since the last flush; erased ones are left out. */
export async function flush(
  target: FlushTarget,
  place: Place,
  state: PartitionState,
  batch: Batch,
  users: readonly User[],
  reached: Reached,
  round?: RoundPlace,
): Promise<void> {
  const { store } = target
  const gone = batch.erased
  const living = users.filter(user => !user.erased)
  for (const [userId, times] of gone)
    await rememberErasure(store, place, userId, state.offset, target.wallClock(), times)
  await writeEffects(target, place, state, batch, living, round)
  for (const userId of gone.keys()) await forget(store, userId, { ...place, offset: state.offset })
  for (let at = 0; at < living.length; at += usersAtOnce) {
    const some = living.slice(at, at + usersAtOnce)
    await insert(
      store,
      'users',
      some.map(user => userRow(place, user)),
    )
  }
  await insert(store, 'progress', [progressRow(target, place, state, reached)])
}

/** Writes what was gathered in the middle of a record, where more is due at it than should be held in memory. */
export async function flushMidway(
  target: FlushTarget,
  place: Place,
  state: PartitionState,
  batch: Batch,
): Promise<void> {
  assert(batch.erased.size === 0, 'an erasure is flushed as soon as it is folded')
  await writeEffects(target, place, state, batch, [], undefined)
}

async function writeEffects(
  target: FlushTarget,
  place: Place,
  state: PartitionState,
  batch: Batch,
  living: readonly User[],
  round: RoundPlace | undefined,
): Promise<void> {
  const { store } = target
  const gone = batch.erased
  const stays = (row: Row) => gone.size === 0 || !gone.has(row.user_id as string)
  await appendAlerts(target, batch, { ...place, offset: state.offset })
  await round?.meet()
  await allEnded([
    insert(store, 'clicks', batch.clicks.filter(stays)),
    insert(store, 'rejects', batch.rejects.filter(stays)),
    insert(store, 'sessions', sessionRows(place, batch, living).filter(stays)),
    insert(store, 'user_days', dayRows(place, batch, living).filter(stays)),
    insert(store, 'alerts', batch.alerts.map(alert => alert.row).filter(stays)),
  ])
  await recountDays(store, place, batch, state.offset)
}

async function insert(store: Store, table: string, rows: readonly Row[]): Promise<void> {
  if (rows.length > 0) await store.insert(table, rows)
}

/** Throws when one of them failed, and not before the others have ended: none may run beside the next attempt. */
async function allEnded(inserts: readonly Promise<void>[]): Promise<void> {
  const outcomes = await Promise.allSettled(inserts)
  const failed = outcomes.find(outcome => outcome.status === 'rejected')
  if (failed) throw failed.reason
}

async function appendAlerts(
  target: FlushTarget,
  batch: Batch,
  erasedAt: Omit<Erasure, 'userId'>,
): Promise<void> {
  const byPartition = new Map<number, { key: string; value: Buffer }[]>()
  const add = (key: string, value: Buffer) => {
    const partition = partitionOf(key, target.alertsPartitions)
    let records = byPartition.get(partition)
    if (!records) {
      records = []
      byPartition.set(partition, records)
    }
    records.push({ key, value })
  }
  for (const { record } of batch.alerts) add(record.userId, encodeAlert(record))
  for (const userId of batch.erased.keys()) add(userId, encodeErasure({ userId, ...erasedAt }))
  const { log, alertsTopic } = target
  const appends = Array.from(byPartition, async ([partition, records]) => {
    await log.append(alertsTopic, partition, records)
  })
  await allEnded(appends)
}

/** What became final or was swallowed, and the open sessions of the changed users as they stand. */
function sessionRows(place: Place, batch: Batch, users: readonly User[]): Row[] {
  const rows = [...batch.sessions]
  for (const user of users)
    for (const session of user.open)
      rows.push(sessionRow(place, user, session, false, user.version))
  return rows
}

function dayRows(place: Place, batch: Batch, users: readonly User[]): Row[] {
  const rows = [...batch.days]
  for (const user of users)
    for (const count of user.dayCounts) rows.push(dayRow(place, user, count, user.version))
  return rows
}

/**
 * Days older than the fold's counters, counted again from the clicks up to this offset and not beyond. The columns are
 * named with their table: a bare `user_id` would be the constant of that name in the same SELECT, and all users count.
 * Sums that are too much are written as rowMoney does.
 */
async function recountDays(
  store: Store,
  place: Place,
  batch: Batch,
  offset: number,
): Promise<void> {
  const days = new Map(batch.oldDays.map(old => [`${old.day} ${old.userId}`, old]))
  for (const { userId, day, ranges } of days.values()) {
    await store.command(
      `INSERT INTO user_days
       SELECT toDate({day:String}) AS day, {slot:UInt16} AS slot, {user:String} AS user_id,
              countIf(verdict != 'aside') AS clicks, countIf(purchase) AS orders,
              least(sumIf(amount, purchase), toDecimal128('900719925474.0991', 4)) AS value,
              least(-sumIf(amount, verdict = 'aside'), toDecimal128('900719925474.0991', 4)) AS refunds,
              {epoch:UInt16} AS epoch, {partition:UInt16} AS partition, {version:UInt64} AS version, 0 AS is_deleted
       FROM clicks AS c FINAL
       WHERE c.slot = {slot:UInt16} AND c.user_id = {user:String}
         AND arrayExists((start, end) -> toUnixTimestamp64Milli(c.timestamp) >= toInt64(start)
               AND toUnixTimestamp64Milli(c.timestamp) < toInt64(end), {from:Array(String)}, {until:Array(String)})
         AND (c.epoch, c.offset) <= ({epoch:UInt16}, {offset:UInt64})`,
      {
        day: dayText(day),
        from: ranges.map(({ fromMs }) => String(fromMs)),
        until: ranges.map(({ untilMs }) => String(untilMs)),
        slot: slotOf(userId),
        user: userId,
        epoch: place.epoch,
        partition: place.partition,
        version: String(versionAt(place.epoch, offset)),
        offset: String(offset),
      },
    )
  }
}

export function progressRow(
  target: Pick<FlushTarget, 'topic' | 'wallClock'>,
  place: Place,
  state: PartitionState,
  reached: Reached,
): Row {
  const known = Number.isFinite(state.clockMs)
  return {
    topic: target.topic,
    ...place,
    next_offset: reached.nextOffset,
    clock: known ? rowTime(state.clockMs) : null,
    clock_day: known ? dayOf(state.settings, state.clockMs) : -1,
    held: timersHeld(state) ?? '',
    state: snapshotPartition(state),
    last_hash: reached.lastHash,
    version: versionAt(place.epoch, reached.nextOffset),
    written_at: rowTime(target.wallClock()),
  }
}
