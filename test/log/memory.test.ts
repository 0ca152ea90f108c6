import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LocalLog } from '../../services/log/local.ts'
import { openMemoryLog } from '../../services/log/memory.ts'
import { logContract } from './contract.ts'
import { fails, keepAll, type LogFixture, texts, textsOf, timeout } from './fixture.ts'
import { gate, recordingOwner } from './owners.ts'

async function open(): Promise<LogFixture> {
  let nowMs = 1_000_000
  const log = openMemoryLog({ clock: () => nowMs })
  return {
    log,
    async elapse(durationMs) {
      nowMs += durationMs
      await log.retain()
    },
    release: () => log.close(),
  }
}

logContract('memory', { durable: false, retains: true, open })

// What both local adapters share, in local.ts, and Kafka has in its own way.

async function memoryLog(): Promise<LocalLog> {
  const log = openMemoryLog({ clock: () => 0 })
  await log.ensure('clicks', { ...keepAll, partitions: 1 })
  return log
}

test('a second owner of the same group is refused with a sentence', { timeout }, async () => {
  const log = await memoryLog()
  await log.own('clicks', 'processor', recordingOwner())
  await assert.rejects(
    log.own('clicks', 'processor', recordingOwner()),
    /group processor owns topic clicks/,
  )
  await log.own('clicks', 'another', recordingOwner())
  await log.close()
})

test('an owner gets at most 5000 records or about 1 MiB at once', { timeout }, async () => {
  const log = await memoryLog()
  await log.append('clicks', 0, texts(...Array<string>(12_000).fill('x')))
  await log.append('clicks', 0, texts(...Array<string>(30).fill('x'.repeat(100_000))))
  const sizes: number[] = []
  const owner = recordingOwner({ records: async (_, batch) => void sizes.push(batch.length) })
  await log.own('clicks', 'processor', owner)
  await owner.until(() => owner.offsets(0).length === 12_030)
  assert.deepEqual(sizes.slice(0, 2), [5000, 5000])
  assert.ok(
    sizes.slice(3).every(size => size <= 10),
    `batches of ${sizes}`,
  )
  await log.close()
})

test('input and output get a turn between two batches', { timeout }, async () => {
  const log = await memoryLog()
  await log.append('clicks', 0, texts(...Array<string>(20_000).fill('x')))
  const done = gate()
  let batches = 0
  let batchesAtTurn = -1
  const owner = recordingOwner({
    records: async () => {
      if (++batches === 1) {
        setImmediate(() => {
          batchesAtTurn = batches
        })
      }
      if (batches === 4) done.open()
    },
  })
  await log.own('clicks', 'processor', owner)
  await done.passed
  assert.ok(batchesAtTurn === 1 || batchesAtTurn === 2, `after ${batchesAtTurn} batches`)
  await log.close()
})

test('close lets the owner append while it flushes, then refuses all', { timeout }, async () => {
  const log = await memoryLog()
  let flushed = -1
  const owner = recordingOwner({
    close: async () => {
      flushed = await log.append('clicks', 0, texts('from the flush'))
    },
  })
  await log.own('clicks', 'processor', owner)
  await log.close()
  assert.equal(flushed, 0)
  await fails(log.append('clicks', 0, texts('a')), 'logClosed')
  await fails(log.read('clicks', 0, 0, 1), 'logClosed')
  await fails(log.ensure('clicks', keepAll), 'logClosed')
  await fails(log.own('clicks', 'processor', owner), 'logClosed')
  await log.close()
})

test('an append that waits when the log closes is still committed', { timeout }, async () => {
  const log = await memoryLog()
  const appended = log.append('clicks', 0, texts('a'))
  const closed = log.close()
  assert.equal(await appended, 0)
  await closed
})

test('a writer that uses its buffer again does not change the log', { timeout }, async () => {
  const log = await memoryLog()
  const value = Buffer.from('before')
  await log.append('clicks', 0, [{ key: null, value }])
  value.fill('x')
  assert.deepEqual(textsOf(await log.read('clicks', 0, 0, 100)), ['before'])
})

test('a partition that the topic does not have is a bug', { timeout }, async () => {
  const log = await memoryLog()
  await assert.rejects(log.append('clicks', 7, texts('a')), /partition 7/)
})

test('the number of partitions must be a power of two', { timeout }, async () => {
  const log = await memoryLog()
  await assert.rejects(log.ensure('other', { ...keepAll, partitions: 3 }), /power of two/)
})

test('partitions that catch up together take turns', { timeout }, async () => {
  const log = await memoryLog()
  await log.ensure('many', { ...keepAll, partitions: 8 })
  for (let p = 0; p < 8; p++) await log.append('many', p, texts(...Array<string>(15_000).fill('x')))
  const turnOf: number[] = []
  let turn = 0
  let counting = setImmediate(function count() {
    turn++
    counting = setImmediate(count)
  })
  const owner = recordingOwner({ records: async () => void turnOf.push(turn) })
  await log.own('many', 'processor', owner)
  await owner.until(() => turnOf.length === 24)
  clearImmediate(counting)
  assert.equal(new Set(turnOf).size, 24)
  await log.close()
})

test('retention takes the latest settings of a topic', { timeout }, async () => {
  const log = openMemoryLog({ clock: () => 0 })
  await log.ensure('clicks', keepAll)
  await log.append('clicks', 0, texts('a'))
  await log.ensure('clicks', { ...keepAll, retentionBytes: 0 })
  await log.retain()
  assert.deepEqual(await log.bounds('clicks', 0), { startOffset: 1, endOffset: 1 })
})
