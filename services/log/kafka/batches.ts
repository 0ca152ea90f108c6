/**
 * Kafka's record batches (format 2) to records. By hand, because kafkajs believes what it reads: it checks no
 * sum, expands any bomb, overflows the stack on large batches, and fails all partitions for one of them.
 *
 * A batch, big endian:
 *
 *   0 base offset int64     8 length int32 of what follows      12 leader epoch int32   16 format int8
 *  17 crc32c from 21 on    21 attributes int16                  23 last offset delta int32
 *  27 base time int64      35 max time int64                    43 producer: 14 bytes   57 count int32
 *  61 records, compressed together: varints of length, offset delta, ...
 */
import { createRequire } from 'node:module'
import { assert, EbbError } from '../../base/errors.ts'
import type { LogRecord } from '../log.ts'
import { batchBytesMax, expanded } from './compression.ts'

const crc32c = createRequire(import.meta.url)('kafkajs/src/protocol/recordBatch/crc32C') as (
  bytes: Buffer,
) => number

const headerBytes = 61
const formatKnown = 2
const codecMask = 0b111
const appendTimeFlag = 0b1000
const controlFlag = 0b100000

/** The records from `fromOffset` on, without gap; throws `batchUnreadable`, or `offsetGone` where one is missing. */
export async function readBatches(bytes: Buffer, fromOffset: number): Promise<LogRecord[]> {
  const records: LogRecord[] = []
  let at = 0
  while (bytes.length - at >= headerBytes) {
    const end = at + 12 + bytes.readInt32BE(at + 8)
    if (end > bytes.length) break // Cut off by the limit of the fetch.
    await readBatch(bytes.subarray(at, end), fromOffset, records)
    at = end
  }
  return records
}

async function readBatch(batch: Buffer, fromOffset: number, records: LogRecord[]): Promise<void> {
  if (batch.length < headerBytes || batch[16] !== formatKnown)
    throw new EbbError('batchUnreadable', `It is no record batch of format ${formatKnown}.`)
  if (crc32c(batch.subarray(21)) !== batch.readUInt32BE(17))
    throw new EbbError('batchUnreadable', 'Its checksum is wrong.')
  const attributes = batch.readInt16BE(21)
  const count = batch.readInt32BE(57)
  const codec = attributes & codecMask
  const compressed = batch.subarray(headerBytes)
  const body = codec === 0 ? compressed : await expanded(codec, compressed)
  assert(body.length <= batchBytesMax, 'an expanded batch is bounded')
  readRecords(body, count, {
    fromOffset,
    baseOffset: Number(batch.readBigInt64BE(0)),
    // All records of a batch were taken at once; without the broker's time each has its writer's.
    appendMs: attributes & appendTimeFlag ? Number(batch.readBigInt64BE(35)) : null,
    baseMs: Number(batch.readBigInt64BE(27)),
    control: (attributes & controlFlag) !== 0,
    records,
  })
}

interface Batch {
  readonly fromOffset: number
  readonly baseOffset: number
  readonly appendMs: number | null
  readonly baseMs: number
  readonly control: boolean
  readonly records: LogRecord[]
}

function readRecords(body: Buffer, count: number, batch: Batch): void {
  const { fromOffset, baseOffset, records } = batch
  const cursor = { bytes: body, at: 0 }
  for (let index = 0; index < count; index++) {
    const length = readVarint(cursor)
    const end = cursor.at + length
    if (!(length > 0 && end <= body.length))
      throw new EbbError('batchUnreadable', `Record ${index} of ${count} ends too late.`)
    cursor.at++ // Attributes, which mean nothing yet.
    const deltaMs = readVarint(cursor)
    const offset = baseOffset + readVarint(cursor)
    if (offset >= fromOffset) {
      const expected = fromOffset + records.length
      if (offset !== expected) throw missing(expected, offset)
      const key = readBytes(cursor, end)
      const value = readBytes(cursor, end)
      // A transaction's end mark has an offset and nothing for us: a tombstone keeps the offsets whole.
      records.push({
        offset,
        appendMs: batch.appendMs ?? batch.baseMs + deltaMs,
        key: batch.control || key === null ? null : key.toString('utf8'),
        value: batch.control ? null : value,
      })
    }
    cursor.at = end // Over the headers, which Ebb does not use.
  }
}

function missing(expected: number, offset: number): EbbError {
  const what = `Offsets ${expected} to ${offset - 1} are missing on the log; ${offset} came instead.`
  return new EbbError('offsetGone', what)
}

interface Cursor {
  readonly bytes: Buffer
  at: number
}

/** Zigzag, up to 64 bits; beyond 53 it is nonsense, and the checks of lengths and offsets see it. */
function readVarint(cursor: Cursor): number {
  const { bytes } = cursor
  let value = 0
  for (let scale = 1; ; scale *= 128) {
    const byte = bytes[cursor.at++]
    if (byte === undefined || scale > 2 ** 63)
      throw new EbbError('batchUnreadable', 'A number in it does not end.')
    value += (byte & 0x7f) * scale
    if (byte < 0x80) return value % 2 ? -(value + 1) / 2 : value / 2
  }
}

function readBytes(cursor: Cursor, end: number): Buffer | null {
  const length = readVarint(cursor)
  if (length < 0) return null
  const start = cursor.at
  cursor.at += length
  if (cursor.at > end) throw new EbbError('batchUnreadable', 'A key or value of it ends too late.')
  return cursor.bytes.subarray(start, cursor.at)
}
