/**
 * Reads a partition's state back: progress first, then the rows, which may be ahead of it and never behind.
 * A log that is not the one progress speaks of is refused with a sentence.
 */
import { assert, EbbError } from '../base/errors.ts'
import { slotCount, slotOf } from '../base/slot.ts'
import { nextTurn, steadyClock } from '../base/time.ts'
import type { Log } from '../log/log.ts'
import { isTaken } from '../log/record.ts'
import { readInteger, scannedRows } from '../store/scan.ts'
import type { Store } from '../store/store.ts'
import {
  type ErasedUsers,
  type Erasures,
  erasuresOfPartition,
  erasuresOfUsers,
} from './erasures.ts'
import { progressRow } from './flush.ts'
import { shareOfGuard } from './fold/guard.ts'
import { idOfRow, placeOfRow } from './fold/packed-rows.ts'
import { idHash } from './fold/session.ts'
import { finishPlacing, placeRow, placeUser, restorePartition } from './fold/snapshot.ts'
import { createState, type PartitionState, type User } from './fold/state.ts'
import { hasAllIds, hasIds, isKeyed, readDueFacts, restoreUser } from './fold/user-row.ts'
import { createFolded, type Folded, forgetGathered, lastHashOf } from './folded.ts'
import { findFault } from './log-fault.ts'
import { epochShift, epochUnit, offsetOfVersion, type Place, placeOfVersion } from './rows.ts'

export interface RestoreSource {
  readonly log: Log
  readonly store: Store
  readonly topic: string
  readonly partitions: number
  readonly project: string
  /** The epoch before, where there was one: a partition without progress begins with what that one ended in. */
  readonly previous?: PreviousEpoch | undefined
  /** How much of a partition's state is read back: a share, up to 1; told every few seconds. */
  readonly restoring?: ((partition: number, share: number) => void) | undefined
}

export interface PreviousEpoch {
  readonly topic: string
  readonly partitions: number
}

/** Slots read at first, and about so many bytes of rows from then on: bounds the rows in memory. */
const firstSlots = 64
const bytesAtOnce = 32 * 1024 * 1024
/** Rows worked off in one turn. */
const bytesOfTurn = 1024 * 1024
const tellIntervalMs = 2_000

export async function restore(source: RestoreSource, place: Place): Promise<Folded> {
  const { project } = source
  const progress = await readProgress(source, place)
  const state = progress
    ? restorePartition(project, progress.state)
    : await beginState(source, place)
  // Nothing folded: from the very first record on. Where that one is gone, somebody must know of it.
  const { nextOffset, lastHash } = progress ?? { nextOffset: 0, lastHash: '' }
  // Behind progress: rows may be ahead of it and never behind.
  const [fault, first] = await Promise.all([
    findFault(source, place, { nextOffset, lastHash }),
    readFirst(source, place),
  ])
  if (fault) throw fault
  await restoreUsers(source, place, state, nextOffset, first)
  const folded = createFolded(state, nextOffset, lastHash, first.erased)
  folded.isOfOneMoment = (await readProgress(source, place))?.nextOffset === progress?.nextOffset
  return folded
}

/**
 * Says of partitions of which nothing was ever folded, and whose first records are gone, that they begin at the first
 * ones that are there. For an operator who has nothing to bring them back from.
 */
export async function acceptLoss(
  source: RestoreSource & { readonly epoch: number },
  wallClock: () => number,
  tell: (sentence: string) => void,
): Promise<void> {
  const { log, store, topic, partitions, epoch } = source
  for (let partition = 0; partition < partitions; partition++) {
    const place = { epoch, partition }
    if (await readProgress(source, place)) continue
    const { startOffset } = await log.bounds(topic, partition)
    if (startOffset === 0) continue
    const state = await beginState(source, place)
    const reached = { nextOffset: startOffset, lastHash: '' }
    await store.insert('progress', [progressRow({ topic, wallClock }, place, state, reached)])
    tell(`${topic} partition ${partition} begins at ${startOffset}: what stood before is lost.`)
  }
}

/** The state that a partition begins with: nothing, or its share of the partition of the epoch before. */
async function beginState(source: RestoreSource, place: Place): Promise<PartitionState> {
  const { project, previous, partitions } = source
  if (!previous) return createState(project)
  const partition = place.partition % previous.partitions
  const progress = await readProgress({ ...source, topic: previous.topic }, { ...place, partition })
  const state = progress && restorePartition(project, progress.state)
  if (!state?.sealed)
    throw new EbbError(
      'topicMismatch',
      `${source.topic} goes on where ${previous.topic} ends, and partition ${partition} of that one is not drained yet.`,
    )
  state.sealed = false
  state.guard = shareOfGuard(state.guard, previous.partitions / partitions)
  return state
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
  if (!progress || progress.nextOffset < folded.flushedOffset || !folded.isOfOneMoment)
    return undefined
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

interface First {
  readonly erased: ErasedUsers
  readonly range: SlotRange
  readonly chunk: Buffer
}

async function readFirst(source: RestoreSource, place: Place): Promise<First> {
  // One of its slots is in it at least, or nothing would tell how much the next range has.
  const range = { from: 0, to: Math.max(firstSlots, place.partition + 1) }
  const [erased, chunk] = await Promise.all([
    erasuresOfPartition(source.store, source.partitions, place.partition),
    readUsers(source, place, range),
  ])
  return { erased, range, chunk }
}

async function restoreUsers(
  source: RestoreSource,
  place: Place,
  state: PartitionState,
  nextOffset: number,
  { erased, ...first }: First,
): Promise<void> {
  let toldAtMs = steadyClock()
  let range: SlotRange | undefined = first.range
  let { chunk } = first
  while (range) {
    const next = rangeAfter(range, chunk.length)
    // The engine reads the users of the next range while those of this one are worked off here.
    ;[chunk] = await Promise.all([
      next ? readUsers(source, place, next) : noRows,
      placeChunk(source, place, state, chunk, nextOffset, erased),
    ])
    if (steadyClock() - toldAtMs >= tellIntervalMs) {
      toldAtMs = steadyClock()
      source.restoring?.(place.partition, range.to / slotCount)
    }
    // Several partitions may be on their way, and the process has other work.
    await nextTurn()
    range = next
  }
  finishPlacing(state)
  if (state.frozen.size > 0) state.acceptedAhead = await readAhead(source, place, nextOffset)
}

/** In several turns, since a question to the engine takes some of ours: the next one is not to wait for all rows. */
async function placeChunk(
  source: RestoreSource,
  place: Place,
  state: PartitionState,
  chunk: Buffer,
  nextOffset: number,
  erased: ErasedUsers,
): Promise<void> {
  // Nearly always nobody is erased: then no id need be read.
  const erasuresIfAny = erased.isEmpty() ? undefined : erased.upTo
  const users = new Map<string, User>()
  for (let at = 0; at < chunk.length; ) {
    if (at > 0) await nextTurn()
    at = placeRows(chunk, at, place, state, nextOffset, erasuresIfAny, users)
  }
  await readIds(source, place, users, erased.upTo)
  for (const user of users.values()) placeUser(state, user, nextOffset)
}

/** Slots from `from` on and below `to`. */
interface SlotRange {
  readonly from: number
  readonly to: number
}

/** The next range, so large that about bytesAtOnce are in it, by what this one has; undefined behind the last. */
function rangeAfter({ from, to }: SlotRange, sizeBytes: number): SlotRange | undefined {
  if (to === slotCount) return undefined
  const slots = Math.ceil(((to - from) * bytesAtOnce) / Math.max(sizeBytes, 1))
  return { from: to, to: Math.min(slotCount, to + slots) }
}

const inRange =
  'slot >= {from:UInt16} AND slot < {to:UInt16} AND slot % {partitions:UInt16} = {partition:UInt16}'

const noRows = Buffer.alloc(0)

/** The rows as a chunk, but for their versions, which `placeRows` restates. */
function readUsers(source: RestoreSource, { partition }: Place, range: SlotRange): Promise<Buffer> {
  const { store, partitions } = source
  return store.scan(`SELECT user_id, state, version FROM users FINAL WHERE ${inRange}`, {
    ...range,
    partitions,
    partition,
  })
}

/**
 * Places the users whose rows can stay packed; gives `others`, who may lack ids, by id. What was written of an erased
 * user behind his erasure is left out: the state has nothing of him. Begins at the row at `startAt`, and returns where
 * the first row begins that is left for another turn.
 */
function placeRows(
  chunk: Buffer,
  startAt: number,
  place: Place,
  state: PartitionState,
  nextOffset: number,
  erasures: Erasures | undefined,
  others: Map<string, User>,
): number {
  const upTo = Math.min(chunk.length, startAt + bytesOfTurn)
  let endAt = startAt
  for (let at = startAt; at < upTo; at = endAt) {
    const row = placeOfRow(chunk, at)
    endAt = row.endAt
    const rowVersion = readInteger(chunk, row.stateEnd)
    const erased = erasures?.(idOfRow(chunk, row))
    if (erased && isTaken(erased, placeOfVersion(rowVersion))) continue
    const version = offsetOfVersion(rowVersion, place.epoch)
    chunk.writeDoubleLE(version, row.stateEnd)
    const shift = epochShift(rowVersion, place.epoch)
    if (version < nextOffset && !isKeyed(chunk, row.stateAt) && hasAllIds(chunk, row.stateAt)) {
      const facts = readDueFacts(chunk, row.stateAt, version)
      // Open sessions of an epoch before are known by the offset of their clicks: those move.
      if (shift === 0 || facts.open.length === 0) {
        placeRow(state, facts, chunk, at)
        continue
      }
    }
    const text = chunk.toString('utf8', row.stateAt, row.stateEnd)
    const user = restoreUser(idOfRow(chunk, row), text, version)
    for (const session of user.open) session.openOffset += shift
    others.set(user.id, user)
  }
  return endAt
}

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
async function readIds(
  source: RestoreSource,
  place: Place,
  users: Map<string, User>,
  erasures: Erasures,
): Promise<void> {
  let some: User[] = []
  let idUnits = 0
  const read = async () => {
    const lacking = await readIdsOf(source, place, some, erasures)
    for (const userId of await erasedMeanwhile(source, place, lacking)) users.delete(userId)
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
  { store }: RestoreSource,
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
  { store }: RestoreSource,
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

/**
 * Offsets of the accepted clicks that the rows have and progress does not. A click is accepted at one offset, however
 * often its row was written: without FINAL, which reads what the index of offsets would leave out.
 */
async function readAhead(
  source: RestoreSource,
  place: Place,
  nextOffset: number,
): Promise<Set<number>> {
  const rows = await source.store.query<{ offset: string }>(
    `SELECT DISTINCT offset FROM clicks
     WHERE epoch = {epoch:UInt16} AND partition = {partition:UInt16} AND verdict = 'accepted' AND offset >= {next:UInt64}`,
    { epoch: place.epoch, partition: place.partition, next: String(nextOffset) },
  )
  return new Set(rows.map(row => Number(row.offset)))
}
