/**
 * Rows of users, as bytes, found by user id: a number each, from 0. They stand in large chunks as a result of
 * ClickHouse brings them, one behind the other:
 *
 *   length of the id (LEB128) | id | length of the state (LEB128) | state | version (a double, 8 bytes)
 *
 * Beside its chunk a row takes 24 to 32 bytes: where it is, the hash of its id, the key of its timer, and its place
 * in a hash table with open addressing.
 */
import { assert } from '../../base/errors.ts'
import type { User } from './state.ts'
import { readUser } from './user-row.ts'

/** Where the parts of a row are within its chunk. */
export interface RowPlace {
  idAt: number
  idEnd: number
  stateAt: number
  stateEnd: number
  /** Of the whole row; its last 8 bytes are the version. */
  endAt: number
}

// One object, reused: a restore goes through all rows.
const place: RowPlace = { idAt: 0, idEnd: 0, stateAt: 0, stateEnd: 0, endAt: 0 }

/** Where the row that begins at `at` has its parts; good until the next call. */
export function placeOfRow(chunk: Buffer, at: number): RowPlace {
  place.idAt = at
  place.idEnd = stepOverText(chunk, 'idAt')
  place.stateAt = place.idEnd
  place.stateEnd = stepOverText(chunk, 'stateAt')
  place.endAt = place.stateEnd + 8
  assert(place.endAt <= chunk.length, 'a chunk ends with a row')
  return place
}

/** Reads the length at `place[at]` and moves on to the text; returns where the text ends. */
function stepOverText(chunk: Buffer, at: 'idAt' | 'stateAt'): number {
  let length = 0
  let byte = 0x80
  for (let unit = 1; byte & 0x80; unit *= 128) {
    byte = chunk[place[at]++]!
    length += (byte & 0x7f) * unit
  }
  return place[at] + length
}

export function idOfRow(chunk: Buffer, { idAt, idEnd }: RowPlace): string {
  return chunk.toString('utf8', idAt, idEnd)
}

export interface PackedRows {
  /** How many there are, those taken out left out. */
  readonly count: number
  /** The row of that chunk at `at`; its number. */
  add(chunk: Buffer, at: number): number
  /** To be called when all rows are added: from now on they are found. */
  index(): void
  /** The number of the user's row; -1 without one. */
  find(id: string): number
  idOf(row: number): string
  /** The user, with the keys that his entries in the heaps have. */
  read(row: number): User
  /** The key of his entry in the heap of timers; Infinity without one, NaN once the row is taken out. */
  timerKeyMs(row: number): number
  setTimerKey(row: number, keyMs: number): void
  takeOut(row: number): void
  /** All that are not taken out. */
  rows(): Generator<number>
}

const rowsAtFirst = 1024

export function createPackedRows(): PackedRows {
  const chunks: Buffer[] = []
  let added = 0
  let count = 0
  let chunkOf = new Uint32Array(0)
  let startOf = new Uint32Array(0)
  let hashOf = new Int32Array(0)
  let timerKeyOf = new Float64Array(0)
  /** Row + 1; 0 where nothing is. Its length is a power of 2. */
  let table = new Int32Array(1)

  const grow = () => {
    const size = Math.max(rowsAtFirst, added * 2)
    chunkOf = grown(chunkOf, new Uint32Array(size))
    startOf = grown(startOf, new Uint32Array(size))
    hashOf = grown(hashOf, new Int32Array(size))
    timerKeyOf = grown(timerKeyOf, new Float64Array(size))
  }
  const placeOf = (row: number) => placeOfRow(chunks[chunkOf[row]!]!, startOf[row]!)
  const isTaken = (row: number) => Number.isNaN(timerKeyOf[row]!)

  return {
    get count() {
      return count
    },
    add(chunk, at) {
      if (added === startOf.length) grow()
      if (chunks.at(-1) !== chunk) chunks.push(chunk)
      const { idAt, idEnd } = placeOfRow(chunk, at)
      chunkOf[added] = chunks.length - 1
      startOf[added] = at
      hashOf[added] = hashOfBytes(chunk, idAt, idEnd)
      timerKeyOf[added] = Number.POSITIVE_INFINITY
      count++
      return added++
    },
    index() {
      table = new Int32Array(2 ** Math.ceil(Math.log2(added * 1.5 + 1)))
      const mask = table.length - 1
      for (let row = 0; row < added; row++) {
        let at = hashOf[row]! & mask
        while (table[at] !== 0) at = (at + 1) & mask
        table[at] = row + 1
      }
    },
    find(id) {
      if (count === 0) return -1
      const bytes = bytesOf(id)
      const hash = hashOfBytes(bytes, 0, bytes.length)
      const mask = table.length - 1
      for (let at = hash & mask; table[at] !== 0; at = (at + 1) & mask) {
        const row = table[at]! - 1
        if (hashOf[row] !== hash || isTaken(row)) continue
        const { idAt, idEnd } = placeOf(row)
        if (chunks[chunkOf[row]!]!.compare(bytes, 0, bytes.length, idAt, idEnd) === 0) return row
      }
      return -1
    },
    idOf: row => idOfRow(chunks[chunkOf[row]!]!, placeOf(row)),
    read(row) {
      const chunk = chunks[chunkOf[row]!]!
      const { stateAt, stateEnd } = placeOf(row)
      const user = readUser(idOfRow(chunk, place), chunk, stateAt, chunk.readDoubleLE(stateEnd))
      for (const { endMs, gapMs } of user.open)
        user.closeKeyMs = Math.min(user.closeKeyMs, endMs + gapMs)
      user.timerKeyMs = timerKeyOf[row]!
      return user
    },
    timerKeyMs: row => timerKeyOf[row]!,
    setTimerKey(row, keyMs) {
      timerKeyOf[row] = keyMs
    },
    takeOut(row) {
      timerKeyOf[row] = Number.NaN
      count--
    },
    *rows() {
      for (let row = 0; row < added; row++) if (!isTaken(row)) yield row
    },
  }
}

function grown<Numbers extends { set(from: Numbers): void }>(from: Numbers, to: Numbers): Numbers {
  to.set(from)
  return to
}

let scratch = Buffer.alloc(1024)

/** The id in UTF-8; good until the next call. */
function bytesOf(id: string): Buffer {
  // A unit of UTF-16 takes at most 3 bytes.
  if (id.length * 3 > scratch.length) scratch = Buffer.alloc(id.length * 3)
  return scratch.subarray(0, scratch.write(id))
}

function hashOfBytes(bytes: Buffer, startAt: number, endAt: number): number {
  let hash = 0x811c9dc5
  for (let at = startAt; at < endAt; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b)
  return hash ^ (hash >>> 13)
}
