/** The shop with news from it, as a viewer of the page would meet it. */

import type { EmbeddedStore } from '../../services/store/embedded.ts'
import { alertRow, deliveryRow, endpointRow, rejectRow, ruleRow } from './news.ts'
import { dayMs, highUsers, makeShop, type Shop, shopClockMs, storeShop } from './shop.ts'

const hourMs = 3_600_000

export async function storeScene(store: EmbeddedStore): Promise<Shop> {
  const shop = makeShop({ users: 400, days: 84 })
  await storeShop(store, shop)
  const [a, b, c, d, e] = [...highUsers(shop)]
  await store.insert('rules', [
    ruleRow('high-value-quiet', { quiet_for: '14d' }),
    ruleRow('buying-stopped', { quiet_for: '14d', since: 'purchase' }),
  ])
  await store.insert('endpoints', [endpointRow({ id: 'ep1', url: 'http://127.0.0.1:4284/hook' })])
  const ago = (hours: number) => shopClockMs - hours * hourMs
  await store.insert('alerts', [
    alertRow({ messageId: 'm1', userId: a!, clockMs: ago(0.4), value: '412.50' }),
    alertRow({
      messageId: 'm2',
      alertId: 'a2',
      ruleId: 'buying-stopped',
      userId: b!,
      clockMs: ago(3),
      value: '238.10',
    }),
    alertRow({ messageId: 'm3', alertId: 'a3', userId: c!, clockMs: ago(29), value: '671' }),
    alertRow({
      messageId: 'm4',
      alertId: 'a3',
      userId: c!,
      status: 'resolved',
      reason: 'returned',
      clockMs: ago(5),
      quietMs: 15 * dayMs,
      value: '671',
    }),
    alertRow({
      messageId: 'm5',
      alertId: 'a5',
      userId: d!,
      status: 'held_out',
      send: false,
      clockMs: ago(20),
    }),
    alertRow({
      messageId: 'm6',
      alertId: 'a6',
      userId: e!,
      status: 'stale',
      send: false,
      clockMs: ago(51),
    }),
  ])
  await store.insert('deliveries', [
    deliveryRow({ messageId: 'm1' }),
    deliveryRow({ messageId: 'm1', attempt: 1, status: 'failed', code: 503 }),
    deliveryRow({ messageId: 'm2', attempt: 1, status: 'failed', code: 500 }),
    deliveryRow({ messageId: 'm2', attempt: 2, status: 'delivered', code: 200 }),
    deliveryRow({ messageId: 'm3', attempt: 1, status: 'delivered', code: 200 }),
    deliveryRow({ messageId: 'm4', attempt: 1, status: 'dead', code: 410 }),
  ])
  await store.insert('rejects', [
    ...Array.from({ length: 14 }, (_, n) => rejectRow(n, 'duplicate', 'duplicate')),
    ...Array.from({ length: 5 }, (_, n) => rejectRow(100 + n, 'late', 'bound')),
    rejectRow(200, 'dead', 'json'),
  ])
  return shop
}
