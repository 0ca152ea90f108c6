/** Reads a partition's users back: those whose rows are whole stay packed, as bytes, until a record touches them. */
import { slotCount } from '../base/slot.ts'
import { nextTurn, steadyClock } from '../base/time.ts'
import { isTaken } from '../log/record.ts'
import { readInteger } from '../store/scan.ts'
import { readIds } from './click-ids.ts'
import { type ErasedUsers, type Erasures, erasuresOfPartition } from './erasures.ts'
import { idOfRow, placeOfRow } from './fold/packed-rows.ts'
import { finishPlacing, placeRow, placeUser } from './fold/snapshot.ts'
import type { PartitionState, User } from './fold/state.ts'
import { hasAllIds, isKeyed, readDueFacts, restoreUser } from './fold/user-row.ts'
import type { RestoreSource } from './restore.ts'
import { epochShift, offsetOfVersion, type Place, placeOfVersion } from './rows.ts'

/** Slots read at first, and about so many bytes of rows from then on: bounds the rows in memory. */
const firstSlots = 64
const bytesAtOnce = 32 * 1024 * 1024
/** Rows worked off in one turn. */
const bytesOfTurn = 1024 * 1024
const tellIntervalMs = 2_000

interface First {
  readonly erased: ErasedUsers
  readonly range: SlotRange
  readonly chunk: Buffer
}

export async function readFirst(source: RestoreSource, place: Place): Promise<First> {
  // One of its slots is in it at least, or nothing would tell how much the next range has.
  const range = { from: 0, to: Math.max(firstSlots, place.partition + 1) }
  const [erased, chunk] = await Promise.all([
    erasuresOfPartition(source.store, source.partitions, place.partition),
    readUsers(source, place, range),
  ])
  return { erased, range, chunk }
}

export async function restoreUsers(
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
  await readIds(source.store, place, users, erased.upTo)
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
