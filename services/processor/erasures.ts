/**
 * Who was erased. What stood of a user up to his erasure must neither stay nor be read, though a process that was lost,
 * or an insert that was given up, may write some of it at any time after. So
 *
 *   - the erasure stands in the table `erasures` before the first row is deleted, and for ever
 *   - who reads state back, or alerts, leaves out what an erasure takes
 *   - a sweep deletes again what has come since (sweep.ts)
 *
 * An erasure takes what was made at or before its place in the clicks, so all of it may be done at any time, and again.
 */
import { hash } from 'node:crypto'
import { slotOf } from '../base/slot.ts'
import { rowTime } from '../store/rows.ts'
import type { Store } from '../store/store.ts'
import { type Place, versionAt } from './rows.ts'

export interface ErasedUpTo {
  readonly epoch: number
  readonly offset: number
}

function hashOf(userId: string): string {
  return hash('sha256', userId)
}

export async function rememberErasure(
  store: Store,
  place: Place,
  userId: string,
  offset: number,
  wallMs: number,
): Promise<void> {
  const row = {
    slot: slotOf(userId),
    user_hash: hashOf(userId),
    ...place,
    offset,
    version: versionAt(place.epoch, offset),
    erased_at: rowTime(wallMs),
  }
  await store.insert('erasures', [row])
}

const upToVersion = 'slot = {slot:UInt16} AND version <= {version:UInt64}'
const upToPlace = '(epoch, offset) <= ({epoch:UInt16}, {offset:UInt64})'

/**
 * By table: its rows that were made up to a place. Users first: a crash may leave clicks without their user, but no open
 * session without its clicks, which could not be read back.
 */
const taken: Readonly<Record<string, string>> = {
  users: upToVersion,
  clicks: `slot = {slot:UInt16} AND ${upToPlace}`,
  sessions: upToVersion,
  user_days: upToVersion,
  alerts: `slot = {slot:UInt16} AND ${upToPlace}`,
  rejects: `source = 'log' AND ${upToPlace}`,
  deliveries: upToPlace,
}
export const tablesOfUsers = Object.keys(taken)

/** Nothing that the erasure takes is in the tables when this resolves. What was refused at the door has no place. */
export async function forget(store: Store, userId: string, upTo: ErasedUpTo): Promise<void> {
  for (const table of tablesOfUsers) await forgetIn(store, table, userId, upTo)
  await deleteRows(store, 'rejects', "source != 'log'", { user: userId })
}

export function forgetIn(
  store: Store,
  table: string,
  userId: string,
  { epoch, offset }: ErasedUpTo,
): Promise<void> {
  return deleteRows(store, table, taken[table]!, {
    user: userId,
    slot: slotOf(userId),
    epoch,
    offset: String(offset),
    version: String(versionAt(epoch, offset)),
  })
}

function deleteRows(
  store: Store,
  table: string,
  condition: string,
  params: Readonly<Record<string, string | number>>,
): Promise<void> {
  return store.command(
    `ALTER TABLE ${table} DELETE WHERE user_id = {user:String} AND ${condition} SETTINGS mutations_sync = 1`,
    params,
  )
}

/** Up to where a user is erased; undefined for one who never was. */
export type Erasures = (userId: string) => ErasedUpTo | undefined

interface ErasureRow {
  readonly slot: number
  readonly user_hash: string
  readonly epoch: number
  readonly offset: string
}

/** Of the users of a partition; undefined where nobody ever was erased. */
export async function erasuresOfPartition(
  store: Store,
  partitions: number,
  partition: number,
): Promise<Erasures | undefined> {
  const rows = await store.query<ErasureRow>(
    `SELECT slot, user_hash, epoch, offset FROM erasures FINAL
       WHERE slot % {partitions:UInt16} = {partition:UInt16}`,
    { partitions, partition },
  )
  return rows.length === 0 ? undefined : erasuresIn(rows)
}

export async function erasuresOfUsers(store: Store, userIds: readonly string[]): Promise<Erasures> {
  if (userIds.length === 0) return () => undefined
  const hashes = [...new Set(userIds)].map(hashOf)
  return erasuresIn(
    await store.query<ErasureRow>(
      `SELECT slot, user_hash, epoch, offset FROM erasures FINAL
       WHERE user_hash IN {hashes:Array(String)}`,
      { hashes },
    ),
  )
}

/** Few users were ever erased: the slot says of nearly all others, without their hash, that they were not. */
function erasuresIn(rows: readonly ErasureRow[]): Erasures {
  const slots = new Set(rows.map(({ slot }) => Number(slot)))
  const byHash = new Map(
    rows.map(({ user_hash, epoch, offset }) => [
      user_hash,
      { epoch: Number(epoch), offset: Number(offset) },
    ]),
  )
  return userId =>
    slots.size > 0 && slots.has(slotOf(userId)) ? byHash.get(hashOf(userId)) : undefined
}

const risenByVersion = 't.slot IN (SELECT slot FROM erasures) AND t.version <= e.version'
const risenByPlace = '(t.epoch, t.offset) <= (e.epoch, e.offset)'
const risen: Readonly<Record<string, string>> = {
  users: risenByVersion,
  clicks: `t.slot IN (SELECT slot FROM erasures) AND ${risenByPlace}`,
  sessions: risenByVersion,
  user_days: risenByVersion,
  alerts: `t.slot IN (SELECT slot FROM erasures) AND ${risenByPlace}`,
  rejects: `t.source = 'log' AND ${risenByPlace}`,
  deliveries: risenByPlace,
}

/** Users with rows that their erasure takes, and up to where. */
export function risenSql(table: string): string {
  return `SELECT DISTINCT t.user_id AS user_id, e.epoch AS epoch, e.offset AS offset FROM ${table} AS t
    INNER JOIN (SELECT user_hash, epoch, offset, version FROM erasures FINAL) AS e
    ON e.user_hash = lower(hex(SHA256(t.user_id))) WHERE ${risen[table]}`
}

/** Deletes what was written of erased users since; resolves to how many users had some. */
export async function sweepErased(store: Store): Promise<number> {
  const [known] = await store.query<{ count: string }>('SELECT count() AS count FROM erasures')
  if (Number(known!.count) === 0) return 0
  const users = new Set<string>()
  for (const table of tablesOfUsers)
    for (const row of await store.query<{ user_id: string; epoch: number; offset: string }>(
      risenSql(table),
    )) {
      const upTo = { epoch: Number(row.epoch), offset: Number(row.offset) }
      await forgetIn(store, table, row.user_id, upTo)
      users.add(row.user_id)
    }
  return users.size
}
