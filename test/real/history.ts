/** What an import put on a log, to be laid on another: in stages, or as a replay in its own time. */
import { decodeRecord, encodeRecord } from '../../services/log/codec.ts'
import type { Log, NewRecord } from '../../services/log/log.ts'
import { openMemoryLog } from '../../services/log/memory.ts'
import type { Click } from '../../services/log/record.ts'
import { makeTopics } from '../processor/fold-all.ts'
import { importFile, type Project } from './project.ts'

export interface Entry {
  readonly partition: number
  readonly click: Click
}

/** The clicks of a file as the import lays them on a log of the project's partitions, in order of time. */
export async function importHistory(project: Project, file: string): Promise<Entry[]> {
  const log = openMemoryLog({ clock: () => project.nowMs })
  await makeTopics(log, project.partitions)
  await importFile({ ...project, log }, file)
  const entries: Entry[] = []
  for (let partition = 0; partition < project.partitions; partition++)
    for (const click of await readClicks(log, partition)) entries.push({ partition, click })
  await log.close()
  return entries.sort((left, right) => left.click.timestampMs - right.click.timestampMs)
}

async function readClicks(log: Log, partition: number): Promise<Click[]> {
  const clicks: Click[] = []
  const { endOffset } = await log.bounds('clicks', partition)
  for (let offset = 0; offset < endOffset; ) {
    const records = await log.read('clicks', partition, offset, 1024 * 1024)
    for (const { value } of records) clicks.push(decodeRecord(value) as Click)
    offset += records.length
  }
  return clicks
}

function recordOf(click: Click): NewRecord {
  return { key: click.userId, value: encodeRecord(click) }
}

/** The clicks from one time up to, but not at, another: at once, as an import does. */
export async function appendStage(
  project: Project,
  entries: readonly Entry[],
  fromMs: number,
  beforeMs: number,
): Promise<void> {
  const records: NewRecord[][] = Array.from({ length: project.partitions }, () => [])
  for (const { partition, click } of entries)
    if (click.timestampMs >= fromMs && click.timestampMs < beforeMs)
      records[partition]!.push(recordOf(click))
  for (const [partition, own] of records.entries())
    await project.log.append('clicks', partition, own)
}

const dayMs = 86_400_000

/**
 * A replay: each click comes in at its own time, by the log's clock too, and is no import, so timers fire; a
 * tick to every partition after each day, the last one at the end of the last day. `atDay` may add records
 * before the clicks of a day.
 */
export async function replay(
  project: Project,
  entries: readonly Entry[],
  atDay?: (startMs: number) => Promise<void>,
): Promise<void> {
  const { log } = project
  let at = 0
  const firstMs = Math.floor(entries[0]!.click.timestampMs / dayMs) * dayMs
  for (let startMs = firstMs; at < entries.length; startMs += dayMs) {
    project.nowMs = startMs
    await atDay?.(startMs)
    for (; at < entries.length && entries[at]!.click.timestampMs < startMs + dayMs; at++) {
      const { partition, click } = entries[at]!
      project.nowMs = click.timestampMs
      await log.append('clicks', partition, [recordOf({ ...click, imported: false })])
    }
    project.nowMs = startMs + dayMs
    await project.broadcast({ kind: 'tick', atMs: project.nowMs, writer: 'replay' })
  }
}
