/**
 * Carries over what stands behind the Seals of an epoch: a collector that had not heard of the new topic yet
 * appended it, and acknowledged it. Each such click gets onto the new topic, with an id, and only then the old
 * partition's progress moves on: a crash in between brings it twice, and the id makes the second a duplicate. An Erase
 * is carried with its place, by which a second one is known.
 */
import { partitionOf } from '../base/slot.ts'
import { wallClock } from '../base/time.ts'
import { decodeRecord, encodeRecord, isErase } from '../log/codec.ts'
import type { Lease, Log, LogRecord, NewRecord, Ownership } from '../log/log.ts'
import { recordHash } from '../processor/folded.ts'
import { type Persistence, persist } from '../processor/persist.ts'
import { versionAt } from '../processor/rows.ts'
import { rowTime } from '../store/rows.ts'
import type { Store } from '../store/store.ts'
import type { Epoch } from './epochs.ts'

export interface CarryOptions {
  readonly log: Log
  readonly store: Store
  /** Sealed and drained. */
  readonly from: Epoch
  readonly to: Epoch
  readonly carried: (clicks: number) => void
  /** Log or tables take nothing for now; it is tried again. */
  readonly troubled: Persistence['troubled']
  /** It does not stand still here: it is carried over, or another's. */
  readonly well?: (partition: number) => void
  /** It stands still, for now or until a restart. */
  readonly failed: (partition: number, error: Error) => void
}

/** Carries over until stopped; the partitions of the old topic are shared as those of the new one are. */
export async function startCarrying(options: CarryOptions): Promise<Ownership> {
  const { log, store, from, troubled } = options
  const stopping = new AbortController()
  const persistence = { troubled, stopping: stopping.signal }
  const ownership = await log.own(from.topic, `${from.topic}.carrier`, {
    async open(partition) {
      const nextOffset = await persist(persistence, () => readNextOffset(store, from, partition))
      options.well?.(partition)
      return nextOffset
    },
    records: (partition, batch, lease) => carry(options, persistence, partition, batch, lease),
    close: async partition => options.well?.(partition),
    failed: options.failed,
  })
  return {
    stop() {
      stopping.abort()
      return ownership.stop()
    },
  }
}

async function readNextOffset(store: Store, { topic }: Epoch, partition: number): Promise<number> {
  const [row] = await store.query<{ next_offset: string }>(
    `SELECT next_offset FROM progress FINAL
     WHERE topic = {topic:String} AND partition = {partition:UInt16}`,
    { topic, partition },
  )
  return Number(row!.next_offset)
}

async function carry(
  options: CarryOptions,
  persistence: Persistence,
  partition: number,
  batch: readonly LogRecord[],
  lease: Lease,
): Promise<void> {
  for (const piece of beforeErases(batch)) {
    if (lease.lost) return
    await carryPiece(options, persistence, partition, piece, lease)
  }
}

/** A batch in pieces, each but the first one beginning with an Erase. */
function* beforeErases(batch: readonly LogRecord[]): Generator<readonly LogRecord[]> {
  let from = 0
  for (const [at, { value }] of batch.entries())
    if (at > from && isErase(value)) {
      yield batch.slice(from, at)
      from = at
    }
  yield batch.slice(from)
}

/** Progress stands right before an Erase when it is appended: a crash brings nothing again that it has taken. */
async function carryPiece(
  { log, store, from, to, carried }: CarryOptions,
  persistence: Persistence,
  partition: number,
  batch: readonly LogRecord[],
  lease: Lease,
): Promise<void> {
  const byPartition = new Map<number, NewRecord[]>()
  for (const stored of batch) {
    const place = `${from.epoch}:${partition}:${stored.offset}`
    for (const [target, record] of carriedOf(stored, place, partition, from, to))
      byPartition.set(target, [...(byPartition.get(target) ?? []), record])
  }
  let count = 0
  for (const [target, records] of byPartition) {
    if (lease.lost) return
    await persist(persistence, () => log.append(to.topic, target, records), lease)
    count += records.length
  }
  const last = batch.at(-1)
  if (!last || lease.lost) return
  await persist(persistence, () => writeProgress(store, from, partition, last), lease)
  await lease.commit(last.offset + 1)
  if (count > 0) carried(count)
}

/** As it is, but up to behind this record. */
function writeProgress(
  store: Store,
  from: Epoch,
  partition: number,
  last: LogRecord,
): Promise<void> {
  const next = last.offset + 1
  return store.command(
    `INSERT INTO progress SELECT * REPLACE
       ({next:UInt64} AS next_offset, {hash:String} AS last_hash, {version:UInt64} AS version,
        fromUnixTimestamp64Milli({now:Int64}, 'UTC') AS written_at)
     FROM (SELECT * FROM progress FINAL WHERE topic = {topic:String} AND partition = {partition:UInt16})`,
    {
      next: String(next),
      hash: recordHash(last),
      version: String(versionAt(from.epoch, next)),
      now: String(rowTime(Math.round(wallClock()))),
      topic: from.topic,
      partition,
    },
  )
}

/** Where a record goes and as what. Ticks have no say any more; revisions are broadcast to the new topic anyway. */
function carriedOf(
  stored: LogRecord,
  place: string,
  partition: number,
  from: Epoch,
  to: Epoch,
): [number, NewRecord][] {
  const record = decodeRecord(stored.value)
  const { key } = stored
  switch (record.kind) {
    case 'click': {
      const receivedAtMs = record.receivedAtMs ?? stored.appendMs
      const eventId = record.eventId === '' ? place : record.eventId
      const value = encodeRecord({ ...record, eventId, receivedAtMs })
      return [[partitionOf(record.userId, to.partitions), { key, value }]]
    }
    case 'erase': {
      const { epoch } = from
      const { userId } = record
      const value = encodeRecord({ kind: 'carriedErase', userId, epoch, offset: stored.offset })
      return [[partitionOf(userId, to.partitions), { key, value }]]
    }
    case 'carriedErase':
    case 'audience':
      return [[partitionOf(record.userId, to.partitions), { key, value: stored.value }]]
    case 'dead':
      return [[partition, { key, value: stored.value }]]
    case 'live': {
      const children = to.partitions / from.partitions
      return Array.from({ length: children }, (_, at) => [
        partition + at * from.partitions,
        { key, value: stored.value },
      ])
    }
    default:
      return []
  }
}
