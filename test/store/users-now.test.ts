import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { EmbeddedStore } from '../../services/store/embedded.ts'
import { migrate } from '../../services/store/migrate.ts'
import { rowMoney, rowTime } from '../../services/store/rows.ts'
import { temporaryEngine } from './fixture.ts'

const dayMs = 86_400_000
const clockDay = 20_000
const clock = clockDay * dayMs + 5 * 3_600_000

const engine = temporaryEngine()
let store: EmbeddedStore
before(async () => {
  store = await engine.open()
  await migrate(store)
  await store.insert('progress', [
    progress({ clock: rowTime(clock - dayMs), clock_day: clockDay - 1, version: 1 }),
    progress({ version: 2 }),
    progress({ topic: 'ebb.alerts', clock: rowTime(0), clock_day: 0 }),
    progress({ partition: 2, clock: null, clock_day: -1 }),
  ])
})
after(async () => {
  await store.close()
  engine.remove()
})

function progress(changes: object) {
  const blank = {
    topic: 'ebb.clicks',
    partition: 1,
    epoch: 1,
    next_offset: 1,
    clock: rowTime(clock),
  }
  return {
    ...blank,
    clock_day: clockDay,
    state: '',
    last_hash: '',
    version: 1,
    written_at: 0,
    ...changes,
  }
}

interface Facts {
  firstSeen?: number
  lastSeen?: number
  lastPurchase?: number
  returnedAt?: number
  activeDays?: number[]
  money?: [ms: number, minor: number, order: 0 | 1][]
  changes?: object
}

let users = 0
async function userNow(facts: Facts): Promise<Record<string, unknown> | undefined> {
  const { firstSeen = 0, lastSeen = clock, lastPurchase = null, returnedAt = null } = facts
  const { activeDays = [], money = [], changes } = facts
  const user_id = `u${users++}`
  await store.insert('users', [
    {
      slot: 1,
      user_id,
      first_seen: rowTime(firstSeen),
      last_seen: rowTime(lastSeen),
      last_event: 'e',
      last_purchase: lastPurchase,
      returned_at: returnedAt,
      clicks: 1,
      sessions: 0,
      session_ms_sum: 0,
      bounces: 0,
      active_days: activeDays,
      money_times: money.map(([ms]) => rowTime(ms)),
      money_amounts: money.map(([, minor]) => rowMoney(minor)),
      money_orders: money.map(([, , order]) => order),
      value_at_silence: '0',
      tier: '',
      segments: [],
      state: '',
      epoch: 1,
      partition: 1,
      version: 1,
      ...changes,
    },
  ])
  const rows = await store.query<Record<string, unknown>>(
    'SELECT * FROM users_now WHERE user_id = {user_id:String}',
    { user_id },
  )
  assert.ok(rows.length <= 1, 'a user is one row')
  return rows[0]
}

describe('users_now', () => {
  test('the clock is the newest one of the topic of clicks', async () => {
    const row = await userNow({ lastSeen: clock - 5 })
    assert.equal(row?.clock, '2024-10-04 05:00:00.000')
    assert.equal(row?.quiet_ms, '5')
  })

  test('one row per user: the newest version, and none when deleted', async () => {
    const row = await userNow({ changes: { tier: 'high', segments: ['a', 'b'] } })
    assert.deepEqual([row?.tier, row?.segments], ['high', ['a', 'b']])
    const again = { user_id: row?.user_id, version: 2 }
    assert.equal(
      (await userNow({ changes: { ...again, last_event: 'newer' } }))?.last_event,
      undefined,
    )
    const rows = () =>
      store.query<{ last_event: string }>(
        'SELECT last_event FROM users_now WHERE user_id = {id:String}',
        { id: String(row?.user_id) },
      )
    assert.deepEqual(await rows(), [{ last_event: 'newer' }])
    await userNow({ changes: { ...again, version: 3, is_deleted: 1 } })
    assert.deepEqual(await rows(), [])
  })

  test('a user whose partition has no clock yet is not there', async () => {
    for (const partition of [2, 3])
      assert.equal(await userNow({ changes: { partition } }), undefined)
  })

  test('after a growth the clock is that of the newest epoch', async () => {
    await store.insert('progress', [
      progress({ partition: 5, epoch: 1, clock: rowTime(clock - dayMs) }),
      progress({ partition: 5, epoch: 2, topic: 'ebb.2.clicks' }),
    ])
    assert.equal((await userNow({ lastSeen: clock - 7, changes: { partition: 5 } }))?.quiet_ms, '7')
  })

  test('active days count in (today - N, today]', async () => {
    const activeDays = [0, 6, 7, 27, 28, 89, 90, -1].map(ago => clockDay - ago)
    const row = await userNow({ activeDays })
    assert.deepEqual([row?.active_days_7, row?.active_days_28, row?.active_days_90], [2, 4, 6])
  })

  test('orders and value are those of (clock - 90 d, clock]', async () => {
    const edge = clock - 90 * dayMs
    const row = await userNow({
      money: [
        [edge, 5_000_000, 1],
        [edge + 1, 10_000, 1],
        [clock, 25_000, 1],
        [clock - 1, -5_000, 0],
        [clock + 1, 70_000, 1],
      ],
    })
    assert.deepEqual([row?.orders_90, row?.value_90], [2, '3'])
  })

  test('value is not below 0', async () => {
    const row = await userNow({
      money: [
        [clock, 10_000, 1],
        [clock, -30_001, 0],
      ],
    })
    assert.deepEqual([row?.orders_90, row?.value_90], [1, '0'])
  })

  const days = (...gaps: number[]) => {
    const list = [clockDay - 80]
    for (const gap of gaps) list.push(list.at(-1)! + gap)
    return list
  }
  const gapCases: [string, number[], string | null][] = [
    ['four gaps are too few', days(1, 2, 3, 4), null],
    ['five gaps: the middle one', days(9, 1, 4, 2, 3), String(3 * dayMs)],
    ['six gaps: the mean of the middle two', days(1, 9, 2, 5, 3, 4), String(3.5 * dayMs)],
    ['days of more than 90 days ago do not count', [clockDay - 95, ...days(1, 1, 1, 1)], null],
    ['the order of the days does not matter', days(9, 1, 4, 2, 3).reverse(), String(3 * dayMs)],
  ]
  for (const [name, activeDays, expected] of gapCases)
    test(`usual gap: ${name}`, async () => {
      const row = await userNow({ activeDays, lastSeen: clock - 7 * dayMs })
      assert.equal(row?.usual_gap_ms, expected)
      assert.equal(row?.quiet_ratio, expected === null ? null : (7 * dayMs) / Number(expected))
    })

  test('sessions: mean and share of bounces; without any, unknown', async () => {
    const row = await userNow({ changes: { sessions: 4, session_ms_sum: 90, bounces: 1 } })
    assert.deepEqual([row?.mean_session_ms, row?.bounce_share], [22.5, 0.25])
    const blank = await userNow({})
    assert.deepEqual([blank?.mean_session_ms, blank?.bounce_share], [null, null])
  })

  const daily = Array.from({ length: 10 }, (_, ago) => clockDay - 30 - ago)
  const weekMs = 7 * dayMs
  const stateCases: [string, string, Facts][] = [
    [
      'a purchase 25 days ago',
      'churned',
      { lastPurchase: clock - 25 * dayMs, activeDays: daily, lastSeen: clock - 4 * dayMs },
    ],
    [
      'a purchase just less than 25 days ago',
      'quiet',
      { lastPurchase: clock - 25 * dayMs + 1, activeDays: daily, lastSeen: clock - 4 * dayMs },
    ],
    ['a ratio just above 3', 'quiet', { activeDays: daily, lastSeen: clock - 3 * dayMs - 1 }],
    [
      'a ratio of 3',
      'slowing',
      { activeDays: daily, lastSeen: clock - 3 * dayMs, returnedAt: clock },
    ],
    [
      'a ratio of 1.5, returned',
      'returned',
      {
        activeDays: daily,
        lastSeen: clock - 1.5 * dayMs,
        returnedAt: clock - weekMs + 1,
        firstSeen: clock,
      },
    ],
    [
      'returned 7 days ago, new',
      'new',
      { returnedAt: clock - weekMs, firstSeen: clock - weekMs + 1 },
    ],
    ['first seen 7 days ago', 'active', { firstSeen: clock - weekMs }],
  ]
  for (const [name, state, facts] of stateCases)
    test(`state: ${name} is ${state}`, async () => {
      assert.equal((await userNow(facts))?.state, state)
    })
})
