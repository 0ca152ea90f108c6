/**
 * Who was erased. What stood of a user up to his erasure must neither stay nor be read, though a process that was lost,
 * or an insert that was given up, may write some of it at any time after. So
 *
 *   - the erasure stands in the table `erasures` before the first row is deleted, and for ever
 *   - who reads state back, or alerts, leaves out what an erasure takes
 *   - a sweep deletes again what has come since (sweep.ts)
 *   - of clicks and alerts, whose first row stays, one of behind an erasure stands above all of before it, or it would be
 *     hidden by what comes late, and be lost with it in a merge: rows rank by how often their user was erased before them
 *
 * An erasure takes what was made at or before its place in the clicks, so all of it may be done at any time, and again.
 */
import { hash } from 'node:crypto'
import { slotOf } from '../base/slot.ts'
import { isTaken } from '../log/record.ts'
import { rowTime } from '../store/rows.ts'
import type { Store } from '../store/store.ts'
import { type Place, versionAt } from './rows.ts'

export interface ErasedUpTo {
  readonly epoch: number
  readonly offset: number
}

/** The last erasure of a user, and how often he was erased; 0: nobody counted yet. */
export interface Erased extends ErasedUpTo {
  readonly times: number
}

/** A rank has room for so many. */
const timesMax = 4_095

function hashOf(userId: string): string {
  return hash('sha256', userId)
}

export async function rememberErasure(
  store: Store,
  place: Place,
  userId: string,
  offset: number,
  wallMs: number,
  times = 1,
): Promise<void> {
  const row = {
    slot: slotOf(userId),
    user_hash: hashOf(userId),
    ...place,
    offset,
    version: versionAt(place.epoch, offset),
    erased_at: rowTime(wallMs),
    times,
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
export type Erasures = (userId: string) => Erased | undefined

/** Of a partition, kept up to date by its fold. */
export interface ErasedUsers {
  readonly upTo: Erasures
  /** Nobody was erased so far. */
  isEmpty(): boolean
  /** The fold came by an erasure there, for the first time or again; returns how often he was erased. */
  note(userId: string, place: ErasedUpTo): number
}

interface ErasureRow {
  readonly slot: number
  readonly user_hash: string
  readonly epoch: number
  readonly offset: string
  readonly times: number
}

/** Of the users of a partition. */
export async function erasuresOfPartition(
  store: Store,
  partitions: number,
  partition: number,
): Promise<ErasedUsers> {
  const rows = await store.query<ErasureRow>(
    `SELECT slot, user_hash, epoch, offset, times FROM erasures FINAL
       WHERE slot % {partitions:UInt16} = {partition:UInt16}`,
    { partitions, partition },
  )
  return erasedUsers(rows)
}

export async function erasuresOfUsers(store: Store, userIds: readonly string[]): Promise<Erasures> {
  if (userIds.length === 0) return () => undefined
  const hashes = [...new Set(userIds)].map(hashOf)
  const rows = await store.query<ErasureRow>(
    `SELECT slot, user_hash, epoch, offset, times FROM erasures FINAL
       WHERE user_hash IN {hashes:Array(String)}`,
    { hashes },
  )
  return erasedUsers(rows).upTo
}

/** Few users were ever erased: the slot says of nearly all others, without their hash, that they were not. */
export function erasedUsers(rows: readonly ErasureRow[] = []): ErasedUsers {
  const slots = new Set(rows.map(({ slot }) => Number(slot)))
  const byHash = new Map<string, Erased>(
    rows.map(({ user_hash, epoch, offset, times }) => [
      user_hash,
      { epoch: Number(epoch), offset: Number(offset), times: Number(times) },
    ]),
  )
  return {
    upTo: userId =>
      slots.size > 0 && slots.has(slotOf(userId)) ? byHash.get(hashOf(userId)) : undefined,
    isEmpty: () => slots.size === 0,
    note(userId, place) {
      const userHash = hashOf(userId)
      const known = byHash.get(userHash)
      if (known && isTaken(known, place)) return known.times
      const times = Math.min((known?.times ?? 0) + 1, timesMax)
      slots.add(slotOf(userId))
      byHash.set(userHash, { ...place, times })
      return times
    },
  }
}

/** How often the user was erased before what is made there. */
export function timesErased(
  { upTo }: ErasedUsers,
  userId: string,
  { epoch }: Place,
  offset: number,
): number {
  const erased = upTo(userId)
  return erased && !isTaken(erased, { epoch, offset }) ? erased.times : 0
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
  return `SELECT DISTINCT t.user_id AS user_id, e.epoch AS epoch, e.offset AS offset ${risenFrom(table)}`
}

/** These columns of the rows that an erasure takes. Ends in its condition, which may go on. */
export function risenRowsSql(table: string, columns: readonly string[]): string {
  return `SELECT ${columns.map(name => `t.${name}`).join(', ')} ${risenFrom(table)}`
}

function risenFrom(table: string): string {
  return `FROM ${table} AS t
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
