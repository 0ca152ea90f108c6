/** A partition that goes away and comes back goes on from memory, and the tables end as if it had stayed. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { EbbError } from '../../services/base/errors.ts'
import { decodeAlert, encodeRecord } from '../../services/log/codec.ts'
import type { Log } from '../../services/log/log.ts'
import { openMemoryLog } from '../../services/log/memory.ts'
import { createState } from '../../services/processor/fold/state.ts'
import { createFolded } from '../../services/processor/folded.ts'
import { keepPartitions, keptMax, keptMsMax } from '../../services/processor/kept.ts'
import type { Partition } from '../../services/processor/partition.ts'
import type { Store } from '../../services/store/store.ts'
import { openMigrated } from '../store/fixture.ts'
import { makeTopics, openShop, readTables, tablesOfOneRun } from './fold-all.ts'
import { type Member, startMember } from './members.ts'
import { seeded, shopStartMs } from './shop.ts'

const partitions = 2
const seed = 4_109

const newShop = (clicks: number) =>
  openShop({ seed, clicks, users: 600, stepMs: 20_000 }, partitions)

function sameRows(found: Record<string, unknown[]>, expected: Record<string, unknown[]>): void {
  for (const [table, rows] of Object.entries(expected)) {
    for (const [at, row] of rows.entries())
      assert.deepEqual(found[table]![at], row, `row ${at} of ${table}`)
    assert.equal(found[table]!.length, rows.length, `number of rows of ${table}`)
  }
}

/** The bodies on the alerts topic, by message id. */
async function alertBodies(log: Log): Promise<Map<string, string[]>> {
  const bodies = new Map<string, string[]>()
  for (let partition = 0; partition < partitions; partition++) {
    const { endOffset } = await log.bounds('alerts', partition)
    for (let offset = 0; offset < endOffset; ) {
      const records = await log.read('alerts', partition, offset, 1 << 20)
      for (const { value } of records) {
        const alert = decodeAlert(value)
        assert.ok('messageId' in alert)
        const ofMessage = bodies.get(alert.messageId) ?? []
        bodies.set(alert.messageId, [...ofMessage, value!.toString('base64')])
      }
      offset += records.length
    }
  }
  return bodies
}

async function endOf(log: Log, partition: number): Promise<number> {
  return (await log.bounds('clicks', partition)).endOffset
}

test('handed to and fro at random, lost or given back, the tables are those of one run', async t => {
  const log = await newShop(6_000)
  const store = await openMigrated(t)
  const expected = await tablesOfOneRun(log, store)
  const random = seeded(seed)
  const members = [await startMember(log, store), await startMember(log, store)]
  t.after(() => Promise.all(members.map(member => member.stop())))
  for (let partition = 0; partition < partitions; partition++) {
    const end = await endOf(log, partition)
    for (let turn = 0; ; turn++) {
      const member = members[turn % 2]!
      let next = await member.open(partition)
      for (let batches = 1 + Math.floor(random() * 3); batches > 1; batches--)
        await member.feed(partition, 1 + Math.floor(random() * 250))
      const count = 1 + Math.floor(random() * 250)
      next = member.next(partition)
      if (next + count < end && random() < 0.6)
        await member.feed(partition, count, Math.floor(random() * count))
      else {
        await member.feed(partition, count)
        await member.giveBack(partition)
        if (member.next(partition) === end) break
      }
    }
  }
  assert.deepEqual(
    members.flatMap(({ failures }) => failures),
    [],
  )
  for (const { from } of members) {
    const resumed = from.filter(source => source === 'memory').length
    // Not before the first flush of anyone: until then the tables say nothing to go by.
    assert.ok(resumed > 10 && resumed > from.length / 2, from.join(' '))
  }
  sameRows(await readTables(store), expected)
  assert.ok(expected.alerts!.length > 500, 'there were alerts to tell twice')
  const bodies = await alertBodies(log)
  assert.deepEqual(
    new Set(bodies.keys()),
    new Set(expected.alerts!.map(row => (row as { message_id: string }).message_id)),
  )
  for (const [id, [body, ...others]] of bodies)
    for (const other of others) assert.equal(other, body, `message ${id} has one body for ever`)
})

test('what another wrote meanwhile is folded again, and neither written nor told again', async t => {
  const log = await newShop(4_000)
  const store = await openMigrated(t)
  const expected = await tablesOfOneRun(log, store)
  const written = new Set<string>()
  const counted: Store = {
    ...store,
    async insert(table, rows) {
      written.add(table)
      await store.insert(table, rows)
    },
  }
  const [first, other] = [await startMember(log, counted), await startMember(log, store)]
  t.after(() => Promise.all([first.stop(), other.stop()]))
  await first.open(0)
  await first.feed(0, 500)
  await first.giveBack(0)
  await other.open(0)
  await other.feed(0, 1_000)
  await other.giveBack(0)
  written.clear()
  assert.equal(await first.open(0), 500)
  await first.feed(0, 600)
  await first.giveBack(0)
  assert.deepEqual(written, new Set())
  assert.equal(await first.open(0), 1_100)
  await first.feed(0, Number.POSITIVE_INFINITY)
  await first.giveBack(0)
  assert.ok(written.has('progress'))
  assert.deepEqual(first.from, ['tables', 'memory', 'memory'])
  await other.open(1)
  await other.feed(1, Number.POSITIVE_INFINITY)
  await other.giveBack(1)
  sameRows(await readTables(store), expected)
  for (const bodies of (await alertBodies(log)).values()) assert.equal(bodies.length, 1)
})

test('tables that were set back are believed, not the memory', async t => {
  const log = await newShop(3_000)
  const store = await openMigrated(t)
  const expected = await tablesOfOneRun(log, store)
  const [member, other] = [await startMember(log, store), await startMember(log, store)]
  t.after(() => Promise.all([member.stop(), other.stop()]))
  const fold = async (by: Member, partition: number, count: number) => {
    const offset = await by.open(partition)
    await by.feed(partition, count)
    await by.giveBack(partition)
    return offset
  }
  for (const partition of [0, 1]) await fold(member, partition, 700)
  for (const table of Object.keys(expected)) await store.command(`TRUNCATE TABLE ${table}`)
  await fold(other, 0, 300)
  assert.equal(await fold(member, 0, Number.POSITIVE_INFINITY), 300)
  assert.equal(await fold(member, 1, Number.POSITIVE_INFINITY), 0)
  assert.deepEqual(new Set(member.from), new Set(['tables']))
  sameRows(await readTables(store), expected)
})

test('a log with other records than those in memory is refused', async t => {
  const [log, other] = [await newShop(2_000), await newShop(2_000)]
  const tick = encodeRecord({ kind: 'tick', atMs: shopStartMs, writer: 'another' })
  await other.append('clicks', 0, [{ key: null, value: tick }])
  let read = log.read
  const store = await openMigrated(t)
  const member = await startMember({ ...log, read: (...args) => read(...args) }, store)
  t.after(() => member.stop())
  await member.open(0)
  await member.feed(0, 300)
  await member.giveBack(0)
  read = async (topic, partition, offset, bytesMax) => {
    const records = await other.read(topic, partition, offset + 1, bytesMax)
    return records.map(record => ({ ...record, offset: record.offset - 1 }))
  }
  await assert.rejects(member.open(0), { code: 'topicMismatch' })
})

test('lost in the middle of a herd of timers, it is read back', async t => {
  let nowMs = shopStartMs
  const log = openMemoryLog({ clock: () => nowMs })
  await makeTopics(log, 1)
  const clicks = Array.from({ length: 6_000 }, (_, at) => {
    const json = { userId: `user ${at}`, event: 'x', messageId: `m${at}`, timestamp: nowMs }
    return { key: `user ${at}`, value: Buffer.from(JSON.stringify(json)) }
  })
  await log.append('clicks', 0, clicks)
  nowMs += 6 * 3_600_000
  const tick = encodeRecord({ kind: 'tick', atMs: nowMs, writer: 'test' })
  await log.append('clicks', 0, [{ key: null, value: tick }])
  const store = await openMigrated(t)
  const member = await startMember(log, store)
  t.after(() => member.stop())
  await member.open(0)
  await member.feed(0, 6_000)
  await member.feed(0, 1, 1)
  // No progress is written in the middle of a record.
  assert.equal(await member.open(0), 0)
  assert.deepEqual(member.from, ['tables', 'tables'])
  await member.feed(0, 6_001)
  await member.giveBack(0)
  const [sessions] = await store.query('SELECT countIf(final) AS closed FROM sessions FINAL')
  assert.deepEqual(sessions, { closed: '6000' })
})

test('a partition that failed is read back', async t => {
  const log = await newShop(2_000)
  const store = await openMigrated(t)
  let full = false
  const member = await startMember(log, {
    ...store,
    async insert(table, rows) {
      if (full) throw new EbbError('topicMismatch', 'No.')
      await store.insert(table, rows)
    },
  })
  t.after(() => member.stop())
  await member.open(0)
  await member.feed(0, 300)
  await member.giveBack(0)
  await member.open(0)
  full = true
  await member.feed(0, 10)
  while (member.failures.length === 0) await wait(10)
  assert.match(member.failures[0]!.message, /No\./)
  await member.lose(0)
  full = false
  assert.equal(await member.open(0), 300)
  assert.deepEqual(member.from, ['tables', 'memory', 'tables'])
})

test('partitions are kept for minutes, and not more than a few', async () => {
  let nowMs = 0
  const kept = keepPartitions(() => nowMs)
  const partitionAt = (nextOffset: number) => {
    const folded = createFolded(createState('default'), nextOffset, '')
    return { leave: async () => folded } as unknown as Partition
  }
  const nextOf = async (number: number) => (await kept.take(number))?.nextOffset
  for (let number = 0; number <= keptMax; number++) kept.put(number, partitionAt(number))
  assert.deepEqual([await nextOf(0), await nextOf(1), await nextOf(1)], [undefined, 1, undefined])
  nowMs = keptMsMax
  kept.put(1, partitionAt(10))
  assert.equal(await nextOf(2), 2)
  nowMs++
  assert.equal(await nextOf(3), undefined)
  assert.equal(await nextOf(1), 10)
})
