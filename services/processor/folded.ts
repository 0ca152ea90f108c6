/** A partition folded up to an offset, with what the tables may still lack of it: what a processor goes on from. */
import { hash } from 'node:crypto'
import type { LogRecord } from '../log/log.ts'
import { type Batch, createBatch } from './batch.ts'
import { type ErasedUsers, erasedUsers } from './erasures.ts'
import type { PartitionState, User } from './fold/state.ts'

export interface Folded {
  readonly state: PartitionState
  /** The first record that is not in the state. */
  nextOffset: number
  /** The record before nextOffset, or its hash; empty when there is none. */
  last: LogRecord | string
  /**
   * What the records before this offset made is in the tables. It is beyond nextOffset where another process
   * went on meanwhile: until there the fold repeats what it wrote, and what is gathered is forgotten.
   */
  flushedOffset: number
  /** Rows that are not flushed, and users changed since the last flush, beside those in `state.dirty`. */
  batch: Batch
  users: User[]
  readonly erased: ErasedUsers
  /**
   * False: while it was read back another process went on, so its users may be far ahead of it, and erasures between.
   * Whoever has its partition for good has not been overtaken; nobody goes on from it later.
   */
  isOfOneMoment: boolean
}

/** A state of which the tables hold all. */
export function createFolded(
  state: PartitionState,
  nextOffset: number,
  lastHash: string,
  erased = erasedUsers(),
): Folded {
  return {
    state,
    nextOffset,
    last: lastHash,
    flushedOffset: nextOffset,
    batch: createBatch(),
    users: [],
    erased,
    isOfOneMoment: true,
  }
}

/** What tells a record from any other at its place. */
export function recordHash(record: LogRecord): string {
  const value = record.value ?? Buffer.alloc(0)
  return hash('sha256', Buffer.concat([Buffer.from(`${record.offset}\n${record.key}\n`), value]))
}

export function lastHashOf({ last }: Folded): string {
  return typeof last === 'string' ? last : recordHash(last)
}

/** Takes over the users that the fold changed. */
export function gatherUsers({ state, users }: Folded): void {
  for (const user of state.dirty) {
    user.dirty = false
    users.push(user)
  }
  state.dirty = []
}

/** To be called when the tables hold all that is gathered. */
export function forgetGathered(folded: Folded): void {
  gatherUsers(folded)
  folded.batch = createBatch()
  folded.users = []
}
