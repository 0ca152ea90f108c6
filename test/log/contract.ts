/** What every adapter of the Log port promises. Offsets may begin anywhere; all that differs is flagged. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { NewRecord } from '../../services/log/log.ts'
import { fails, keepAll, type LogAdapter, opened, texts, textsOf, timeout } from './fixture.ts'
import { ownContract } from './own-contract.ts'

const bytesMax = 1024 * 1024

export function logContract(name: string, adapter: LogAdapter): void {
  describe(`${name}: topics and appends`, () => appendContract(adapter))
  describe(`${name}: reads`, () => readContract(adapter))
  if (adapter.retains) describe(`${name}: retention`, () => retentionContract(adapter))
  if (adapter.durable) describe(`${name}: reopening`, () => reopenContract(adapter))
  describe(`${name}: owning`, () => ownContract(adapter))
}

function appendContract(adapter: LogAdapter): void {
  test('ensure again keeps the partitions and the records', { timeout }, async context => {
    const { log, topic } = await opened(context, adapter, { partitions: 4 })
    const offset = await log.append(topic, 3, texts('a'))
    assert.equal(await log.ensure(topic, { ...keepAll, partitions: 8 }), 4)
    assert.equal(await log.partitions(topic), 4)
    assert.deepEqual(textsOf(await log.read(topic, 3, offset, bytesMax)), ['a'])
  })

  test('a topic that nobody made is topicMissing', { timeout }, async context => {
    const { log } = await opened(context, adapter)
    await fails(log.partitions('nowhere'), 'topicMissing')
    await fails(log.append('nowhere', 0, texts('a')), 'topicMissing')
    await fails(log.bounds('nowhere', 0), 'topicMissing')
    await fails(log.read('nowhere', 0, 0, bytesMax), 'topicMissing')
  })

  test('appends follow one another; each resolves to its first offset', {
    timeout,
  }, async context => {
    const { log, topic } = await opened(context, adapter)
    const { endOffset } = await log.bounds(topic, 0)
    assert.equal(await log.append(topic, 0, texts('a', 'b')), endOffset)
    assert.equal(await log.append(topic, 0, texts('c')), endOffset + 2)
    const records = await log.read(topic, 0, endOffset, bytesMax)
    assert.deepEqual(textsOf(records), ['a', 'b', 'c'])
    assert.deepEqual(
      records.map(record => record.offset),
      [endOffset, endOffset + 1, endOffset + 2],
    )
  })

  test('partitions do not mix', { timeout }, async context => {
    const { log, topic } = await opened(context, adapter)
    const offsets = await Promise.all([0, 1].map(p => log.append(topic, p, texts(`in ${p}`))))
    for (const p of [0, 1])
      assert.deepEqual(textsOf(await log.read(topic, p, offsets[p]!, bytesMax)), [`in ${p}`])
  })

  test('concurrent appends are each whole, at the offset they resolve to', {
    timeout,
  }, async context => {
    const { log, topic } = await opened(context, adapter)
    const { startOffset } = await log.bounds(topic, 0)
    const names = Array.from({ length: 100 }, (_, index) => String(index))
    const offsets = await Promise.all(
      names.map(name => log.append(topic, 0, texts(`${name}a`, `${name}b`, `${name}c`))),
    )
    const read = textsOf(await log.read(topic, 0, startOffset, bytesMax))
    assert.equal(read.length, 300)
    for (const [index, offset] of offsets.entries()) {
      const at = offset - startOffset
      assert.deepEqual(read.slice(at, at + 3), [`${index}a`, `${index}b`, `${index}c`])
    }
  })

  test('null and empty keys and values come back as they went', { timeout }, async context => {
    const { log, topic } = await opened(context, adapter)
    const given: NewRecord[] = [
      { key: null, value: Buffer.from('control') },
      { key: 'user', value: null },
      { key: null, value: null },
      { key: '', value: Buffer.alloc(0) },
      { key: 'Zoë 🦊', value: Buffer.from([0, 255]) },
    ]
    const offset = await log.append(topic, 0, given)
    const records = await log.read(topic, 0, offset, bytesMax)
    assert.deepEqual(
      records.map(({ key, value }) => ({ key, value })),
      given,
    )
  })

  test('a record of 2 MB', { timeout }, async context => {
    const { log, topic } = await opened(context, adapter)
    const value = Buffer.alloc(2_000_000, 'ebb ')
    const offset = await log.append(topic, 0, [{ key: 'user', value }, ...texts('next')])
    const [first] = await log.read(topic, 0, offset, 1000)
    assert.ok(first?.value?.equals(value))
    assert.deepEqual(textsOf(await log.read(topic, 0, offset + 1, bytesMax)), ['next'])
  })

  test('many records in one append', { timeout }, async context => {
    const { log, topic } = await opened(context, adapter)
    const values = Array.from({ length: 7000 }, (_, index) => String(index))
    const offset = await log.append(topic, 0, texts(...values))
    assert.deepEqual(textsOf(await log.read(topic, 0, offset, bytesMax)), values)
    assert.deepEqual(textsOf(await log.read(topic, 0, offset + 6500, bytesMax)), values.slice(6500))
  })
}

function readContract(adapter: LogAdapter): void {
  test('an empty partition starts where it ends, and reads empty', { timeout }, async context => {
    const { log, topic } = await opened(context, adapter)
    const { startOffset, endOffset } = await log.bounds(topic, 0)
    assert.equal(startOffset, endOffset)
    assert.deepEqual(await log.read(topic, 0, endOffset, bytesMax), [])
  })

  test('the bounds take in what was appended', { timeout }, async context => {
    const { log, topic } = await opened(context, adapter)
    const startOffset = await log.append(topic, 0, texts('a', 'b'))
    assert.deepEqual(await log.bounds(topic, 0), { startOffset, endOffset: startOffset + 2 })
  })

  test('a read from the middle of an append', { timeout }, async context => {
    const { log, topic } = await opened(context, adapter)
    const offset = await log.append(topic, 0, texts('a', 'b', 'c'))
    const records = await log.read(topic, 0, offset + 1, bytesMax)
    assert.deepEqual(textsOf(records), ['b', 'c'])
    assert.equal(records[0]!.offset, offset + 1)
  })

  test('a read takes about its limit of bytes, and one record at least', {
    timeout,
  }, async context => {
    const { log, topic } = await opened(context, adapter)
    const thousand = 'x'.repeat(1000)
    const offset = await log.append(topic, 0, texts(...Array<string>(50).fill(thousand)))
    assert.equal((await log.read(topic, 0, offset, 1)).length, 1)
    const some = await log.read(topic, 0, offset, 10_000)
    assert.ok(some.length >= 5 && some.length <= 11, `${some.length} records of 1000 bytes`)
  })

  test('an offset below the start or beyond the end is offsetGone', { timeout }, async context => {
    const { log, topic } = await opened(context, adapter)
    await log.append(topic, 0, texts('a'))
    const { startOffset, endOffset } = await log.bounds(topic, 0)
    await fails(log.read(topic, 0, startOffset - 1, bytesMax), 'offsetGone')
    await fails(log.read(topic, 0, endOffset + 1, bytesMax), 'offsetGone')
  })
}

function retentionContract(adapter: LogAdapter): void {
  test('what is older than its age goes; offsets go on', { timeout }, async context => {
    const { log, topic, elapse } = await opened(context, adapter, { retentionMs: 1000 })
    const old = await log.append(topic, 0, texts('a', 'b'))
    await elapse!(600)
    const young = await log.append(topic, 0, texts('c'))
    assert.equal((await log.bounds(topic, 0)).startOffset, old)
    await elapse!(600)
    assert.deepEqual(await log.bounds(topic, 0), { startOffset: young, endOffset: young + 1 })
    await fails(log.read(topic, 0, old, bytesMax), 'offsetGone')
    await elapse!(600)
    assert.deepEqual(await log.bounds(topic, 0), { startOffset: young + 1, endOffset: young + 1 })
    assert.equal(await log.append(topic, 0, texts('d')), young + 1)
  })

  test('what is beyond the size goes, the oldest first', { timeout }, async context => {
    const { log, topic, elapse } = await opened(context, adapter, { retentionBytes: 5000 })
    const offsets: number[] = []
    for (let index = 0; index < 20; index++)
      offsets.push(await log.append(topic, 0, texts('x'.repeat(1000))))
    await elapse!(0)
    const { startOffset, endOffset } = await log.bounds(topic, 0)
    assert.equal(endOffset, offsets.at(-1)! + 1)
    assert.ok(endOffset - startOffset >= 4 && endOffset - startOffset <= 6)
    assert.equal((await log.read(topic, 0, startOffset, bytesMax)).length, endOffset - startOffset)
  })

  test('the time of append never falls, whatever the clock does', { timeout }, async context => {
    const { log, topic, elapse } = await opened(context, adapter)
    const offset = await log.append(topic, 0, texts('a'))
    await elapse!(-5000)
    await log.append(topic, 0, texts('b'))
    await elapse!(6000)
    await log.append(topic, 0, texts('c'))
    const [a, b, c] = (await log.read(topic, 0, offset, bytesMax)).map(record => record.appendMs)
    assert.deepEqual([b! - a!, c! - a!], [0, 1000])
  })
}

function reopenContract(adapter: LogAdapter): void {
  test('reopening keeps topics, records, times and bounds', { timeout }, async context => {
    const { log, topic, reopen } = await opened(context, adapter)
    const offset = await log.append(topic, 1, [...texts('a'), { key: null, value: null }])
    const before = await log.read(topic, 1, offset, bytesMax)
    const again = await reopen!()
    assert.equal(await again.partitions(topic), 2)
    assert.deepEqual(await again.read(topic, 1, offset, bytesMax), before)
    assert.equal(await again.append(topic, 1, texts('b')), offset + 2)
  })

  if (!adapter.retains) return
  test('what retention dropped stays dropped, and its offsets used', { timeout }, async context => {
    const fixture = await opened(context, adapter, { retentionMs: 1000 })
    const { topic } = fixture
    const offset = await fixture.log.append(topic, 0, texts('a', 'b'))
    await fixture.elapse!(2000)
    const again = await fixture.reopen!()
    const end = offset + 2
    assert.deepEqual(await again.bounds(topic, 0), { startOffset: end, endOffset: end })
    assert.equal(await again.append(topic, 0, texts('c')), end)
  })

  test('the time of append does not fall over a restart either', { timeout }, async context => {
    const fixture = await opened(context, adapter)
    const { topic } = fixture
    const offset = await fixture.log.append(topic, 0, texts('a'))
    await fixture.elapse!(-5000)
    const again = await fixture.reopen!()
    await again.append(topic, 0, texts('b'))
    const [a, b] = await again.read(topic, 0, offset, bytesMax)
    assert.equal(b!.appendMs, a!.appendMs)
  })
}
