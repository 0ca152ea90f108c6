/** Where the outbox stands on one partition, in memory and as stored progress. */
import type { Lease, Log, LogRecord } from '../log/log.ts'
import type { Store } from '../store/store.ts'
import type { Delivery, Message } from './courier.ts'
import { findFault } from './log-fault.ts'
import { type Progress, readProgress, recordHash } from './progress.ts'
import type { Sight } from './sights.ts'

/** An owner begins so far above the one before, who may not know yet that he is none: what he still stores is older. */
const versionsOfOwner = 1_000

export interface Reading {
  readonly partition: number
  /** The end of the log when we came. */
  readonly catchUpTo: number
  /** Records that are gone, and of which it is not known whether they were ever sent. */
  readonly gone: number
  /** Retention took records that may have had open deliveries. */
  orphans: boolean
  /** The next record to be read; below `seen` it is read again. */
  position: number
  /** As in progress.ts. */
  seen: number
  seenHash: string
  /** As in progress.ts. */
  triedBelow: number | null
  /** Else nothing is known of who was here before, if anybody was. */
  readonly hasProgress: boolean
  version: number
  /** With open deliveries, by offset, ascending. */
  readonly messages: Map<number, Message>
  readonly firstSights: (batch: readonly LogRecord[]) => Sight[]
  held: Delivery[]
  /** Under which its records are read; undefined before the first of them. */
  lease: Lease | undefined
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
  const fault = progress && (await findFault(place, partition, progress))
  if (fault) throw fault
  const { startOffset, endOffset } = await log.bounds(topic, partition)
  const seen = progress?.seenOffset ?? startOffset
  const next = progress?.nextOffset ?? startOffset
  // Unseen records that go from now on are the log's to complain of: only seen ones may be passed over.
  const position = Math.max(next, Math.min(startOffset, seen))
  return {
    partition,
    catchUpTo: endOffset,
    // They were for times that are past: what comes now must not wait for them.
    gone: progress ? 0 : startOffset,
    // Nor what is open of those, where somebody took them for lost (log-fault.ts).
    orphans: progress ? next < position : startOffset > 0,
    position,
    seen,
    seenHash: progress?.seenHash ?? '',
    triedBelow: progress?.triedBelow ?? null,
    hasProgress: progress !== undefined,
    version: (progress?.version ?? 0) + versionsOfOwner,
    messages: new Map(),
    firstSights,
    held: [],
    lease: undefined,
  }
}

/** `last` and all before it have their deliveries. */
export function advance(reading: Reading, last: LogRecord): void {
  reading.position = last.offset + 1
  if (reading.position <= reading.seen) return
  reading.seen = reading.position
  reading.seenHash = recordHash(last.value)
}

/** Whether the delivery that is stored for that record may have been tried before us. */
export function mayBeTried({ triedBelow }: Reading, offset: number): boolean {
  return triedBelow === null || offset < triedBelow
}

/** A delivery of that record is new: who sent before us got less far. What we hold while we catch up nobody has tried. */
export function holdUntried(reading: Reading, offset: number): void {
  if (!reading.hasProgress || isCaughtUp(reading)) return
  if (mayBeTried(reading, offset)) reading.triedBelow = offset
}

export function isCaughtUp({ position, catchUpTo }: Reading): boolean {
  return position >= catchUpTo
}

/** Where it stands, to be stored; of a version of its own. */
export function progressOf(reading: Reading): Progress {
  const { position, seen, seenHash, triedBelow } = reading
  const [oldestOpen] = reading.messages.keys()
  const version = ++reading.version
  return { nextOffset: oldestOpen ?? position, seenOffset: seen, seenHash, triedBelow, version }
}
