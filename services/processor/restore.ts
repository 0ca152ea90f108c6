/**
 * Reads a partition's state back: progress first, then the rows, which may be ahead of it and never behind.
 * A log that is not the one progress speaks of is refused with a sentence.
 */
import { assert } from '../base/errors.ts'
import { slotCount } from '../base/slot.ts'
import type { Log } from '../log/log.ts'
import { readTime } from '../store/rows.ts'
import type { Store } from '../store/store.ts'
import { idHash } from './fold/session.ts'
import { orderThawing, placeUser, restorePartition, restoreUser } from './fold/snapshot.ts'
import { createState, type PartitionState, type User } from './fold/state.ts'
import { createFolded, type Folded, forgetGathered, lastHashOf } from './folded.ts'
import { findFault } from './log-fault.ts'
import { offsetOfVersion, type Place } from './rows.ts'

export interface RestoreSource {
  readonly log: Log
  readonly store: Store
  readonly topic: string
  readonly partitions: number
  readonly project: string
}

/** Slots read at once: bounds the rows in memory. */
const slotsAtOnce = 512

export async function restore(source: RestoreSource, place: Place): Promise<Folded> {
  const { log, topic, project } = source
  const progress = await readProgress(source, place)
  const bounds = await log.bounds(topic, place.partition)
  const { nextOffset, lastHash } = progress ?? { nextOffset: bounds.startOffset, lastHash: '' }
  const state = progress ? restorePartition(project, progress.state) : createState(project)
  const fault = await findFault(source, place, { nextOffset, lastHash })
  if (fault) throw fault
  await restoreUsers(source, place, state, nextOffset)
  return createFolded(state, nextOffset, lastHash)
}

/**
 * What was folded here before, brought up to what the tables hold now, if one can go on from it: the log
 * still has the records behind it, and the tables were not set back. Else undefined: then `restore`.
 */
export async function resume(
  source: RestoreSource,
  place: Place,
  folded: Folded,
): Promise<Folded | undefined> {
  const progress = await readProgress(source, place)
  if (!progress || progress.nextOffset < folded.flushedOffset) return undefined
  const here = { nextOffset: folded.nextOffset, lastHash: lastHashOf(folded) }
  if ((await findFault(source, place, here)) || (await findFault(source, place, progress)))
    return undefined
  folded.flushedOffset = progress.nextOffset
  if (folded.nextOffset <= folded.flushedOffset) forgetGathered(folded)
  return folded
}

interface Progress {
  readonly nextOffset: number
  readonly lastHash: string
  readonly state: string
}

async function readProgress(source: RestoreSource, place: Place): Promise<Progress | undefined> {
  const [row] = await source.store.query<{ next_offset: string; state: string; last_hash: string }>(
    `SELECT next_offset, state, last_hash FROM progress FINAL
     WHERE topic = {topic:String} AND partition = {partition:UInt16}`,
    { topic: source.topic, partition: place.partition },
  )
  return row && { nextOffset: Number(row.next_offset), lastHash: row.last_hash, state: row.state }
}

async function restoreUsers(
  source: RestoreSource,
  place: Place,
  state: PartitionState,
  nextOffset: number,
): Promise<void> {
  for (let slot = 0; slot < slotCount; slot += slotsAtOnce) {
    const users = await readUsers(source, place, slot)
    await readIds(source, place, slot, users)
    for (const user of users.values()) placeUser(state, user, nextOffset)
  }
  orderThawing(state)
  if (state.frozen.size > 0) state.acceptedAhead = await readAhead(source, place, nextOffset)
}

function slotRange(source: RestoreSource, place: Place, slot: number) {
  const { partitions } = source
  return { from: slot, to: slot + slotsAtOnce, partitions, partition: place.partition }
}

const inRange =
  'slot >= {from:UInt16} AND slot < {to:UInt16} AND slot % {partitions:UInt16} = {partition:UInt16}'

async function readUsers(
  source: RestoreSource,
  place: Place,
  slot: number,
): Promise<Map<string, User>> {
  const rows = await source.store.query<{ user_id: string; state: string; version: string }>(
    `SELECT user_id, state, version FROM users FINAL WHERE ${inRange}`,
    slotRange(source, place, slot),
  )
  const users = new Map<string, User>()
  for (const row of rows) {
    const version = offsetOfVersion(Number(row.version), place.epoch)
    users.set(row.user_id, restoreUser(row.user_id, row.state, version))
  }
  return users
}

/** The ids of the accepted clicks of open sessions: those that the user's row knows of, and no later ones. */
async function readIds(
  source: RestoreSource,
  place: Place,
  slot: number,
  users: ReadonlyMap<string, User>,
): Promise<void> {
  let oldestMs = Number.POSITIVE_INFINITY
  for (const user of users.values())
    for (const session of user.open) oldestMs = Math.min(oldestMs, session.startMs)
  if (oldestMs === Number.POSITIVE_INFINITY) return
  const rows = await source.store.query<
    Record<'user_id' | 'timestamp' | 'event_id' | 'offset', string>
  >(
    `SELECT user_id, timestamp, event_id, offset FROM clicks FINAL
     WHERE ${inRange} AND verdict = 'accepted' AND timestamp >= fromUnixTimestamp64Milli({oldest:Int64}, 'UTC')
     ORDER BY offset`,
    { ...slotRange(source, place, slot), oldest: String(oldestMs) },
  )
  for (const row of rows) {
    const user = users.get(row.user_id)
    if (!user || Number(row.offset) > user.version) continue
    const timeMs = readTime(row.timestamp)
    const session = user.open.find(
      ({ startMs, endMs, cutMs }) => timeMs >= startMs && timeMs <= endMs && timeMs > cutMs,
    )
    session?.ids.push(idHash(row.event_id))
  }
  for (const user of users.values())
    for (const { id, ids, clicks } of user.open)
      assert(
        ids.length === clicks,
        `session ${id} has ${clicks} clicks, and the table clicks knows ${ids.length} of them`,
      )
}

/** Offsets of the accepted clicks that the rows have and progress does not. */
async function readAhead(
  source: RestoreSource,
  place: Place,
  nextOffset: number,
): Promise<Set<number>> {
  const rows = await source.store.query<{ offset: string }>(
    `SELECT offset FROM clicks FINAL
     WHERE epoch = {epoch:UInt16} AND partition = {partition:UInt16} AND verdict = 'accepted' AND offset >= {next:UInt64}`,
    { epoch: place.epoch, partition: place.partition, next: String(nextOffset) },
  )
  return new Set(rows.map(row => Number(row.offset)))
}
