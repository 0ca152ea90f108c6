/** Whether a partition has something to flush; and the flush, again until it succeeds. */
import type { EbbError } from '../base/errors.ts'
import type { Lease } from '../log/log.ts'
import { batchSize, createBatch } from './batch.ts'
import { type FlushTarget, flush, flushMidway } from './flush.ts'
import type { PartitionState } from './fold/state.ts'
import { type Folded, forgetGathered, gatherUsers, lastHashOf } from './folded.ts'
import type { Flushed } from './meter.ts'
import { persist } from './persist.ts'
import type { RoundPlace } from './rounds.ts'
import type { Place } from './rows.ts'

/** How long progress waits, where nothing else changed. */
const progressAgeMsMax = 5_000

export interface FlusherOptions {
  readonly target: FlushTarget
  readonly place: Place
  readonly folded: Folded
  readonly steadyClock: () => number
  /** Called after each flush. */
  readonly flushed: (state: PartitionState, nextOffset: number, done: Flushed) => void
  /** A flush failed for now; it is tried again. */
  readonly troubled: (error: EbbError, attempt: number) => void
  readonly stopping: AbortSignal
}

export interface Flusher {
  isDue(): boolean
  /** Writes what is gathered; or forgets it, where the tables hold it already. */
  flush(lease: Lease | undefined, round?: RoundPlace): Promise<void>
  /** In the middle of a record: writes, or forgets, what came of it so far, but no user and no progress. */
  flushMidway(lease: Lease): Promise<void>
}

export function createFlusher(options: FlusherOptions): Flusher {
  const { target, place, folded, steadyClock } = options
  const { state } = folded
  let flushedAtMs = steadyClock()

  async function write(lease: Lease | undefined, round?: RoundPlace): Promise<void> {
    gatherUsers(folded)
    const { nextOffset, batch, users } = folded
    const reached = { nextOffset, lastHash: lastHashOf(folded) }
    const startedAtMs = steadyClock()
    const attempt = () => flush(target, place, state, batch, users, reached, round)
    await persist(options, attempt, lease)
    flushedAtMs = steadyClock()
    const records = nextOffset - folded.flushedOffset
    const durationMs = flushedAtMs - startedAtMs
    forgetGathered(folded)
    folded.flushedOffset = nextOffset
    options.flushed(state, nextOffset, { records, durationMs, batch, users: users.length })
    await lease?.commit(nextOffset)
  }

  async function writeMidway(lease: Lease): Promise<void> {
    const { batch, flushedOffset } = folded
    const startedAtMs = steadyClock()
    await persist(options, () => flushMidway(target, place, state, batch), lease)
    const durationMs = steadyClock() - startedAtMs
    folded.batch = createBatch()
    options.flushed(state, flushedOffset, { records: 0, durationMs, batch, users: 0 })
  }

  return {
    isDue() {
      const { nextOffset, flushedOffset, batch } = folded
      const size = batchSize(batch)
      if (nextOffset < flushedOffset || (nextOffset === flushedOffset && size === 0)) return false
      const isProgressOnly = size === 0 && state.dirty.length === 0
      return !isProgressOnly || steadyClock() - flushedAtMs >= progressAgeMsMax
    },
    async flush(lease, round) {
      if (folded.nextOffset < folded.flushedOffset) forgetGathered(folded)
      else await write(lease, round)
    },
    async flushMidway(lease) {
      if (folded.nextOffset < folded.flushedOffset) folded.batch = createBatch()
      else await writeMidway(lease)
    },
  }
}
