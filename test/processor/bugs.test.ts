/** Our own code throws where it expects no error: nothing is left out, doubled or told twice. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Log } from '../../services/log/log.ts'
import { startProcessor } from '../../services/processor/processor.ts'
import type { Store } from '../../services/store/store.ts'
import { openMigrated } from '../store/fixture.ts'
import { openShop, readTables, tablesOfOneRun } from './fold-all.ts'
import { startMember } from './members.ts'

const partitions = 2

const newShop = () => openShop({ seed: 77, clicks: 6_000, users: 300, stepMs: 60_000 }, partitions)

/** What a processor asks of its tables and its log, each once: the nth call of it throws behind its effect. */
const broken: Readonly<Record<string, number>> = {
  'query progress': 2,
  'insert clicks': 2,
  'insert sessions': 1,
  'insert users': 2,
  'insert alerts': 3,
  'insert progress': 2,
  'append alerts': 2,
}

/** A log and tables on which our code throws; `thrown` are its bugs so far. */
function withBugs(log: Log, store: Store) {
  const calls = new Map<string, number>()
  const thrown: TypeError[] = []
  const strike = (call: string) => {
    const nth = (calls.get(call) ?? 0) + 1
    calls.set(call, nth)
    if (broken[call] !== nth) return
    const bug = new TypeError(`a bug behind call ${nth} of ${call}`)
    thrown.push(bug)
    throw bug
  }
  const brokenLog: Log = {
    ...log,
    async append(topic, partition, records) {
      const offset = await log.append(topic, partition, records)
      strike(`append ${topic}`)
      return offset
    },
  }
  const brokenStore: Store = {
    ...store,
    async query<Row>(sql: string, params?: Parameters<Store['query']>[1]) {
      const rows = await store.query<Row>(sql, params)
      if (sql.includes('FROM progress')) strike('query progress')
      return rows
    },
    async insert(table, rows) {
      await store.insert(table, rows)
      strike(`insert ${table}`)
    },
  }
  return { log: brokenLog, store: brokenStore, thrown }
}

test('a flush that throws before the first record of a life is told by that record', async t => {
  const log = await newShop()
  const store = await openMigrated(t)
  const bug = new TypeError('a bug in a flush')
  let armed = false
  const struck = Promise.withResolvers<void>()
  const member = await startMember(log, {
    ...store,
    async insert(table, rows) {
      if (armed && table === 'clicks') {
        struck.resolve()
        throw bug
      }
      await store.insert(table, rows)
    },
  })
  t.after(() => member.stop())
  await member.open(0)
  await member.feed(0, 50)
  await member.giveBack(0)
  await member.open(0)
  armed = true
  await member.feed(0, 50)
  await member.lose(0)
  await member.open(0)
  assert.deepEqual(member.from, ['tables', 'memory', 'memory'])
  await struck.promise
  await assert.rejects(member.feed(0, 50), bug)
})

test('a bug at any call leaves nothing out: the partition begins anew, and the tables are those of one run', {
  timeout: 180_000,
}, async t => {
  const log = await newShop()
  const store = await openMigrated(t)
  const alertsOf = async () =>
    (await Promise.all([0, 1].map(partition => log.bounds('alerts', partition)))).reduce(
      (sum, { endOffset }) => sum + endOffset,
      0,
    )
  const expected = await tablesOfOneRun(log, store)
  assert.equal(await alertsOf(), 0)

  const bugs = withBugs(log, store)
  const told = new Set<Error>()
  const ends = await Promise.all([0, 1].map(partition => log.bounds('clicks', partition)))
  const reached = [0, 0]
  const done = Promise.withResolvers<void>()
  const moved = (partition: number, nextOffset: number) => {
    reached[partition] = nextOffset
    if (ends.every(({ endOffset }, at) => reached[at]! >= endOffset)) done.resolve()
  }
  const processor = await startProcessor({
    ...{ log: bugs.log, store: bugs.store, topic: 'clicks', partitions, project: 'default' },
    ...{ alertsTopic: 'alerts', alertsPartitions: partitions, epoch: 0 },
    troubled: (_partition, error) => done.reject(error),
    failed: (_partition, error) => void told.add(error),
    opened: moved,
    flushed: (partition, _state, nextOffset) => moved(partition, nextOffset),
  })
  await done.promise.finally(() => processor.stop())
  assert.equal(bugs.thrown.length, Object.keys(broken).length, String(bugs.thrown))
  assert.deepEqual(told, new Set(bugs.thrown), 'none is silent')
  assert.deepEqual(await readTables(store), expected)
  assert.ok(expected.alerts!.length > 100, `${expected.alerts!.length} alerts to tell twice`)
  assert.ok((await alertsOf()) >= expected.alerts!.length)
})
