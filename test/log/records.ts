/** Random records for properties, and one of each kind for examples. */
import fc from 'fast-check'
import {
  type AlertRecord,
  alertStatuses,
  type Click,
  type Control,
  clickTypes,
  timeMsMax,
} from '../../services/log/record.ts'

const text = fc.oneof(fc.string({ maxLength: 20 }), fc.string({ unit: 'binary', maxLength: 80 }))
const textOrNull = fc.option(text)
const timeMs = fc.oneof(
  fc.integer({ min: 0, max: timeMsMax }),
  fc.constantFrom(0, 1, 2 ** 27, 2 ** 28 - 1, 2 ** 28, 2 ** 31, 2 ** 32, timeMsMax),
)
const userId = text.filter(id => id !== '' && Buffer.byteLength(id) <= 256)
const number = fc.double({ noNaN: true, noDefaultInfinity: true })

/** As the log carries it: with a stamp. */
export const anyClick: fc.Arbitrary<Click & { readonly receivedAtMs: number }> = fc.record(
  {
    kind: fc.constant('click' as const),
    eventId: text,
    userId,
    anonymousId: textOrNull,
    type: fc.constantFrom(...clickTypes),
    name: text,
    timestampMs: timeMs,
    receivedAtMs: timeMs,
    url: textOrNull,
    referrer: textOrNull,
    value: fc.option(number),
    currency: textOrNull,
    orderId: textOrNull,
    properties: text,
    context: text,
    imported: fc.boolean(),
  },
  { noNullPrototype: true },
)

export const click: Click & { readonly receivedAtMs: number } = {
  kind: 'click',
  eventId: '01890a5d-ac96-774b-bcce-b302099a8057',
  userId: 'Zoë',
  anonymousId: null,
  type: 'page',
  name: 'Product Viewed',
  timestampMs: 1_700_000_000_000,
  receivedAtMs: 1_700_000_000_050,
  url: 'https://shop.example/p/1',
  referrer: null,
  value: 19.9,
  currency: 'EUR',
  orderId: null,
  properties: '{"sku":"s1"}',
  context: '',
  imported: true,
}

export const controls: readonly Control[] = [
  { kind: 'tick', atMs: 5, writer: 'collector-1' },
  { kind: 'live', atMs: 6 },
  { kind: 'seal', atMs: 7 },
  { kind: 'rule', revision: 3, rule: '{"id":"r","removed":true}' },
  { kind: 'cutoffs', revision: 4, high: 120.5, keep: 98 },
  { kind: 'model', revision: 5, r: 0.243, alpha: 4.414, a: 0.793, b: 2.426 },
  { kind: 'settings', revision: 6, settings: '{"gap":"30m"}' },
  { kind: 'audience', userId: 'u', segments: ['vip', 'née'], scores: { churn: 0.5, value: -1 } },
  { kind: 'audience', userId: 'u', segments: [], scores: {} },
  { kind: 'erase', userId: 'u' },
  { kind: 'carriedErase', userId: 'u', epoch: 1, offset: 40 },
  { kind: 'standing', userId: 'u', standing: '{"segments":["née"]}' },
]

export const alert: AlertRecord = {
  messageId: 'm1',
  alertId: 'a1',
  ruleId: 'r',
  ruleVersion: 2,
  userId: 'u',
  status: 'fired',
  sinceMs: 1_700_000_000_000,
  dueMs: 1_700_600_000_000,
  thresholdMs: 600_000_000,
  maxAgeMs: 86_400_000,
  clockMs: 1_700_600_000_001,
  send: true,
  body: '{"type":"user.quiet"}',
  epoch: 1,
  offset: 77,
}

export const alerts: readonly AlertRecord[] = alertStatuses.map(status => ({ ...alert, status }))
