/** Rows of an erased user that come late: of a process that lost its partition, of an insert that was given up. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeRecord } from '../../services/log/codec.ts'
import type { Log, NewRecord } from '../../services/log/log.ts'
import { openMemoryLog } from '../../services/log/memory.ts'
import { sweepErased, tablesOfUsers } from '../../services/processor/erasures.ts'
import type { Store } from '../../services/store/store.ts'
import { openMigrated } from '../store/fixture.ts'
import { foldAll, makeTopics, readTables } from './fold-all.ts'
import { shopLog } from './shop.ts'

const users = ['user 3', 'user 5']

/** The log of a shop whose clock is that of its clicks; some users are erased when half of it has come. */
async function newShop() {
  let nowMs = 0
  const log = openMemoryLog({ clock: () => nowMs })
  await makeTopics(log, 1)
  const [entries = []] = shopLog({ seed: 77, clicks: 3_000, users: 12, stepMs: 20_000 }, 1)
  const half = entries.length / 2
  const append = async (some: typeof entries) => {
    for (const { atMs, record } of some) {
      nowMs = atMs
      await log.append('clicks', 0, [record])
    }
  }
  const erase = (userId: string): NewRecord => ({
    key: userId,
    value: encodeRecord({ kind: 'erase', userId }),
  })
  return {
    log: log as Log,
    before: () => append(entries.slice(0, half)),
    /** One of them is back at once, in a session over the time of his clicks of before; resolves to the last Erase. */
    async erasures() {
      const first = await log.append('clicks', 0, users.map(erase))
      const clicks = [nowMs - 8 * 60_000, nowMs].map(timestamp => ({
        key: users[0]!,
        value: Buffer.from(
          JSON.stringify({
            userId: users[0],
            event: 'back',
            messageId: `back ${timestamp}`,
            timestamp,
          }),
        ),
      }))
      await log.append('clicks', 0, clicks)
      return first + users.length - 1
    },
    after: () => append(entries.slice(half)),
    /** One of them sends again what he sent before. */
    again: () =>
      append(
        entries.slice(0, half).flatMap(({ record }) => {
          return record.key === users[1] ? [{ atMs: nowMs, record }] : []
        }),
      ),
  }
}

test('what is written of an erased user behind his erasure is neither read back nor kept', async t => {
  const store = await openMigrated(t)
  const { log, before, erasures, after } = await newShop()
  const late: [table: string, rows: readonly object[]][] = []
  await before()
  await foldAll(log, {
    ...store,
    async insert(table, rows) {
      if (tablesOfUsers.includes(table)) late.push([table, rows])
      await store.insert(table, rows)
    },
  })
  await erasures()
  await foldAll(log, store)
  for (const [table, rows] of late) await store.insert(table, rows)
  await after()
  // A processor that begins here reads the state back, with what is open of users who came back.
  await foldAll(log, store)
  assert.equal(await sweepErased(store), users.length)
  const found = await readTables(store)
  for (const table of [...Object.keys(found), 'erasures'])
    await store.command(`TRUNCATE TABLE ${table}`)
  await foldAll({ ...log, append: async () => 0 }, store)
  const expected = await readTables(store)
  for (const [table, rows] of Object.entries(expected)) assert.deepEqual(found[table], rows, table)
  assert.equal(await sweepErased(store), 0, 'nothing is left to be swept')
})

test('clicks that come again behind erasures outlive what is written late of before them', async t => {
  const store = await openMigrated(t)
  const { log, before, erasures, again } = await newShop()
  const late: [table: string, rows: readonly object[]][] = []
  const lossless: Store = {
    ...store,
    async insert(table, rows) {
      if (tablesOfUsers.includes(table)) late.push([table, rows])
      await store.insert(table, rows)
    },
  }
  await before()
  await foldAll(log, lossless)
  // From the second erasure on a precedence is more than a number holds.
  for (let times = 1; times <= 2; times++) {
    await erasures()
    await again()
    await foldAll(log, times < 2 ? lossless : store)
  }
  for (const [table, rows] of late) await store.insert(table, rows)
  for (const table of ['clicks', 'alerts']) await store.command(`OPTIMIZE TABLE ${table} FINAL`)
  assert.equal(await sweepErased(store), users.length)
  const { clicks, alerts } = await readTables(store)
  const ofUser = clicks!.filter(row => (row as { user_id: string }).user_id === users[1])
  assert.ok(ofUser.length > 50, 'he sent many again')
  for (const table of [...Object.keys(await readTables(store)), 'erasures'])
    await store.command(`TRUNCATE TABLE ${table}`)
  await foldAll({ ...log, append: async () => 0 }, store)
  const expected = await readTables(store)
  assert.deepEqual(clicks, expected.clicks)
  assert.deepEqual(alerts, expected.alerts)
})

test('deliveries of before an erasure are swept, those of behind it stay', async t => {
  const store = await openMigrated(t)
  const { log, before, erasures } = await newShop()
  await before()
  const offset = await erasures()
  await foldAll(log, store)
  const delivery = { endpoint_id: 'e', attempt: 0, alert_id: 'a', status: 'pending', code: 0 }
  const row = (userId: string, at: number) => ({
    ...{ ...delivery, message_id: `${userId} ${at}`, user_id: userId, error: '', duration_ms: 0 },
    ...{ at: 0, next_at: null, version: 1, epoch: 0, offset: at },
  })
  const rows = ['user 5', 'user 4'].flatMap(userId => [
    row(userId, offset),
    row(userId, offset + 1),
  ])
  await store.insert('deliveries', rows)
  assert.equal(await sweepErased(store), 1)
  const left = await store.query<{ message_id: string }>(
    'SELECT message_id FROM deliveries FINAL ORDER BY message_id',
  )
  assert.deepEqual(
    left.map(({ message_id }) => message_id),
    [`user 4 ${offset}`, `user 4 ${offset + 1}`, `user 5 ${offset + 1}`],
  )
})
