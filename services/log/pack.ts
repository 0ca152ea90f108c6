/**
 * The records of a batch as one blob: per record the lengths of key and value as big-endian int32, -1 for
 * null, then their bytes. One row for a thousand records is several times faster than a row for each.
 */
import type { LogRecord, NewRecord } from './log.ts'

const nullLength = -1

export function packRecords(records: readonly NewRecord[]): Buffer {
  let sizeBytes = 0
  for (const { key, value } of records)
    sizeBytes += 8 + (key === null ? 0 : Buffer.byteLength(key)) + (value?.length ?? 0)
  const blob = Buffer.allocUnsafe(sizeBytes)
  let at = 0
  for (const { key, value } of records) {
    const keyBytes = key === null ? 0 : blob.write(key, at + 8)
    blob.writeInt32BE(key === null ? nullLength : keyBytes, at)
    blob.writeInt32BE(value === null ? nullLength : value.length, at + 4)
    at += 8 + keyBytes
    if (value !== null) at += value.copy(blob, at)
  }
  return blob
}

/** The records from `fromOffset` on, of a batch that begins at `firstOffset`. Values are views of the blob. */
export function unpackRecords(
  blob: Buffer,
  { firstOffset, appendMs }: { firstOffset: number; appendMs: number },
  fromOffset: number,
): LogRecord[] {
  const records: LogRecord[] = []
  let at = 0
  for (let offset = firstOffset; at < blob.length; offset++) {
    const keyBytes = blob.readInt32BE(at)
    const valueBytes = blob.readInt32BE(at + 4)
    const keyAt = at + 8
    const valueAt = keyAt + Math.max(keyBytes, 0)
    at = valueAt + Math.max(valueBytes, 0)
    if (offset < fromOffset) continue
    const key = keyBytes === nullLength ? null : blob.toString('utf8', keyAt, valueAt)
    const value = valueBytes === nullLength ? null : blob.subarray(valueAt, at)
    records.push({ offset, appendMs, key, value })
  }
  return records
}
