/** The processor: owns partitions of the clicks topic and keeps a fold for each. */

import { EbbError } from '../base/errors.ts'
import { every, steadyClock, wallClock } from '../base/time.ts'
import type { Log } from '../log/log.ts'
import type { Store } from '../store/store.ts'
import type { PartitionState } from './fold/state.ts'
import { keepPartitions } from './kept.ts'
import type { ProcessorMeter, RestoredFrom } from './meter.ts'
import { createPartition, type Partition } from './partition.ts'
import { persist } from './persist.ts'
import { type PreviousEpoch, restore, resume } from './restore.ts'
import { createRounds } from './rounds.ts'
import { startSweeping, sweepIntervalMs } from './sweep.ts'

export interface ProcessorOptions {
  readonly log: Log
  readonly store: Store
  readonly topic: string
  readonly partitions: number
  readonly alertsTopic: string
  readonly alertsPartitions: number
  readonly project: string
  readonly epoch: number
  /** Of epoch 0 undefined. All of its partitions must be drained to their Seal. */
  readonly previous?: PreviousEpoch | undefined
  /** Tells what waits: its state cannot be read, or its rows not be written; it is tried again. */
  readonly troubled: (partition: number, error: Error, attempt: number) => void
  /** It stands still: until a restart, or, where it was a bug of ours, until it is opened anew. */
  readonly failed: (partition: number, error: Error) => void
  /** Its state is being read back: a share, up to 1; told every few seconds. */
  readonly restoring?: (partition: number, share: number) => void
  /** The partition's state is in memory; what is before nextOffset is in the tables. */
  readonly opened?: (partition: number, nextOffset: number, from: RestoredFrom) => void
  readonly flushed?: (partition: number, state: PartitionState, nextOffset: number) => void
  /** It is another's now. */
  readonly closed?: (partition: number) => void
  readonly meter?: ProcessorMeter
  /** As in sweep.ts; shorter in a simulation. */
  readonly sweepIntervalMs?: number
  /** As in record-fold.ts; fewer in a simulation. */
  readonly dueMax?: number | undefined
}

export interface Processor {
  /** The live states, by partition: read, never changed, by others. */
  readonly partitions: ReadonlyMap<number, Partition>
  /** Folds what was handed over, flushes, gives the partitions back. */
  stop(): Promise<void>
}

const lookIntervalMs = 100

export async function startProcessor(options: ProcessorOptions): Promise<Processor> {
  const { log, store, topic, project, meter } = options
  const partitions = new Map<number, Partition>()
  const kept = keepPartitions(steadyClock)
  const stopping = new AbortController()
  const { alertsTopic, alertsPartitions } = options
  meter?.watch({
    partitions: options.partitions,
    owned: () => partitions.keys(),
    users: number => partitions.get(number)!.state.users.size,
    bounds: number => log.bounds(topic, number),
    wallClock,
  })
  const target = { log, store, topic, alertsTopic, alertsPartitions, wallClock }
  const open = async (number: number) => {
    const place = { epoch: options.epoch, partition: number }
    const { partitions: count, restoring, previous } = options
    const source = { log, store, topic, partitions: count, project, previous, restoring }
    const before = await kept.take(number)
    const troubled = (error: EbbError, attempt: number) => options.troubled(number, error, attempt)
    const persistence = { troubled, stopping: stopping.signal }
    const resumed = before && (await persist(persistence, () => resume(source, place, before)))
    const folded = resumed ?? (await persist(persistence, () => restore(source, place)))
    const partition: Partition = createPartition({
      target,
      place,
      folded,
      steadyClock,
      flushed(state, nextOffset, done) {
        meter?.flushed(number, nextOffset, state.clockMs, done)
        options.flushed?.(number, state, nextOffset)
      },
      troubled(error: EbbError, attempt) {
        meter?.flushFailed()
        // What it still tries to write when it is another's is no fault of ours any more.
        if (partitions.get(number) === partition) troubled(error, attempt)
      },
      stopping: stopping.signal,
      dueMax: options.dueMax,
    })
    partitions.set(number, partition)
    const from = resumed ? 'memory' : 'tables'
    meter?.opened(number, folded.flushedOffset, from)
    options.opened?.(number, folded.flushedOffset, from)
    return folded.nextOffset
  }
  const ownership = await log.own(topic, `${topic}.processor`, {
    open,
    records: (number, batch, lease) => partitions.get(number)!.take(batch, lease),
    async close(number, lost) {
      options.closed?.(number)
      const partition = partitions.get(number)
      partitions.delete(number)
      if (!partition) return
      if (lost) partition.drop()
      else await partition.finish()
      kept.put(number, partition)
    },
    failed(number, error) {
      partitions.get(number)?.drop()
      options.failed(number, error)
    },
  })
  const rounds = createRounds<Partition>({
    steadyClock,
    isDue: partition => partition.isDue(),
    flush: (partition, place) =>
      partition.flush(place).catch(error => {
        if (isLoss(error)) partition.drop()
        else partition.fail(error)
      }),
  })
  const stopLooking = every(lookIntervalMs, () => {
    kept.expire()
    rounds.look(partitions.values())
  })
  const stopSweeping = startSweeping({
    store,
    intervalMs: options.sweepIntervalMs ?? sweepIntervalMs,
    isMine: () => partitions.has(0),
    failed: error => options.troubled(0, error, 1),
  })
  return {
    partitions,
    async stop() {
      stopLooking()
      const swept = stopSweeping()
      const stopped = ownership.stop()
      stopping.abort()
      await stopped
      await swept
    },
  }
}

/** Its end follows, told by the log. */
function isLoss(error: unknown): boolean {
  return error instanceof EbbError && error.code === 'partitionLost'
}
