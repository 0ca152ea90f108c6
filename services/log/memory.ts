/** A log in memory, for tests and simulation: the rules of local.ts, gone with the process. */
import { assert } from '../base/errors.ts'
import { type LocalLog, openLocalLog } from './local.ts'
import type { NewRecord } from './log.ts'
import type { Batch, Storage } from './storage.ts'

/** Deterministic: time is `clock`, chance there is none. */
export function openMemoryLog({ clock }: { clock: () => number }): LocalLog {
  return openLocalLog(memoryStorage(), clock)
}

function memoryStorage(): Storage {
  /** By partition id; each in offset order. */
  const batchesOf: Batch[][] = []

  function batchAt(partitionId: number, offset: number): Batch {
    const batches = batchesOf[partitionId]!
    let low = 0
    let high = batches.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if (batches[middle]!.offset <= offset) low = middle
      else high = middle - 1
    }
    const batch = batches[low]
    assert(batch && batch.offset <= offset, 'an offset within the bounds is in a batch')
    return batch
  }

  return {
    topics: () => [],
    create(name, settings) {
      const partitions = Array.from({ length: settings.partitions }, () => {
        const id = batchesOf.push([]) - 1
        return { id, startOffset: 0, endOffset: 0, appendMs: 0, sizeBytes: 0 }
      })
      return { name, settings, partitions }
    },
    setRetention() {},
    write(batches) {
      for (const batch of batches)
        batchesOf[batch.partitionId]!.push({ ...batch, records: batch.records.map(copied) })
    },
    read(partitionId, fromOffset) {
      const { offset, appendMs, records } = batchAt(partitionId, fromOffset)
      return records
        .slice(fromOffset - offset)
        .map(({ key, value }, index) => ({ offset: fromOffset + index, appendMs, key, value }))
    },
    head(partitionId, offset) {
      const { appendMs, sizeBytes, records } = batchAt(partitionId, offset)
      return { nextOffset: offset + records.length, appendMs, sizeBytes }
    },
    drop({ id, startOffset }) {
      batchesOf[id] = batchesOf[id]!.filter(batch => batch.offset >= startOffset)
    },
    close() {},
  }
}

/** What a writer does to its buffer later must not reach the log. */
function copied({ key, value }: NewRecord): NewRecord {
  return { key, value: value === null ? null : Buffer.from(value) }
}
