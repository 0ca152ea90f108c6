/** Clicks onto the log, each once, however often the import is stopped and started again. */
import { EbbError } from '../../base/errors.ts'
import { partitionOf } from '../../base/slot.ts'
import { encodeRecord } from '../../log/codec.ts'
import type { NewRecord } from '../../log/log.ts'
import { clickOf } from './draft.ts'
import type { SortedClicks } from './read.ts'
import { findPositions } from './resume.ts'
import type { ImportTarget, Sink, Written } from './target.ts'

/** Of all partitions together; then every partition with clicks gets one append. */
const batchRecordsMax = 2000
const batchBytesMax = 1024 * 1024

export function logSink(target: ImportTarget, recordsMax = batchRecordsMax): Sink {
  return {
    verb: 'appended',
    ready() {
      if (target.mode === 'historic') return
      throw new EbbError(
        'badInput',
        'The project is live: its clock is now, and history would come too late. Give the same files and options to ebb rebuild, which makes the project anew from its clicks and theirs.',
      )
    },
    write: (clicks, onClicks) => appendAll(clicks, { target, recordsMax, onClicks }),
  }
}

interface Appending {
  readonly target: ImportTarget
  readonly recordsMax: number
  onClicks(written: number): void
}

async function appendAll(
  clicks: SortedClicks,
  { target, recordsMax, onClicks }: Appending,
): Promise<Written> {
  const skips = [...(await findPositions(clicks, target))]
  const alreadyThere = skips.reduce((sum, skip) => sum + skip, 0)
  let batch = openBatch(target)
  let written = 0
  const flush = async (): Promise<void> => {
    await batch.append()
    written += batch.records
    batch = openBatch(target)
    onClicks(alreadyThere + written)
  }
  for (const { text } of clicks.sorted()) {
    const click = clickOf(text)
    const partition = partitionOf(click.userId, target.partitions)
    if (skips[partition]! > 0) {
      skips[partition]!--
      continue
    }
    batch.add(partition, { key: click.userId, value: encodeRecord(click) })
    if (batch.records >= recordsMax || batch.bytes >= batchBytesMax) await flush()
  }
  await flush()
  return { written, alreadyThere }
}

function openBatch(target: ImportTarget) {
  const partitions = new Map<number, NewRecord[]>()
  return {
    records: 0,
    bytes: 0,
    add(partition: number, record: NewRecord): void {
      const records = partitions.get(partition)
      if (records) records.push(record)
      else partitions.set(partition, [record])
      this.records++
      this.bytes += record.value?.length ?? 0
    },
    /** Waits for all partitions even if one fails: nothing may still be on its way when we give up. */
    async append(): Promise<void> {
      const appends = [...partitions].map(([at, records]) => target.append(at, records))
      const failed = (await Promise.allSettled(appends)).find(({ status }) => status === 'rejected')
      if (failed?.status === 'rejected') throw failed.reason
    },
  }
}
