/** Where the outbox stands on one partition, in memory and as stored progress. */
import { EbbError } from '../base/errors.ts'
import type { Log, LogRecord } from '../log/log.ts'
import type { Store } from '../store/store.ts'
import type { Delivery, Message } from './courier.ts'
import { checkLog, readProgress, recordHash, writeProgress } from './progress.ts'
import type { Sight } from './sights.ts'

export interface Reading {
  readonly partition: number
  /** The end of the log when we came. */
  readonly catchUpTo: number
  /** Retention took records that had open deliveries. */
  orphans: boolean
  /** The next record to be read; below `seen` it is read again. */
  position: number
  /** As in progress.ts. */
  seen: number
  seenHash: string
  version: number
  /** The position as of which progress is stored. */
  stored: number
  /** With open deliveries, by offset, ascending. */
  readonly messages: Map<number, Message>
  readonly firstSights: (batch: readonly LogRecord[]) => Sight[]
  held: Delivery[]
  /** Users whose records before the offset are not sent. */
  readonly erased: Map<string, number>
  /** Nothing further of it is read or stored. */
  over: boolean
  waiting: { readonly offset: number; readonly reached: PromiseWithResolvers<void> }[]
}

export async function openReading(
  place: {
    readonly log: Log
    readonly store: Store
    readonly topic: string
    readonly partition: number
  },
  firstSights: Reading['firstSights'],
): Promise<Reading> {
  const { log, store, topic, partition } = place
  const progress = await readProgress(store, topic, partition)
  if (progress) await checkLog(log, topic, partition, progress)
  const { startOffset, endOffset } = await log.bounds(topic, partition)
  const seen = progress?.seenOffset ?? startOffset
  const next = progress?.nextOffset ?? startOffset
  // Unseen records that are gone are the log's to complain of: only seen ones may be passed over.
  const position = Math.max(next, Math.min(startOffset, seen))
  return {
    partition,
    catchUpTo: endOffset,
    orphans: next < position,
    position,
    seen,
    seenHash: progress?.seenHash ?? '',
    version: progress?.version ?? 0,
    stored: position,
    messages: new Map(),
    firstSights,
    held: [],
    erased: new Map(),
    over: false,
    waiting: [],
  }
}

/** `last` and all before it have their deliveries. */
export function advance(reading: Reading, last: LogRecord): void {
  reading.position = last.offset + 1
  if (reading.position <= reading.seen) return
  reading.seen = reading.position
  reading.seenHash = recordHash(last.value)
}

export async function saveReading(
  store: Store,
  topic: string,
  reading: Reading,
  nowMs: number,
): Promise<void> {
  const { partition, position, seen, seenHash } = reading
  const [oldestOpen] = reading.messages.keys()
  const nextOffset = oldestOpen ?? position
  const version = ++reading.version
  const progress = { nextOffset, seenOffset: seen, seenHash, version }
  await writeProgress(store, topic, partition, progress, nowMs)
  reading.stored = position
  for (const [userId, offset] of reading.erased)
    if (offset <= position) reading.erased.delete(userId)
  for (const { offset, reached } of reading.waiting) if (offset <= position) reached.resolve()
  reading.waiting = reading.waiting.filter(({ offset }) => offset > position)
}

/** Rejects when reading ends before. */
export async function storedUpTo(reading: Reading, offset: number): Promise<void> {
  if (reading.stored >= offset) return
  if (reading.over) throw readEnded()
  const reached = Promise.withResolvers<void>()
  reading.waiting.push({ offset, reached })
  await reached.promise
}

export function giveUpWaiting(reading: Reading): void {
  reading.over = true
  for (const { reached } of reading.waiting.splice(0)) reached.reject(readEnded())
}

export function readEnded(): EbbError {
  return new EbbError('logClosed', 'Webhooks read the log no further; try again after a restart.')
}
