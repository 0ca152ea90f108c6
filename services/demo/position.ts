/**
 * How far a replay has written the log. Each stretch of a partition is one append that ends with its tick, and
 * an append is whole or not there: so the last tick of a partition says exactly which clicks it has.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { decodeRecord } from '../log/codec.ts'
import { openEmbeddedLog } from '../log/embedded.ts'
import type { Log, LogRecord } from '../log/log.ts'

/** The writer in the replay's ticks. */
export const replayer = 'demo'
const topic = 'clicks'
/** Only controls and what a person sends by hand can stand behind the last tick. */
const recordsFirst = 32

/** By partition: all clicks before that time stand on the log. Undefined where nothing was written yet. */
export async function writtenUpTo(log: Log): Promise<(number | undefined)[]> {
  const partitions = await log.partitions(topic)
  return Promise.all(Array.from({ length: partitions }, (_, partition) => lastTick(log, partition)))
}

async function lastTick(log: Log, partition: number): Promise<number | undefined> {
  const { startOffset, endOffset } = await log.bounds(topic, partition)
  for (let count = recordsFirst; ; count *= 4) {
    const fromOffset = Math.max(startOffset, endOffset - count)
    const tickMs = tickIn(await readAll(log, partition, fromOffset, endOffset))
    if (tickMs !== undefined || fromOffset === startOffset) return tickMs
  }
}

async function readAll(
  log: Log,
  partition: number,
  fromOffset: number,
  endOffset: number,
): Promise<LogRecord[]> {
  const records: LogRecord[] = []
  while (fromOffset + records.length < endOffset)
    records.push(...(await log.read(topic, partition, fromOffset + records.length, 1024 * 1024)))
  return records
}

function tickIn(records: readonly LogRecord[]): number | undefined {
  for (const { value } of records.toReversed()) {
    const record = decodeRecord(value)
    if (record.kind === 'tick' && record.writer === replayer) return record.atMs
  }
  return undefined
}

/**
 * Where the project's clock of a data directory stands; undefined for one without a replay. To be asked before
 * anything else opens the directory: webhooks that were under way are due by this clock.
 */
export async function clockOf(directory: string): Promise<number | undefined> {
  const path = join(directory, 'log')
  if (!existsSync(join(path, 'log.sqlite'))) return undefined
  const log = await openEmbeddedLog({ directory: path, clock: () => 0 })
  try {
    const written = (await writtenUpTo(log)).filter(atMs => atMs !== undefined)
    return written.length === 0 ? undefined : Math.max(...written)
  } finally {
    await log.close()
  }
}
