/** A seeded log of clicks as they come in: out of order, some twice, some late, with money and rules. */
import { partitionOf } from '../../services/base/slot.ts'
import { encodeRecord } from '../../services/log/codec.ts'
import type { NewRecord } from '../../services/log/log.ts'
import type { Click, ClicksRecord } from '../../services/log/record.ts'

const minuteMs = 60_000
export const shopStartMs = Date.UTC(2026, 0, 5)

/** The Lehmer generator: enough for test data, and the same everywhere. */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647
  }
}

export interface ShopOptions {
  readonly seed: number
  readonly clicks: number
  readonly users: number
  /** Between two arrivals. */
  readonly stepMs: number
}

function clickOf(random: () => number, at: number, options: ShopOptions, ids: string[]): Click {
  const arrivalMs = shopStartMs + at * options.stepMs
  const delayMs = random() < 0.03 ? random() * 180 * minuteMs : random() * 2 * minuteMs
  const kind = random()
  const name = kind < 0.04 ? 'Order Completed' : kind < 0.05 ? 'Order Refunded' : `page ${at % 7}`
  // Some come twice, with the id of one shortly before.
  const again = random() < 0.02 && ids.length > 0
  const eventId = again
    ? ids[Math.floor(ids.length - 1 - random() * Math.min(50, ids.length - 1))]!
    : `e${at}`
  if (!again) ids.push(eventId)
  const ofUser = again ? Number(eventId.slice(1)) : at
  return {
    kind: 'click',
    eventId,
    userId: `user ${Math.floor(seeded(ofUser * 7919 + options.seed)() * options.users)}`,
    anonymousId: null,
    type: random() < 0.01 ? 'identify' : 'track',
    name,
    timestampMs: Math.floor(arrivalMs - delayMs),
    receivedAtMs: arrivalMs,
    url: null,
    referrer: null,
    value: name.startsWith('Order') ? Math.floor(random() * 20_000) / 100 : null,
    currency: null,
    orderId: name.startsWith('Order') ? `o${Math.floor(random() * at * 0.04)}` : null,
    properties: '',
    context: '',
    imported: false,
  }
}

export const shopRules = [
  { id: 'everyone', when: { quiet_for: '6h' }, then: { escalate: ['12h'], cooldown: '10h' } },
  {
    id: 'high',
    when: { quiet_for: '3h', since: 'purchase' },
    who: { tier: 'high' },
    holdout: '20%',
  },
  { id: 'ratio', when: { quiet_ratio: 1.5 } },
]

/** The records of each partition, with the time at which the log takes them. */
export function shopLog(
  options: ShopOptions,
  partitions: number,
): { readonly atMs: number; readonly record: NewRecord }[][] {
  const random = seeded(options.seed)
  const log: { atMs: number; record: NewRecord }[][] = Array.from({ length: partitions }, () => [])
  const toAll = (atMs: number, record: ClicksRecord) => {
    for (const partition of log)
      partition.push({ atMs, record: { key: null, value: encodeRecord(record) } })
  }
  for (const rule of shopRules)
    toAll(shopStartMs, { kind: 'rule', revision: 1, rule: JSON.stringify(rule) })
  const ids: string[] = []
  for (let at = 0; at < options.clicks; at++) {
    const atMs = shopStartMs + at * options.stepMs
    if (at % 500 === 499) toAll(atMs, { kind: 'tick', atMs, writer: 'test' })
    if (at % 5000 === 2500)
      toAll(atMs, { kind: 'cutoffs', revision: at, high: 150, keep: 100 + (at % 3) * 20 })
    const click = clickOf(random, at, options, ids)
    const value = random() < 0.003 ? Buffer.from('{"no": "click"}') : encodeRecord(click)
    const record = { key: click.userId, value }
    log[partitionOf(click.userId, partitions)]!.push({ atMs, record })
  }
  return log
}
