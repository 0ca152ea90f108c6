/** The records of a rebuild onto its topic, and through the fold into the tables beside. */
import { assert, EbbError } from '../base/errors.ts'
import { pause } from '../base/time.ts'
import { readNextOffsets } from '../control/standing.ts'
import { type ProcessorOptions, startProcessor } from '../processor/processor.ts'
import { startCarrying } from './carry.ts'
import type { Epoch } from './epochs.ts'
import { countRecords, recordsOf } from './history.ts'
import type { Site } from './rebuild.ts'

const retryDelayMs = 1_000
const pollIntervalMs = 100

/** Goes on behind what is there: nobody else appends to the topic yet. */
export async function appendHistory(
  { log, tables, tell, stopping }: Site,
  { topic, partitions }: Epoch,
): Promise<void> {
  const counts = await countRecords(tables)
  tell(`${counts.reduce((sum, count) => sum + count, 0)} records go to ${topic}.`)
  for (let partition = 0; partition < partitions; partition++)
    for (;;) {
      const { endOffset } = await log.bounds(topic, partition)
      assert(endOffset <= (counts[partition] ?? 0), `${topic} holds nothing but the rebuild`)
      try {
        for await (const records of recordsOf(tables, partition, endOffset)) {
          stopping.throwIfAborted()
          await log.append(topic, partition, records)
        }
        break
      } catch (error) {
        // What was given up may be there or not: the log is asked where it ends.
        if (!(error instanceof EbbError) || !error.retriable) throw error
        tell(`${error.message} It is tried again.`)
        await pause(retryDelayMs, stopping)
      }
    }
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
