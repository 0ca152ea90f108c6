/** Each figure of the page, by SQL on the real engine, against a plain computation over the same visits. */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { wallClock } from '../../services/base/time.ts'
import { openLive, type Whole } from '../../services/web/live.ts'
import { readUser } from '../../services/web/user.ts'
import { storeScene } from './scene.ts'
import {
  dayMs,
  dayOf,
  endMs,
  highUsers,
  isOpen,
  openShopStore,
  type Shop,
  shopClockMs,
  type Visit,
  valueAtSilence,
  visitsByUser,
} from './shop.ts'

const today = dayOf(shopClockMs)
let opened: Awaited<ReturnType<typeof openShopStore>>
let shop: Shop
let page: Whole
/** The days on which each user was active. */
let days: Map<string, Set<number>>

before(async () => {
  opened = await openShopStore()
  shop = await storeScene(opened.store)
  days = new Map([...visitsByUser(shop)].map(([user, visits]) => [user, activeDays(visits)]))
  const failed = (error: unknown) => assert.fail(String(error))
  const live = openLive({ store: opened.store, wallClock, failed })
  page = await live.now()
  await live.close()
})

after(() => opened.close())

function activeDays(visits: readonly Visit[]): Set<number> {
  return new Set(visits.map(visit => dayOf(endMs(visit))))
}

function usersWho(does: (active: Set<number>) => boolean): number {
  return [...days.values()].filter(does).length
}

function firstDay(active: Set<number>): number {
  return Math.min(...active)
}

test('pulse: clicks that are kept, the clock, open sessions', () => {
  assert.equal(page.pulse.clicks, shop.visits.length)
  assert.equal(page.pulse.clockMs, shopClockMs)
  assert.equal(page.pulse.openSessions, shop.visits.filter(isOpen).length)
  assert.ok(page.pulse.openSessions > 0, 'the shop has someone in it')
})

test('active users of a day, 7 and 30 days, and stickiness', () => {
  const within = (count: number) =>
    usersWho(active => [...active].some(day => day > today - count && day <= today))
  const { active } = page
  assert.deepEqual([active.today, active.week, active.month], [within(1), within(7), within(30)])
  const daily = Array.from({ length: 30 }, (_, n) => usersWho(set => set.has(today - n)))
  const mean = daily.reduce((sum, count) => sum + count, 0) / 30
  assert.ok(Math.abs(active.stickiness! - mean / within(30)) < 1e-12)
})

test('lifecycle of each of 30 days, and both of its sums', () => {
  assert.equal(page.lifecycle.length, 30)
  assert.equal(page.lifecycle.at(-1)!.day, today)
  for (const [n, row] of page.lifecycle.entries()) {
    const { day } = row
    const is = (set: Set<number>) => set.has(day)
    const was = (set: Set<number>) => set.has(day - 1)
    assert.equal(row.active, usersWho(is))
    assert.equal(
      row.new,
      usersWho(set => firstDay(set) === day),
    )
    assert.equal(
      row.returning,
      usersWho(set => is(set) && was(set)),
    )
    assert.equal(
      row.resurrecting,
      usersWho(set => is(set) && !was(set) && firstDay(set) < day),
    )
    assert.equal(
      row.dormant,
      usersWho(set => !is(set) && was(set)),
    )
    assert.equal(row.active, row.new + row.returning + row.resurrecting)
    const previous = page.lifecycle[n - 1]
    if (previous)
      assert.equal(row.active, previous.active - row.dormant + row.new + row.resurrecting)
  }
})

for (const { unit, length } of [
  { unit: 'day', length: 1 },
  { unit: 'week', length: 7 },
] as const)
  test(`retention by ${unit}: every cell, its completeness, the weighted mean`, () => {
    const monday = dayOf(Date.parse('2026-03-02T00:00:00Z'))
    const present = unit === 'day' ? today : monday
    const triangle = page.retention[unit]
    assert.equal(triangle.cohorts.length, 12)
    const began = (set: Set<number>, start: number) =>
      firstDay(set) >= start && firstDay(set) < start + length
    const came = (set: Set<number>, start: number) =>
      [...set].some(day => day >= start && day < start + length)
    for (const [n, cohort] of triangle.cohorts.entries()) {
      const start = present - (11 - n) * length
      assert.equal(cohort.day, start)
      assert.equal(
        cohort.size,
        usersWho(set => began(set, start)),
      )
      assert.equal(cohort.cells.length, 11 - n)
      for (const [at, cell] of cohort.cells.entries()) {
        const period = start + (at + 1) * length
        assert.equal(
          cell.users,
          usersWho(set => began(set, start) && came(set, period)),
        )
        assert.equal(cell.complete, period + length <= today)
      }
    }
    const first = triangle.cohorts.filter(cohort => cohort.cells[0]?.complete)
    const returned = first.reduce((sum, cohort) => sum + cohort.cells[0]!.users, 0)
    const all = first.reduce((sum, cohort) => sum + cohort.size, 0)
    assert.equal(triangle.mean[0], returned / all)
    assert.equal(triangle.mean[10], null)
  })

interface Silence {
  readonly userId: string
  readonly cents: number
  readonly sinceMs: number
  readonly usualGapMs: number | null
  readonly overdue: number
}

function silences(): Silence[] {
  const high = highUsers(shop)
  return [...visitsByUser(shop)]
    .filter(([userId]) => high.has(userId))
    .map(([userId, visits]) => {
      const sinceMs = Math.max(...visits.map(endMs))
      const usualGapMs = usualGap([...activeDays(visits)].filter(day => day > today - 90))
      const overdue = (shopClockMs - sinceMs) / (usualGapMs ?? 5 * dayMs)
      return { userId, cents: valueAtSilence(visits), sinceMs, usualGapMs, overdue }
    })
    .filter(user => shopClockMs - user.sinceMs <= 90 * dayMs)
}

function usualGap(active: number[]): number | null {
  const sorted = active.sort((a, b) => a - b)
  const gaps = sorted.slice(1).map((day, n) => day - sorted[n]!)
  if (gaps.length < 5) return null
  gaps.sort((a, b) => a - b)
  const [low, high] = [gaps[Math.floor((gaps.length - 1) / 2)]!, gaps[Math.floor(gaps.length / 2)]!]
  return ((low + high) / 2) * dayMs
}

test('money at stake by stage', () => {
  const stageOf = ({ overdue }: Silence) =>
    overdue > 3 ? 'quiet' : overdue > 1.5 ? 'slowing' : 'inRhythm'
  const stages = Map.groupBy(silences(), stageOf)
  for (const stage of ['inRhythm', 'slowing', 'quiet'] as const) {
    const users = stages.get(stage) ?? []
    const money = users.reduce((sum, user) => sum + user.cents, 0) / 100
    assert.ok(users.length > 0, `somebody is ${stage}`)
    assert.deepEqual(page.risk.stages[stage], { users: users.length, money })
  }
})

test('high-value users at risk, the most at stake first', () => {
  const expected = silences()
    .filter(user => user.overdue > 1.5)
    .sort((a, b) => b.cents - a.cents)
  assert.deepEqual(
    page.risk.users.map(({ userId, sinceMs, usualGapMs, money }) => ({
      userId,
      sinceMs,
      usualGapMs,
      money,
    })),
    expected.map(({ userId, sinceMs, usualGapMs, cents }) => ({
      userId,
      sinceMs,
      usualGapMs,
      money: cents / 100,
    })),
  )
  for (const [n, { overdue }] of page.risk.users.entries())
    assert.ok(Math.abs(overdue - expected[n]!.overdue) < 1e-9)
})

test('came back: only a return after an alert that went out', () => {
  assert.deepEqual(page.risk.cameBack, { users: 1, money: 671 })
})

test('alerts, the newest first, each with what became of its delivery', () => {
  const seen = page.alerts.map(({ messageId, deliveries: [delivery] }) =>
    delivery
      ? `${messageId} ${delivery.status} ${delivery.code} x${delivery.attempts} ${delivery.endpoint}`
      : messageId,
  )
  assert.deepEqual(seen, [
    'm1 retrying 503 x1 127.0.0.1:4284',
    'm2 delivered 200 x2 127.0.0.1:4284',
    'm4 dead 410 x1 127.0.0.1:4284',
    'm5',
    'm3 delivered 200 x1 127.0.0.1:4284',
    'm6',
  ])
})

test('a silence of purchases is told from one of all activity', () => {
  const ofPurchases = page.alerts.filter(alert => alert.ofPurchases)
  assert.deepEqual(
    ofPurchases.map(alert => alert.messageId),
    ['m2'],
  )
})

test('rules, endpoints and currency in force; rejects by kind; where the log stands', () => {
  assert.deepEqual(page.setup, { rules: 2, endpoints: 1, currency: 'EUR' })
  assert.deepEqual(page.health.rejects, [
    { kind: 'duplicate', reason: 'duplicate', count: 14 },
    { kind: 'late', reason: 'bound', count: 5 },
    { kind: 'dead', reason: 'json', count: 1 },
  ])
  const [partition] = page.health.partitions
  assert.deepEqual(partition, {
    partition: 0,
    nextOffset: shop.visits.length,
    clockMs: shopClockMs,
    held: '',
  })
})

test('one user: signals, days, the last 12 sessions, alerts', async () => {
  const userId = page.risk.users[0]!.userId
  const visits = visitsByUser(shop).get(userId)!
  const detail = (await readUser(opened.store, userId))!
  assert.equal(detail.user.sessions, visits.length)
  assert.equal(detail.user.lastSeenMs, Math.max(...visits.map(endMs)))
  assert.equal(detail.user.moneyAtStake, valueAtSilence(visits) / 100)
  assert.deepEqual(
    detail.sessions.map(session => session.startMs),
    visits
      .map(visit => visit.startMs)
      .toReversed()
      .slice(0, 12),
  )
  const recent = [...activeDays(visits)].filter(day => day > today - 91).sort((a, b) => a - b)
  assert.deepEqual(
    detail.days.map(({ day }) => day),
    recent,
  )
  assert.equal(await readUser(opened.store, "nobody' OR 1=1"), undefined)
})
