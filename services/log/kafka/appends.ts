/**
 * Appends to one topic. Each partition has one request under way; what comes meanwhile goes together with the
 * next one, as one record batch, which Kafka takes whole or not at all. A request carries one partition, so its
 * answer is about nothing else. When an answer is lost, or a leader moves, the batch is sent again under the same
 * producer and number, by which the broker knows it: it is there once.
 */
import { EbbError } from '../../base/errors.ts'
import { nextTurn, steadyClock } from '../../base/time.ts'
import type { NewRecord } from '../log.ts'
import {
  appendMsMax,
  late,
  type Numbering,
  newNumbering,
  produceAll,
  sizeOf,
  type Target,
} from './produce.ts'

/** Appends share a batch up to here. */
const sharedBytesMax = 1024 * 1024
/** What waits in this process, over all topics; beyond it appends are refused with `logBusy`. */
export const waitingBytesMax = 64 * 1024 * 1024

/** What all topics of a log have waiting together. */
export interface Load {
  waitingBytes: number
}

interface Waiting {
  readonly records: readonly NewRecord[]
  readonly sizeBytes: number
  readonly sinceMs: number
  readonly resolve: (offset: number) => void
  readonly reject: (error: unknown) => void
}

interface Lane {
  readonly waiting: Waiting[]
  busy: boolean
  numbering: Numbering
  /** The partition was cut short or made anew: from then on nothing is sent there, or it would soon look whole again. */
  refusal: EbbError | undefined
}

export interface Appends {
  append(partition: number, records: readonly NewRecord[]): Promise<number>
  /** Resolves when all that waits is settled. */
  drained(): Promise<unknown>
}

export function openAppends(topic: Target, load: Load): Appends {
  const lanes = new Map<number, Lane>()
  const working = new Set<Promise<void>>()

  async function work(partition: number, lane: Lane): Promise<void> {
    lane.busy = true
    await nextTurn() // Appends of the same turn go together.
    while (lane.waiting.length > 0) {
      const group = lane.waiting.splice(0, groupLength(lane.waiting))
      await send(partition, lane, group)
      for (const { sizeBytes } of group) load.waitingBytes -= sizeBytes
    }
    lane.busy = false
  }

  async function send(partition: number, lane: Lane, group: readonly Waiting[]): Promise<void> {
    const inTime = group.filter(waiting => steadyClock() - waiting.sinceMs < appendMsMax)
    for (const waiting of group) if (!inTime.includes(waiting)) waiting.reject(late(topic.name))
    if (inTime.length === 0) return
    try {
      if (lane.refusal) throw lane.refusal
      let offset = await produceAll(topic, partition, lane.numbering, inTime.flatMap(recordsOf))
      for (const { records, resolve } of inTime) {
        resolve(offset)
        offset += records.length
      }
    } catch (error) {
      // Another object: a request that was given up may still come back and count on.
      lane.numbering = newNumbering(lane.numbering.endOffset)
      if (error instanceof EbbError && error.code === 'topicMismatch') lane.refusal = error
      for (const { reject } of inTime) reject(error)
    }
  }

  return {
    append(partition, records) {
      const lane = lanes.get(partition) ?? newLane()
      lanes.set(partition, lane)
      const sizeBytes = sizeOf(records)
      if (load.waitingBytes > 0 && load.waitingBytes + sizeBytes > waitingBytesMax)
        return Promise.reject(new EbbError('logBusy', 'Too much waits for the log already.'))
      load.waitingBytes += sizeBytes
      return new Promise((resolve, reject) => {
        lane.waiting.push({ records, sizeBytes, sinceMs: steadyClock(), resolve, reject })
        if (lane.busy) return
        const running = work(partition, lane).finally(() => working.delete(running))
        working.add(running)
      })
    },
    drained: () => Promise.all(working),
  }
}

function newLane(): Lane {
  return { waiting: [], busy: false, numbering: newNumbering(0), refusal: undefined }
}

function recordsOf({ records }: Waiting): readonly NewRecord[] {
  return records
}

/** How many of the oldest appends share the next batch: at least one, however large. */
function groupLength(waiting: readonly Waiting[]): number {
  let sizeBytes = 0
  for (let length = 0; length < waiting.length; length++) {
    sizeBytes += waiting[length]!.sizeBytes
    if (sizeBytes > sharedBytesMax) return Math.max(1, length)
  }
  return waiting.length
}
