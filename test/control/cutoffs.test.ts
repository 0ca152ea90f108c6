/** Cutoffs are asked for once a day; what failed then is not put off until the next. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { EbbError } from '../../services/base/errors.ts'
import { type Cutoffs, openCutoffsSchedule } from '../../services/control/cutoffs.ts'
import { keepControl } from '../../services/control/project.ts'
import { openMemoryLog } from '../../services/log/memory.ts'
import type { Store } from '../../services/store/store.ts'
import { foldAll, makeTopics } from '../processor/fold-all.ts'
import { shopStartMs } from '../processor/shop.ts'
import { openMigrated } from '../store/fixture.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs

/** Tables of a project with one user, who paid 7. */
async function openWithOrder(t: TestContext): Promise<Store> {
  const store = await openMigrated(t)
  const log = openMemoryLog({ clock: () => shopStartMs })
  await makeTopics(log, 1)
  const event = { userId: 'u', event: 'Order Completed', messageId: 'm', timestamp: shopStartMs }
  const value = Buffer.from(JSON.stringify({ ...event, properties: { revenue: 7 } }))
  await log.append('clicks', 0, [{ key: 'u', value }])
  await foldAll(log, store)
  return store
}

test('a ClickHouse that refuses once is asked again, and cutoffs are kept once', async t => {
  const store = await openWithOrder(t)
  let isAway = true
  const refuse = () => {
    if (isAway) throw new EbbError('storeRefused', 'ClickHouse is away.')
  }
  const asked: string[] = []
  const moody: Store = {
    ...store,
    async query(sql, params) {
      if (sql.includes('users_now')) asked.push('question')
      return store.query(sql, params)
    },
    async insert(table, rows) {
      refuse()
      await store.insert(table, rows)
    },
  }
  let wallMs = shopStartMs
  const schedule = await openCutoffsSchedule(moody, () => wallMs)
  await assert.rejects(schedule.flushed(shopStartMs), /ClickHouse is away/)
  isAway = false
  assert.equal(await schedule.flushed(shopStartMs), false)
  wallMs += minuteMs
  const flushes = [schedule.flushed(shopStartMs + 1), schedule.flushed(shopStartMs + 2)]
  assert.deepEqual(await Promise.all(flushes), [true, false])
  assert.equal(await schedule.flushed(shopStartMs + hourMs), false)
  assert.equal(asked.length, 2)
  const kept = await store.query("SELECT value FROM controls WHERE kind = 'cutoffs'")
  assert.deepEqual(kept, [{ value: '{"high":7,"keep":7}' }])
})

test('what another kept meanwhile is what an answer is compared with', async t => {
  const store = await openWithOrder(t)
  const now: Cutoffs = { high: 7, keep: 7 }
  await keepControl(store, 'cutoffs', now, 0)
  const schedule = await openCutoffsSchedule(store, () => shopStartMs)
  await keepControl(store, 'cutoffs', { high: 9, keep: 8 } satisfies Cutoffs, 1)
  assert.equal(await schedule.flushed(shopStartMs), true)
  const kept = await store.query<{ value: string }>(
    "SELECT value FROM controls WHERE kind = 'cutoffs' ORDER BY revision",
  )
  assert.deepEqual(
    kept.map(row => JSON.parse(row.value)),
    [now, { high: 9, keep: 8 }, now],
  )
})
