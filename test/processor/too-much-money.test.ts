/** Amounts that are mistakes, each within the bounds of one and together beyond those of a sum, stop nobody. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeRecord } from '../../services/log/codec.ts'
import { openMemoryLog } from '../../services/log/memory.ts'
import { amountMax } from '../../services/processor/fold/money.ts'
import { openMigrated } from '../store/fixture.ts'
import { foldAll, makeTopics, readTables } from './fold-all.ts'
import { shopStartMs } from './shop.ts'

const dayMs = 86_400_000
/** As text of the tables: 2^53 - 1 of the smallest unit. */
const most = '900719925474.0991'
/** Together more than Decimal(18, 4) holds. */
const orders = 120

interface Order {
  readonly userId: string
  readonly atMs: number
  readonly revenue: number
  /** When it comes; else when it happens. */
  readonly comesMs?: number
}

async function newLog() {
  let nowMs = 0
  let sent = 0
  const log = openMemoryLog({ clock: () => nowMs })
  await makeTopics(log, 1)
  const append = async (atMs: number, key: string | null, value: Buffer) => {
    nowMs = shopStartMs + atMs
    await log.append('clicks', 0, [{ key, value }])
  }
  const order = async ({ userId, atMs, revenue, comesMs = atMs }: Order) => {
    const messageId = `order ${sent++}`
    const timestamp = shopStartMs + atMs
    const properties = { revenue }
    const click = { userId, event: 'Order Completed', messageId, timestamp, properties }
    await append(comesMs, userId, Buffer.from(JSON.stringify(click)))
  }
  return { log, append, order }
}

test('sums beyond what is exact are written as the most that is', async t => {
  const store = await openMigrated(t)
  const { log, order } = await newLog()
  const rich = { userId: 'rich', revenue: amountMax }
  for (let nth = 0; nth < orders; nth++) await order({ ...rich, atMs: nth * 1000 })
  await order({ ...rich, atMs: 3 * dayMs })
  await foldAll(log, store)
  // Its day is counted again from the clicks.
  await order({ ...rich, atMs: orders * 1000, comesMs: 3 * dayMs + 1000 })
  await order({ userId: 'other', atMs: 3 * dayMs + 2000, revenue: 5 })
  await foldAll(log, store)
  const tables = (await readTables(store)) as Record<string, Record<string, unknown>[]>
  assert.equal(tables.clicks!.length, orders + 3)
  const days = tables.user_days!.map(({ user_id, day, value }) => [user_id, day, value])
  const [first, last] = [0, 3].map(day => isoDay(shopStartMs + day * dayMs))
  const expected = [
    ['other', last, '5'],
    ['rich', first, most],
    ['rich', last, String(amountMax)],
  ]
  assert.deepEqual(days.sort(), expected)
  const values = tables.users!.map(({ user_id, value_at_silence }) => [user_id, value_at_silence])
  assert.deepEqual(values.sort(), [
    ['other', '5'],
    ['rich', most],
  ])
  assert.deepEqual(tables.sessions!.map(({ value }) => value).sort(), ['5', '900000000000', most])
})

test('a tier that begins beyond all amounts has not everybody in it', async t => {
  const store = await openMigrated(t)
  const { log, append, order } = await newLog()
  await append(0, null, encodeRecord({ kind: 'cutoffs', revision: 1, high: 2e12, keep: 1e12 }))
  await order({ userId: 'other', atMs: 1000, revenue: 5 })
  for (const atMs of [2000, 3000]) await order({ userId: 'rich', atMs, revenue: amountMax })
  await foldAll(log, store)
  const { users } = (await readTables(store)) as Record<string, Record<string, unknown>[]>
  const tiers = users!.map(({ user_id, tier }) => [user_id, tier])
  assert.deepEqual(tiers.sort(), [
    ['other', ''],
    ['rich', 'high'],
  ])
})

function isoDay(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 10)
}
