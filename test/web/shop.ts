/** A small synthetic shop: who came when and bought what, and the rows that a processor would have written. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { slotOf } from '../../services/base/slot.ts'
import { type EmbeddedStore, openEmbeddedStore } from '../../services/store/embedded.ts'
import { migrate } from '../../services/store/migrate.ts'
import { rowTime } from '../../services/store/rows.ts'

export const dayMs = 86_400_000
export const shopClockMs = Date.parse('2026-03-04T12:31:00Z')

export interface Visit {
  readonly userId: string
  readonly startMs: number
  readonly durationMs: number
  readonly clicks: number
  /** Money of an order at its end; 0 for none. */
  readonly order: number
}

export interface Shop {
  readonly clockMs: number
  readonly visits: readonly Visit[]
}

/** Numbers in [0, 1), the same ones for the same seed (Park and Miller). */
export function chanceOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647
  }
}

const firstNames = ['ada', 'bo', 'cleo', 'dan', 'edith', 'femi', 'grace', 'hugo', 'ines', 'jun']
const lastNames = ['lovelace', 'okafor', 'moreau', 'tanaka', 'silva', 'novak', 'haddad', 'berg']

/** Users who join over `days`, visit in rhythms of their own, and partly stop. */
export function makeShop(options: { users: number; days: number; seed?: number }): Shop {
  const chance = chanceOf(options.seed ?? 7)
  const visits: Visit[] = []
  for (let n = 0; n < options.users; n++) {
    const userId = `${firstNames[n % 10]}.${lastNames[Math.floor(n / 10) % 8]}.${n}`
    const gapMs = (0.7 + chance() * 5) * dayMs
    const joinedMs = shopClockMs - chance() ** 1.4 * options.days * dayMs
    const staysMs = chance() < 0.45 ? chance() * options.days * dayMs : Number.POSITIVE_INFINITY
    const purse = 20 + 180 * chance() ** 3
    for (let at = joinedMs; at < shopClockMs - 5 * 60_000 && at < joinedMs + staysMs; ) {
      const clicks = 1 + Math.floor(chance() * 12)
      const durationMs = Math.round((clicks - 1) * chance() * 90_000)
      const order =
        clicks > 4 && chance() < 0.4 ? Math.round(purse * (50 + chance() * 100)) / 100 : 0
      visits.push({ userId, startMs: Math.round(at), durationMs, clicks, order })
      at += gapMs * (0.3 + 1.4 * chance()) + 3_600_000
    }
  }
  return { clockMs: shopClockMs, visits: visits.filter(visit => endMs(visit) < shopClockMs) }
}

export function endMs(visit: Visit): number {
  return visit.startMs + visit.durationMs
}

export function dayOf(ms: number): number {
  return Math.floor(ms / dayMs)
}

export function visitsByUser(shop: Shop): Map<string, Visit[]> {
  return Map.groupBy(shop.visits, visit => visit.userId)
}

/** Money of the 90 days up to the last activity, in cents so that sums are exact. */
export function valueAtSilence(visits: readonly Visit[]): number {
  const lastMs = Math.max(...visits.map(endMs))
  const recent = visits.filter(visit => endMs(visit) > lastMs - 90 * dayMs)
  return recent.reduce((cents, visit) => cents + Math.round(visit.order * 100), 0)
}

/** The top fifth of the paying users by value at silence. */
export function highUsers(shop: Shop): Set<string> {
  const values = [...visitsByUser(shop)].map(([userId, visits]) => ({
    userId,
    value: valueAtSilence(visits),
  }))
  const paying = values.filter(user => user.value > 0).sort((a, b) => b.value - a.value)
  return new Set(paying.slice(0, Math.ceil(paying.length / 5)).map(user => user.userId))
}

const place = { epoch: 1, partition: 0, version: 1 }

export function userRows(shop: Shop): object[] {
  const high = highUsers(shop)
  return [...visitsByUser(shop)].map(([userId, visits]) => {
    const last = visits.at(-1)!
    const orders = visits.filter(visit => visit.order > 0)
    return {
      slot: slotOf(userId),
      user_id: userId,
      first_seen: rowTime(visits[0]!.startMs),
      last_seen: rowTime(endMs(last)),
      last_event: last.order > 0 ? 'Order Completed' : 'Product Viewed',
      last_purchase: orders.length > 0 ? rowTime(endMs(orders.at(-1)!)) : null,
      returned_at: null,
      clicks: visits.reduce((sum, visit) => sum + visit.clicks, 0),
      sessions: visits.length,
      session_ms_sum: visits.reduce((sum, visit) => sum + visit.durationMs, 0),
      bounces: visits.filter(visit => visit.clicks === 1).length,
      active_days: [...new Set(visits.map(visit => dayOf(endMs(visit))))],
      money_times: orders.map(visit => rowTime(endMs(visit))),
      money_amounts: orders.map(visit => visit.order.toFixed(2)),
      money_orders: orders.map(() => 1),
      value_at_silence: (valueAtSilence(visits) / 100).toFixed(2),
      tier: high.has(userId) ? 'high' : '',
      segments: [],
      state: '',
      ...place,
    }
  })
}

export function userDayRows(shop: Shop): object[] {
  const days = Map.groupBy(shop.visits, visit => `${dayOf(endMs(visit))}/${visit.userId}`)
  return [...days.values()].map(visits => ({
    day: dayOf(endMs(visits[0]!)),
    slot: slotOf(visits[0]!.userId),
    user_id: visits[0]!.userId,
    clicks: visits.reduce((sum, visit) => sum + visit.clicks, 0),
    orders: visits.filter(visit => visit.order > 0).length,
    value: visits.reduce((sum, visit) => sum + visit.order, 0).toFixed(2),
    refunds: '0',
    ...place,
  }))
}

export function isOpen(visit: Visit): boolean {
  return endMs(visit) + 31 * 60_000 >= shopClockMs
}

export function sessionRows(shop: Shop): object[] {
  return shop.visits.map(visit => ({
    slot: slotOf(visit.userId),
    user_id: visit.userId,
    session_id: `${visit.userId}/${visit.startMs}`,
    part: 1,
    start: rowTime(visit.startMs),
    end: rowTime(endMs(visit)),
    clicks: visit.clicks,
    first_event: 'Home',
    last_event: visit.order > 0 ? 'Order Completed' : 'Product Viewed',
    value: visit.order.toFixed(2),
    final: !isOpen(visit),
    ...place,
  }))
}

export function progressRow(
  clockMs: number,
  nextOffset: number,
  version: number,
  held = '',
): object {
  return {
    topic: 'demo.clicks',
    partition: 0,
    epoch: 1,
    next_offset: nextOffset,
    clock: rowTime(clockMs),
    clock_day: dayOf(clockMs),
    held,
    state: '',
    last_hash: '',
    version,
    written_at: rowTime(clockMs),
  }
}

/** One click that the table of clicks holds; only its number and currency matter to the page. */
export function clickRow(userId: string, eventId: string, timestampMs: number): object {
  return {
    slot: slotOf(userId),
    user_id: userId,
    timestamp: rowTime(timestampMs),
    event_id: eventId,
    type: 'track',
    name: 'Product Viewed',
    anonymous_id: null,
    received_at: rowTime(timestampMs),
    url: null,
    referrer: null,
    value: null,
    currency: 'EUR',
    order_id: null,
    properties: '',
    context: '',
    imported: false,
    verdict: 'accepted',
    purchase: false,
    amount: '0',
    clock: rowTime(timestampMs),
    epoch: 1,
    partition: 0,
    offset: 1,
    precedence: 1,
  }
}

export async function storeShop(store: EmbeddedStore, shop: Shop): Promise<void> {
  await store.insert('users', userRows(shop))
  await store.insert('user_days', userDayRows(shop))
  await store.insert('sessions', sessionRows(shop))
  const clicks = shop.visits.map((visit, n) => clickRow(visit.userId, `e${n}`, visit.startMs))
  await store.insert('clicks', clicks)
  await store.insert('progress', [progressRow(shop.clockMs, shop.visits.length, 1)])
}

/** The real engine in a directory of its own; one per test file, as a process opens only one. */
export async function openShopStore(): Promise<{ store: EmbeddedStore; close(): Promise<void> }> {
  const directory = mkdtempSync(join(tmpdir(), 'ebb-web-'))
  const store = await openEmbeddedStore({ directory, database: 'ebb_shop' })
  await migrate(store)
  return {
    store,
    async close() {
      await store.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
