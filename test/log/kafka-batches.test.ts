/** The reader of Kafka's record batches, against what kafkajs writes and reads. */
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import fc from 'fast-check'
import { readBatches } from '../../services/log/kafka/batches.ts'
import { zstdCodec } from '../../services/log/kafka/compression.ts'
import { fails, textsOf } from './fixture.ts'

const require = createRequire(import.meta.url)
const kafkajs = require('kafkajs') as { CompressionCodecs: Record<number, () => unknown> }
const { RecordBatch } = require('kafkajs/src/protocol/recordBatch/v0') as {
  RecordBatch(batch: object): Promise<{ buffer: Buffer }>
}
const Record = require('kafkajs/src/protocol/recordBatch/record/v0') as (record: object) => object
const crc32c = require('kafkajs/src/protocol/recordBatch/crc32C') as (bytes: Buffer) => number
const Long = require('kafkajs/src/utils/long') as { fromValue(value: number): object }

const none = 0
const gzip = 1
const zstd = 4
kafkajs.CompressionCodecs[zstd] = () => zstdCodec

interface Given {
  readonly key?: string | null
  readonly value: Buffer | null
  readonly headers?: object
}

interface Settings {
  readonly firstOffset?: number
  readonly compression?: number
}

/** A batch as a producer sends it: with the producer's time. */
async function batchOf(
  records: readonly Given[],
  { firstOffset = 0, compression = none }: Settings = {},
): Promise<Buffer> {
  const batch = await RecordBatch({
    compression,
    firstOffset: Long.fromValue(firstOffset),
    firstTimestamp: 1000,
    maxTimestamp: 2000,
    lastOffsetDelta: records.length - 1,
    records: records.map((record, index) =>
      Record({ key: null, ...record, offsetDelta: index, timestampDelta: index }),
    ),
  })
  return Buffer.from(batch.buffer)
}

/** The batch with other attributes, and a sum that fits. */
function withAttributes(batch: Buffer, change: (attributes: number) => number): Buffer {
  const changed = Buffer.from(batch)
  changed.writeInt16BE(change(batch.readInt16BE(21)), 21)
  return summed(changed)
}

function summed(batch: Buffer): Buffer {
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17)
  return batch
}

const values = (...texts: readonly string[]) => texts.map(text => ({ value: Buffer.from(text) }))

test('what kafkajs writes is read as it went, whatever the compression', async () => {
  const bytes = fc.uint8Array({ maxLength: 40 }).map(array => Buffer.from(array))
  const record = fc.record({
    key: fc.option(fc.string({ unit: 'grapheme', maxLength: 20 })),
    value: fc.option(bytes),
    headers: fc.dictionary(fc.string({ maxLength: 3 }), bytes, { maxKeys: 2 }),
  })
  const property = fc.asyncProperty(
    fc.array(record, { minLength: 1, maxLength: 200 }),
    fc.constantFrom(none, gzip, zstd),
    fc.nat(),
    async (records, compression, firstOffset) => {
      const batch = await batchOf(records, { firstOffset, compression })
      const read = await readBatches(batch, firstOffset)
      const expected = records.map(({ key, value }, index) => {
        return { offset: firstOffset + index, appendMs: 1000 + index, key, value }
      })
      assert.deepEqual(read, expected)
    },
  )
  await fc.assert(property, { numRuns: 200 })
})

test('an offset beyond 2^32 is read whole', async () => {
  const firstOffset = 2 ** 40 + 1
  const [record] = await readBatches(await batchOf(values('a'), { firstOffset }), firstOffset)
  assert.equal(record?.offset, firstOffset)
})

test('the broker’s time counts where it is the broker’s', async () => {
  const batch = withAttributes(await batchOf(values('a', 'b')), attributes => attributes | 0b1000)
  const times = (await readBatches(batch, 0)).map(({ appendMs }) => appendMs)
  assert.deepEqual(times, [2000, 2000])
})

test('batches follow one another; what is before the offset and what is cut off stays out', async () => {
  const first = await batchOf(values('a', 'b', 'c'))
  const second = await batchOf(values('d', 'e'), { firstOffset: 3, compression: zstd })
  const third = await batchOf(values('f'), { firstOffset: 5 })
  for (let length = 0; length < third.length; length += 7) {
    const bytes = Buffer.concat([first, second, third.subarray(0, length)])
    assert.deepEqual(textsOf(await readBatches(bytes, 1)), ['b', 'c', 'd', 'e'])
  }
})

test('more records than a call takes arguments', async () => {
  const many = Array.from({ length: 200_000 }, () => ({ value: null }))
  assert.equal((await readBatches(await batchOf(many), 0)).length, many.length)
})

test('a gap is offsetGone, never a jump', async () => {
  const bytes = [await batchOf(values('a')), await batchOf(values('c'), { firstOffset: 2 })]
  await fails(readBatches(Buffer.concat(bytes), 0), 'offsetGone')
  await fails(readBatches(bytes[1]!, 0), 'offsetGone')
})

test('the end mark of a transaction is a tombstone at its offset', async () => {
  const mark = withAttributes(
    await batchOf([{ key: '\0\0\0\u0001', value: Buffer.alloc(6) }], { firstOffset: 1 }),
    attributes => attributes | 0b110000,
  )
  const after = await batchOf(values('b'), { firstOffset: 2 })
  const read = await readBatches(Buffer.concat([await batchOf(values('a')), mark, after]), 0)
  assert.deepEqual(
    read.map(({ offset, key, value }) => [offset, key, value && String(value)]),
    [
      [0, null, 'a'],
      [1, null, null],
      [2, null, 'b'],
    ],
  )
})

test('a wrong sum is batchUnreadable', async () => {
  const batch = await batchOf(values('a'))
  batch[batch.length - 2]! ^= 1
  await fails(readBatches(batch, 0), 'batchUnreadable')
})

test('an older format, and a compression that Ebb does not read, are batchUnreadable', async () => {
  const old = await batchOf(values('a'))
  old[16] = 1
  await fails(readBatches(old, 0), 'batchUnreadable')
  for (const codec of [2, 3, 7]) {
    const batch = withAttributes(await batchOf(values('a')), () => codec)
    await assert.rejects(readBatches(batch, 0), /Ebb reads zstd and gzip/)
  }
})

test('a batch that expands beyond 64 MiB is batchUnreadable, and not expanded', async () => {
  for (const compression of [gzip, zstd]) {
    const bomb = await batchOf([{ value: Buffer.alloc(65 * 1024 * 1024) }], { compression })
    assert.ok(bomb.length < 100_000)
    const beforeBytes = process.memoryUsage().arrayBuffers
    await fails(readBatches(bomb, 0), 'batchUnreadable')
    assert.ok(process.memoryUsage().arrayBuffers - beforeBytes < 80 * 1024 * 1024)
  }
})

test('damaged records with a sum that fits never hang, and never become others', async () => {
  const whole = await batchOf(values('abc', 'defg', 'hi'))
  const change = fc.record({
    at: fc.integer({ min: 57, max: whole.length - 1 }),
    byte: fc.nat(255),
  })
  const property = fc.asyncProperty(
    fc.array(change, { minLength: 1, maxLength: 4 }),
    async changes => {
      const batch = Buffer.from(whole)
      for (const { at, byte } of changes) batch[at] = byte
      try {
        const offsets = (await readBatches(summed(batch), 0)).map(({ offset }) => offset)
        assert.deepEqual(offsets, [...offsets.keys()])
      } catch (error) {
        const { code } = error as { code?: string }
        assert.ok(code === 'batchUnreadable' || code === 'offsetGone', String(error))
      }
    },
  )
  await fc.assert(property, { numRuns: 2000 })
})
