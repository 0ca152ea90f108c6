/**
 * One partition: folds what comes, and flushes when enough is gathered or when it is told to. Work on a partition is
 * done one piece after the other, in the order it came in.
 */
import { EbbError } from '../base/errors.ts'
import { nextTurn } from '../base/time.ts'
import { isErase } from '../log/codec.ts'
import type { Lease, LogRecord } from '../log/log.ts'
import { batchSize } from './batch.ts'
import { createFlusher, type Flusher, type FlusherOptions } from './flusher.ts'
import type { PartitionState } from './fold/state.ts'
import { type Folded, forgetGathered } from './folded.ts'
import { createRecordFold } from './record-fold.ts'
import type { RoundPlace } from './rounds.ts'
import type { Place } from './rows.ts'

/** A flush is due at this many gathered rows, or of so many bytes: an insert has to do with the memory of a query. */
const rowsMax = 20_000
const recordBytesMax = 64 * 1024 * 1024

export interface Partition {
  readonly place: Place
  readonly state: PartitionState
  /** Folds records in order; resolves when they are folded, not when they are flushed. */
  take(records: readonly LogRecord[], lease: Lease): Promise<void>
  /** It has something to flush, and is not another's. */
  isDue(): boolean
  /** Flushes what is due, with others. */
  flush(round: RoundPlace): Promise<void>
  /** Flushes all there is. */
  finish(): Promise<void>
  /** Folds and flushes nothing further: the partition is another's. */
  drop(): void
  /** As `drop`, for what failed beside the records: whoever brings them is told of it. */
  fail(error: unknown): void
  /**
   * What it could go on from, when nothing of it runs any more; it does nothing further. Undefined when a
   * piece of its work failed, or was left in the middle of a record.
   */
  leave(): Promise<Folded | undefined>
}

/** `dueMax`: as in record-fold.ts. */
export function createPartition(
  options: FlusherOptions & { readonly dueMax?: number | undefined },
): Partition {
  const { target, place, folded } = options
  const { state } = folded
  const records = createRecordFold(folded, place, options.dueMax)
  const flusher = createFlusher(options)
  const inTurn = createTurns()
  /** All of the records before nextOffset is in the state, and nothing of those behind it. */
  let whole = true
  let dropped = false
  let failure: { readonly error: unknown } | undefined
  /** Under which its records came; undefined before the first of them. */
  let held: Lease | undefined

  // Work that failed in the middle of a record left users who are half of it ahead: nobody may store them.
  const isDue = () => whole && !dropped && !held?.lost && flusher.isDue()

  /** What is due at one record and too much for one slice; false when the partition was lost meanwhile. */
  const workOff = async (lease: Lease) => {
    do {
      // Users and progress stay before the record until all of it is folded: whoever dies begins with it anew.
      await flusher.flushMidway(lease)
      await nextTurn()
      if (lease.lost || dropped) return false
    } while (!records.resume())
    return true
  }

  const take = async (batch: readonly LogRecord[], lease: Lease) => {
    held = lease
    // Found before there was a lease to tell it by.
    if (failure) throw failure.error
    for (const stored of batch) {
      // What stands behind the Seal of an epoch is carried over to the next one, not folded here.
      if (lease.lost || dropped || state.sealed) return
      if (stored.offset !== folded.nextOffset) throw missing(target.topic, place, folded, stored)
      // A crash within the erasure's flush repeats nothing of his: his row, of which it would need, may be gone.
      if (isErase(stored.value)) {
        await flushUpTo(folded, flusher, lease)
        if (lease.lost || dropped) return
      }
      whole = false
      if (!records.fold(stored) && !(await workOff(lease))) return
      folded.nextOffset = stored.offset + 1
      folded.last = stored
      folded.batch.recordBytes += stored.value?.length ?? 0
      whole = true
      if (folded.nextOffset === folded.flushedOffset) forgetGathered(folded)
      else if (isFull(folded) || state.sealed) await flusher.flush(lease)
    }
  }

  return {
    place,
    state,
    take: (batch, lease) => inTurn(() => take(batch, lease)),
    isDue,
    flush: round =>
      inTurn(async () => {
        if (isDue()) await flusher.flush(held, round)
      }),
    finish: () =>
      inTurn(async () => {
        const { nextOffset, flushedOffset, batch } = folded
        if (whole && !dropped && (nextOffset !== flushedOffset || batchSize(batch) > 0))
          await flusher.flush(undefined)
      }),
    drop() {
      dropped = true
    },
    fail(error) {
      dropped = true
      failure = { error }
      held?.fail(error)
    },
    async leave() {
      dropped = true
      const failed = await inTurn.settled()
      return failed || !whole ? undefined : folded
    },
  }
}

/** So that progress stands right before the next record. */
async function flushUpTo(folded: Folded, flusher: Flusher, lease: Lease): Promise<void> {
  const { nextOffset, flushedOffset } = folded
  if (nextOffset > flushedOffset && !lease.lost) await flusher.flush(lease)
}

function isFull({ batch }: Folded): boolean {
  // What comes after an erasure starts afresh: a flush takes back all of the user that it gathered.
  return batchSize(batch) >= rowsMax || batch.recordBytes >= recordBytesMax || batch.erased.size > 0
}

function missing(topic: string, place: Place, folded: Folded, came: LogRecord): EbbError {
  return new EbbError(
    'offsetGone',
    `Record ${folded.nextOffset} of ${topic} partition ${place.partition} is missing; ${came.offset} came instead.`,
  )
}

/** One piece of work after the other, whoever asks for it. */
function createTurns() {
  let last: Promise<unknown> = Promise.resolve()
  let failed = false
  const inTurn = <T>(piece: () => Promise<T>): Promise<T> => {
    const result = last.then(piece)
    last = result.catch(() => {
      failed = true
    })
    return result
  }
  /** Resolves when all is done, to whether any of it failed. */
  inTurn.settled = async () => {
    await last
    return failed
  }
  return inTurn
}
