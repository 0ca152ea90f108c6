/** The records of a rebuild onto its topic, and through the fold into the tables beside. */
import { EbbError } from '../base/errors.ts'
import { pause } from '../base/time.ts'
import { readNextOffsets } from '../control/standing.ts'
import type { Log, LogRecord, NewRecord } from '../log/log.ts'
import { type ProcessorOptions, startProcessor } from '../processor/processor.ts'
import { startCarrying } from './carry.ts'
import type { Epoch } from './epochs.ts'
import { countRecords, recordsOf } from './history.ts'
import type { Site } from './rebuild.ts'

const retryDelayMs = 1_000
const pollIntervalMs = 100
/** The first one that is appended when the old epoch is sealed. */
const endRound = 2
/** Records at the end of a topic that are held against the history: an append has no more. */
const comparedMax = 2_000
const readBytesMax = 1024 * 1024

/**
 * What stands in the history before the end, behind what is there: nobody else appends to the topic yet, so the number of
 * a record is its offset. False where it is not: what was given up and sent again came in after all, later.
 */
export async function appendHistory(site: Site, { topic, partitions }: Epoch): Promise<boolean> {
  const counts = await countRecords(site.tables, endRound)
  tellCount(site, topic, counts)
  for (let partition = 0; partition < partitions; partition++)
    if (!(await retried(site, () => appendExactly(site, topic, partition)))) return false
  return true
}

async function appendExactly(site: Site, topic: string, partition: number): Promise<boolean> {
  const { log, tables, stopping } = site
  // What was given up may be there or not: the log is asked where it ends, and with what.
  let { endOffset: next } = await log.bounds(topic, partition)
  const from = Math.max(0, next - comparedMax)
  if ((await nextOf(site, topic, partition, from, next)) !== next) return false
  for await (const records of recordsOf(tables, partition, next)) {
    stopping.throwIfAborted()
    if ((await log.append(topic, partition, records)) !== next) return false
    next += records.length
  }
  return true
}

/** Whether the topic holds what `appendHistory` appends, and nothing else. */
export async function isHistoryAlone(site: Site, epoch: Epoch): Promise<boolean> {
  const counts = await countRecords(site.tables, endRound)
  const ends = await endsOf(site, epoch)
  return ends.every((end, partition) => end === (counts[partition] ?? 0))
}

/**
 * The rest of the history. What came in a second time stays: the fold knows clicks by their ids, erasures by their place,
 * and of what is said of a user the last counts. So nothing is passed over that is not there, record by record.
 */
export async function appendEnd(site: Site, { topic, partitions }: Epoch): Promise<void> {
  const { log, tables, stopping } = site
  const before = await countRecords(tables, endRound)
  const counts = await countRecords(tables, endRound + 2)
  tellCount(
    site,
    topic,
    counts.map((count, partition) => count - (before[partition] ?? 0)),
  )
  const append = async (partition: number) => {
    const { endOffset } = await log.bounds(topic, partition)
    const next = await nextOf(site, topic, partition, before[partition] ?? 0, endOffset)
    for await (const records of recordsOf(tables, partition, next)) {
      stopping.throwIfAborted()
      await log.append(topic, partition, records)
    }
  }
  for (let partition = 0; partition < partitions; partition++)
    await retried(site, () => append(partition))
}

function tellCount({ tell }: Site, topic: string, counts: readonly number[]): void {
  tell(`${counts.reduce((sum, count) => sum + count, 0)} records go to ${topic}.`)
}

async function retried<Result>(
  { tell, stopping }: Site,
  work: () => Promise<Result>,
): Promise<Result> {
  for (;;)
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof EbbError) || !error.retriable) throw error
      tell(`${error.message} It is tried again.`)
      await pause(retryDelayMs, stopping)
    }
}

/**
 * The number of the first record of the history, from that number on, that does not stand on the topic from the offset
 * of that number on; those before it stand there in their order. What stands between them counts for nothing.
 */
async function nextOf(
  { log, tables }: Site,
  topic: string,
  partition: number,
  from: number,
  endOffset: number,
): Promise<number> {
  let next = from
  if (from >= endOffset) return next
  const stored = recordsOn(log, topic, partition, from, endOffset)
  for await (const records of recordsOf(tables, partition, from))
    for (const record of records) {
      for (;;) {
        const one = await stored.next()
        if (one.done) return next
        if (isSame(one.value, record)) break
      }
      next++
    }
  return next
}

async function* recordsOn(
  log: Log,
  topic: string,
  partition: number,
  from: number,
  endOffset: number,
): AsyncGenerator<LogRecord, void> {
  for (let offset = from; offset < endOffset; )
    for (const stored of await log.read(topic, partition, offset, readBytesMax)) {
      yield stored
      offset = stored.offset + 1
    }
}

function isSame(stored: LogRecord, { key, value }: NewRecord): boolean {
  return stored.key === key && stored.value !== null && value !== null && stored.value.equals(value)
}

/** Folds all that is on the new topic into the tables beside. */
export async function foldHistory(site: Site, { epoch, topic, partitions }: Epoch): Promise<void> {
  const { log, tables, alertsTopic, alertsPartitions, project, tell, stopping } = site
  const ends = await endsOf(site, { epoch, topic, partitions })
  tell(`${ends.reduce((sum, end) => sum + end, 0)} records are folded.`)
  const waiting = new Set(ends.keys())
  const done = Promise.withResolvers<void>()
  // It may fail before it is waited for.
  done.promise.catch(() => undefined)
  const moved = (partition: number, nextOffset: number) => {
    if (nextOffset >= ends[partition]!) waiting.delete(partition)
    if (waiting.size === 0) done.resolve()
  }
  const failed: ProcessorOptions['failed'] = (_partition, error) => {
    const isGone = error instanceof EbbError && error.code === 'offsetGone'
    done.reject(isGone ? historyGone(topic, error) : error)
  }
  const onAbort = () => done.reject(stopping.reason)
  stopping.addEventListener('abort', onAbort)
  const processor = await startProcessor({
    ...{ log, store: tables.shadow, topic, partitions, epoch, project },
    ...{ alertsTopic, alertsPartitions, failed },
    troubled: (_partition, error) => tell(`${error.message} It is tried again.`),
    opened: moved,
    flushed: (partition, _state, nextOffset) => moved(partition, nextOffset),
  })
  try {
    await done.promise
  } finally {
    stopping.removeEventListener('abort', onAbort)
    await processor.stop()
  }
}

/** What an operator may do where tables begin with nothing, as by ebb log begin, is of no help to these. */
function historyGone(topic: string, cause: Error): EbbError {
  return new EbbError(
    'offsetGone',
    `Retention has taken the first records of ${topic}, and all of them are needed: the tables of a rebuild are made of nothing else. Restore a backup of ClickHouse from behind that rebuild; without one a new project has to be begun.`,
    { cause },
  )
}

/** Brings over what was acknowledged behind the Seals; what comes later is carried by processors. */
export async function carryBehindSeals(site: Site, from: Epoch, to: Epoch): Promise<void> {
  const { log, tables, tell, stopping } = site
  const { store } = tables
  const failing = Promise.withResolvers<never>()
  // It may fail before it is waited for.
  failing.promise.catch(() => undefined)
  const carrier = await startCarrying({
    ...{ log, store, from, to },
    carried: clicks => tell(`${clicks} clicks that came behind the seals are carried over.`),
    troubled: error => tell(`${error.message} It is tried again.`),
    failed: (_partition, error) => failing.reject(error),
  })
  try {
    const ends = await endsOf(site, from)
    const carried = async () => {
      for (; !stopping.aborted; await pause(pollIntervalMs, stopping)) {
        const offsets = await readNextOffsets(store, from.topic)
        if (ends.every((end, partition) => (offsets.get(partition) ?? 0) >= end)) return
      }
      stopping.throwIfAborted()
    }
    await Promise.race([carried(), failing.promise])
  } finally {
    await carrier.stop()
  }
}

function endsOf({ log }: Site, { topic, partitions }: Epoch): Promise<number[]> {
  return Promise.all(
    Array.from({ length: partitions }, async (_, partition) => {
      return (await log.bounds(topic, partition)).endOffset
    }),
  )
}
