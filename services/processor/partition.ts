/**
 * One partition: folds what comes, and flushes when enough is gathered, when an alert waits, or when time
 * is up. Work on a partition is done one piece after the other, in the order it came in.
 */
import { EbbError } from '../base/errors.ts'
import { nextTurn, pause } from '../base/time.ts'
import type { Lease, LogRecord } from '../log/log.ts'
import {
  type Batch,
  batchSize,
  type Current,
  createBatch,
  deadRow,
  gatherEffects,
} from './batch.ts'
import { type FlushTarget, flush } from './flush.ts'
import type { Effects } from './fold/effects.ts'
import { fold, resume } from './fold/fold.ts'
import type { PartitionState, User } from './fold/state.ts'
import { readInput } from './input.ts'
import type { Flushed } from './meter.ts'
import { type Restored, recordHash } from './restore.ts'
import type { Place } from './rows.ts'

/** A flush is due at this many gathered rows. */
const rowsMax = 20_000
/** At most this many effects of mere time between two looks at the event loop and the flush. */
const sliceMax = 5_000
/** How long gathered rows wait at most; and progress alone, where nothing else changed. */
const rowsAgeMsMax = 1_000
const progressAgeMsMax = 5_000
const retryDelayMsMax = 10_000

export interface Partition {
  readonly place: Place
  readonly state: PartitionState
  /** Folds records in order; resolves when they are folded, not when they are flushed. */
  take(records: readonly LogRecord[], lease: Lease): Promise<void>
  /** Flushes if time is up. */
  beat(): Promise<void>
  /** Flushes all there is. */
  finish(): Promise<void>
  /** Forgets what is gathered: the partition is another's. */
  drop(): void
}

export interface PartitionOptions {
  readonly target: FlushTarget
  readonly place: Place
  readonly restored: Restored
  readonly steadyClock: () => number
  /** Called after each flush. */
  readonly flushed: (state: PartitionState, nextOffset: number, done: Flushed) => void
  /** A flush failed for now; it is tried again. */
  readonly troubled: (error: EbbError, attempt: number) => void
  readonly stopping: AbortSignal
}

export function createPartition(options: PartitionOptions): Partition {
  const { target, place, steadyClock } = options
  const { state } = options.restored
  let { nextOffset } = options.restored
  /** The record before nextOffset; undefined before the first of this run. */
  let lastRecord: LogRecord | undefined
  let batch: Batch = createBatch()
  let users: User[] = []
  let flushedAtMs = steadyClock()
  let flushedOffset = nextOffset
  let dropped = false
  let work: Promise<unknown> = Promise.resolve()
  const current: Current = {
    stored: { offset: -1, appendMs: 0, key: null, value: null },
    messageId: '',
  }
  const effects: Effects = gatherEffects(state, place, () => batch, current)

  /** One piece of work after the other, whoever asks for it. */
  const inTurn = <T>(piece: () => Promise<T>): Promise<T> => {
    const result = work.then(piece)
    work = result.catch(() => undefined)
    return result
  }

  const flushNow = async (lease: Lease | undefined) => {
    for (const user of state.dirty) {
      user.dirty = false
      users.push(user)
    }
    state.dirty = []
    const lastHash = lastRecord ? recordHash(lastRecord) : options.restored.lastHash
    const startedAtMs = steadyClock()
    await persist(options, lease, () =>
      flush(target, place, state, batch, users, { nextOffset, lastHash }),
    )
    flushedAtMs = steadyClock()
    const durationMs = flushedAtMs - startedAtMs
    const records = nextOffset - flushedOffset
    const done = { records, durationMs, batch, users: users.length }
    batch = createBatch()
    users = []
    flushedOffset = nextOffset
    options.flushed(state, nextOffset, done)
    await lease?.commit(nextOffset)
  }

  const isDue = () => {
    if (nextOffset === flushedOffset && batchSize(batch) === 0) return false
    const ageMs = steadyClock() - flushedAtMs
    if (batchSize(batch) === 0 && state.dirty.length === 0) return ageMs >= progressAgeMsMax
    return ageMs >= rowsAgeMsMax || batch.alerts.length > 0 || batchSize(batch) >= rowsMax
  }

  const foldOne = async (stored: LogRecord, lease: Lease) => {
    current.stored = stored
    const placeId = `${place.epoch}:${place.partition}:${stored.offset}`
    const input = readInput(stored, state.settings.skewMs, placeId)
    if ('reason' in input) {
      batch.rejects.push(deadRow(state, place, current, input))
      return
    }
    const { record, position } = input
    current.messageId = record.kind === 'click' && record.eventId !== '' ? record.eventId : placeId
    let finished = fold(state, record, position, effects, sliceMax)
    while (!finished) {
      // Many things are due at this one record: progress stays before it until all of them are out.
      await flushNow(lease)
      await nextTurn()
      if (lease.lost) return
      finished = resume(state, effects, sliceMax)
    }
  }

  const take = async (records: readonly LogRecord[], lease: Lease) => {
    for (const stored of records) {
      if (stored.offset !== nextOffset)
        throw new EbbError(
          'offsetGone',
          `Record ${nextOffset} of ${target.topic} partition ${place.partition} is missing; ${stored.offset} came instead.`,
        )
      await foldOne(stored, lease)
      if (lease.lost || dropped) return
      nextOffset = stored.offset + 1
      lastRecord = stored
      // What comes after an erasure starts afresh: a flush takes back all of the user that it gathered.
      if (batchSize(batch) >= rowsMax || batch.erased.length > 0) await flushNow(lease)
    }
    if (isDue()) await flushNow(lease)
  }

  return {
    place,
    state,
    take: (records, lease) => inTurn(() => take(records, lease)),
    beat: () =>
      inTurn(async () => {
        if (!dropped && isDue()) await flushNow(undefined)
      }),
    finish: () =>
      inTurn(async () => {
        if (!dropped && (nextOffset !== flushedOffset || batchSize(batch) > 0))
          await flushNow(undefined)
      }),
    drop() {
      dropped = true
    },
  }
}

/** Repeats `write` until it succeeds: what the store refuses now it may take later. */
async function persist(
  options: PartitionOptions,
  lease: Lease | undefined,
  write: () => Promise<void>,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await write()
    } catch (error) {
      if (!(error instanceof EbbError) || !error.retriable || options.stopping.aborted) throw error
      options.troubled(error, attempt)
    }
    await lease?.beat()
    await pause(Math.min(100 * 2 ** attempt, retryDelayMsMax), options.stopping)
  }
}
