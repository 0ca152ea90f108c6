/** More is due at one record than a slice: whoever dies between two slices leaves nothing half done. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { EbbError } from '../../services/base/errors.ts'
import { decodeAlert, encodeRecord } from '../../services/log/codec.ts'
import type { Log, NewRecord } from '../../services/log/log.ts'
import { openMemoryLog } from '../../services/log/memory.ts'
import type { ClicksRecord } from '../../services/log/record.ts'
import { createState } from '../../services/processor/fold/state.ts'
import { createFolded } from '../../services/processor/folded.ts'
import { createPartition } from '../../services/processor/partition.ts'
import type { Store } from '../../services/store/store.ts'
import { openMigrated } from '../store/fixture.ts'
import { foldAll, makeTopics, readTables } from './fold-all.ts'
import { shopStartMs } from './shop.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dueMax = 3
const users = Array.from({ length: 8 }, (_, at) => `user ${at}`)

/** A log whose records come at the times given. */
async function newLog(records: readonly (readonly [atMs: number, record: NewRecord])[]) {
  let nowMs = 0
  const log = openMemoryLog({ clock: () => nowMs })
  await makeTopics(log, 1)
  for (const [atMs, record] of records) {
    nowMs = shopStartMs + atMs
    await log.append('clicks', 0, [record])
  }
  return log
}

function clickAt(atMs: number, userId: string): readonly [number, NewRecord] {
  const timestamp = shopStartMs + atMs
  const click = { userId, event: 'page', messageId: `${userId} ${atMs}`, timestamp }
  return [atMs, { key: userId, value: Buffer.from(JSON.stringify(click)) }]
}

function controlAt(atMs: number, record: ClicksRecord): readonly [number, NewRecord] {
  return [atMs, { key: null, value: encodeRecord(record) }]
}

const ruleAt = (atMs: number, revision: number, rule: object) =>
  controlAt(atMs, { kind: 'rule', revision, rule: JSON.stringify(rule) })

/** The log with all alerts that were ever told, each body once. */
async function bodiesIn(log: Log): Promise<Map<string, string>> {
  const bodies = new Map<string, string>()
  const { endOffset } = await log.bounds('alerts', 0)
  for (let offset = 0; offset < endOffset; ) {
    const records = await log.read('alerts', 0, offset, 1 << 20)
    for (const { value } of records) {
      const alert = decodeAlert(value)
      assert.ok('messageId' in alert)
      const body = value!.toString('base64')
      assert.equal(bodies.get(alert.messageId) ?? body, body, 'a message has one body for ever')
      bodies.set(alert.messageId, body)
    }
    offset += records.length
  }
  return bodies
}

/**
 * Dies behind its nth insert, for each n until it lives; each time the tables must end as if it never had. Resolves to
 * the tables that the one that lived wrote to, in order.
 */
async function dieEverywhere(t: TestContext, log: Log): Promise<string[]> {
  const store = await openMigrated(t)
  await foldAll({ ...log, append: async () => 0 }, store)
  const expected = await readTables(store)
  const told = new Set(expected.alerts!.map(row => (row as { message_id: string }).message_id))
  for (let n = 1; ; n++) {
    for (const table of Object.keys(expected)) await store.command(`TRUNCATE TABLE ${table}`)
    const inserts: string[] = []
    const mortal: Store = {
      ...store,
      async insert(table, rows) {
        if (inserts.length >= n) throw new Error('died')
        inserts.push(table)
        await store.insert(table, rows)
      },
    }
    const lived = await foldAll(log, mortal, dueMax).then(
      () => true,
      () => false,
    )
    await foldAll(log, store, dueMax)
    const found = await readTables(store)
    for (const [table, rows] of Object.entries(expected))
      assert.deepEqual(found[table], rows, `${table} after a death behind insert ${n}`)
    assert.deepEqual(new Set((await bodiesIn(log)).keys()), told)
    if (lived) return inserts
  }
}

const slices = (inserts: readonly string[], table: string) =>
  inserts.filter(name => name === table).length

test('the click of a user whose own session is among those that end at it', async t => {
  const log = await newLog([
    ...users.map((user, at) => clickAt(at * minuteMs, user)),
    clickAt(2 * hourMs, users[1]!),
  ])
  assert.ok(slices(await dieEverywhere(t, log), 'sessions') >= users.length / dueMax)
})

test('a rule that is removed when many silences under it are told', async t => {
  const rule = { id: 'quiet', when: { quiet_for: '6h' } }
  const log = await newLog([
    ruleAt(0, 1, rule),
    ...users.map((user, at) => clickAt(at * minuteMs, user)),
    controlAt(9 * hourMs, { kind: 'tick', atMs: shopStartMs + 9 * hourMs, writer: 'test' }),
    ruleAt(10 * hourMs, 2, { ...rule, removed: true }),
    clickAt(11 * hourMs, users[2]!),
  ])
  assert.ok(slices(await dieEverywhere(t, log), 'alerts') >= (2 * users.length) / dueMax)
  const statuses = await statusesOf(log)
  assert.equal(statuses.get('cancelled'), users.length)
})

async function statusesOf(log: Log): Promise<Map<string, number>> {
  const counts = new Map<string, number>()
  for (const body of (await bodiesIn(log)).values()) {
    const alert = decodeAlert(Buffer.from(body, 'base64'))
    assert.ok('messageId' in alert)
    counts.set(alert.status, (counts.get(alert.status) ?? 0) + 1)
  }
  return counts
}

test('settings that make many sessions end at once', async t => {
  const settings = JSON.stringify({ gap: '5m', disorder: '0', lateness: '0' })
  const log = await newLog([
    ruleAt(0, 1, { id: 'quiet', when: { quiet_for: '1h' }, then: { escalate: ['2h'] } }),
    ...users.map((user, at) => clickAt(at * minuteMs, user)),
    controlAt(28 * minuteMs, { kind: 'settings', revision: 1000, settings }),
    clickAt(4 * hourMs, users[3]!),
  ])
  assert.ok(slices(await dieEverywhere(t, log), 'sessions') >= users.length / dueMax)
})

test('a flush that waits behind work that failed between two slices writes nothing', async t => {
  const log = await newLog([
    ...users.map((user, at) => clickAt(at * minuteMs, user)),
    clickAt(2 * hourMs, users[1]!),
  ])
  const store = await openMigrated(t)
  await foldAll({ ...log, append: async () => 0 }, store)
  const expected = await readTables(store)
  for (const table of Object.keys(expected)) await store.command(`TRUNCATE TABLE ${table}`)
  await failBetweenSlices(log, store)
  await foldAll(log, store, dueMax)
  const found = await readTables(store)
  for (const [table, rows] of Object.entries(expected)) assert.deepEqual(found[table], rows, table)
})

/** A process that is told to stop while ClickHouse refuses the first slice of a herd, and takes what comes after it. */
async function failBetweenSlices(log: Log, store: Store): Promise<void> {
  const refusals = [new EbbError('storeRefused', 'ClickHouse is away.')]
  const target = {
    ...{ log, topic: 'clicks', alertsTopic: 'alerts', alertsPartitions: 1 },
    store: {
      ...store,
      async insert(table: string, rows: readonly object[]) {
        const refusal = table === 'sessions' ? refusals.pop() : undefined
        if (refusal) throw refusal
        await store.insert(table, rows)
      },
    },
    wallClock: () => shopStartMs,
  }
  const partition = createPartition({
    ...{ target, dueMax, place: { epoch: 0, partition: 0 }, stopping: AbortSignal.abort() },
    folded: createFolded(createState('default'), 0, ''),
    steadyClock: () => 0,
    flushed() {},
    troubled() {},
  })
  const records = await log.read('clicks', 0, 0, 1 << 20)
  const lease = { lost: false, async beat() {}, fail() {}, async commit() {} }
  const taken = partition.take(records, lease)
  const finished = partition.finish()
  await assert.rejects(taken, /ClickHouse is away/)
  await finished
}
