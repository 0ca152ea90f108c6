/** fast-check arbitraries for one line of a log: clicks, orders and refunds, rules, ticks, what is said again, what is dead. */
import fc from 'fast-check'
import { type Fields, jitterMs, pick, type Scale, sum } from './scales.ts'

/** UTF-8 puts the fullwidth tilde before the emoji, UTF-16 after it. */
const users = ['a', 'b', '\uff5e', '\u{1f600}']

/** A line to be, given the time that the log has come to and its clicks so far, newest first. */
export type Step = {
  forwardMs: number
  lineOf: (now: number, clicks: string[]) => Fields | string | null
}

const orNot = (arbitrary: fc.Arbitrary<Fields>) => fc.oneof(fc.constant<Fields>({}), arbitrary)

const money = pick<unknown>(0, 5, 20, 60, 100, 19.99, 0.00005, 1.00005, -5, 'x')
const moneyFields = fc.oneof(
  fc.record({ revenue: money }),
  fc.record({ total: money }),
  fc.record({ value: money }),
  fc.record({ revenue: money, total: money, value: money }),
  fc.constant({}),
)
const orderFields = orNot(
  fc.oneof(
    fc.record({ order_id: pick('o1', 'o2', 'o3') }),
    fc.record({ transaction_id: pick('o1', 'o2') }),
  ),
)
const properties = fc.tuple(moneyFields, orderFields).map(parts => Object.assign({}, ...parts))

const plainEvent = fc.oneof(
  fc.record({ event: pick('view', 'cart') }),
  fc.record({ name: pick('home'), type: pick('page', 'screen') }),
  fc.constant<Fields>({}),
)
const orderEvent = fc.record<Fields>({
  event: pick('Order Completed', 'purchase', 'purchased'),
  properties,
})
const refundEvent = fc.record<Fields>({ event: pick('Order Refunded', 'refund'), properties })
const asideEvent = fc.oneof(
  fc.record<Fields>({ type: pick('identify', 'group', 'alias') }),
  fc.record<Fields>({ event: pick('cron') }),
)

export const user = fc.constantFrom(...users)
const messageId = orNot(fc.record({ messageId: pick('m1', 'm2', 'm3', 'm4') }))

/** A click `behindMs` before the log's time, stamped by receiver and log around that time. */
export function clickStep(scale: Scale): fc.Arbitrary<Step> {
  const event = fc.oneof(
    { weight: 10, arbitrary: plainEvent },
    { weight: 4, arbitrary: orderEvent },
    { weight: 1, arbitrary: refundEvent },
    { weight: 1, arbitrary: asideEvent },
  )
  const stamp = fc.option(sum(pick(0, 0, 0, 5, -10, 20), jitterMs), { freq: 8 })
  return fc
    .record({
      forwardMs: scale.forwardMs,
      behindMs: scale.behindMs,
      userId: user,
      messageId,
      event,
      receivedAfterMs: stamp,
      loggedAfterMs: stamp,
      imported: fc.nat({ max: 60 }).map(number => number === 60),
    })
    .map(({ forwardMs, behindMs, userId, receivedAfterMs, loggedAfterMs, ...parts }) => ({
      forwardMs,
      lineOf: now => ({
        userId,
        timestamp: now - behindMs,
        ...parts.messageId,
        ...parts.event,
        ...(receivedAfterMs === null ? {} : { receivedAt: now + receivedAfterMs }),
        ...(loggedAfterMs === null ? {} : { logTime: now + loggedAfterMs }),
        ...(parts.imported ? { imported: true } : {}),
      }),
    }))
}

export function importedStep(scale: Scale): fc.Arbitrary<Step> {
  const event = fc.oneof({ weight: 3, arbitrary: plainEvent }, { weight: 1, arbitrary: orderEvent })
  return fc
    .record({ forwardMs: scale.forwardMs, userId: user, event })
    .map(({ forwardMs, userId, event }) => ({
      forwardMs: Math.max(0, forwardMs),
      lineOf: now => ({ userId, timestamp: now, imported: true, ...event }),
    }))
}

export const still = (line: fc.Arbitrary<Fields | string>): fc.Arbitrary<Step> =>
  line.map(fields => ({ forwardMs: 0, lineOf: () => fields }))

const who = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Fields>({}) },
  { weight: 1, arbitrary: fc.constant({ who: { tier: 'high' } }) },
  {
    weight: 1,
    arbitrary: pick(5, 20, 60).map(atLeast => ({ who: { value_90d: { at_least: atLeast } } })),
  },
  { weight: 1, arbitrary: pick('x', 'y').map(segment => ({ who: { segment } })) },
)

/**
 * One kind of silence per rule id: a rule that goes over from activity to purchase while a silence
 * lasts is left open by the handbook.
 */
export function whenOf(scale: Scale, id: string): fc.Arbitrary<Fields> {
  const duration = fc.constantFrom(...scale.durations)
  const quietFor = fc.record({ quiet_for: duration })
  if (id === 'r1') return quietFor
  if (id === 'r3')
    return scale.name === 'days' ? fc.record({ quiet_ratio: pick(1, 1.7, 3) }) : quietFor
  const purchase = fc.record({ quiet_for: duration, since: pick('purchase') })
  if (scale.name === 'tiny') return purchase
  const expected = fc.record({
    gone_after: pick('90d', '60d', '30d'),
    probability: pick(0.4, 0.7, 0.9),
    not_before: pick('0', '1d', '14d', '36h'),
  })
  return fc.oneof(
    purchase,
    expected.map(fields => ({ expected: fields })),
  )
}

export function ruleLine(scale: Scale): fc.Arbitrary<Fields> {
  const duration = fc.constantFrom(...scale.durations)
  const effects = fc.record(
    {
      escalate: fc.array(duration, { maxLength: 3 }),
      cooldown: fc.oneof(fc.constant('0'), duration),
      resolve: fc.boolean(),
      max_age: fc.constantFrom(...scale.maxAges),
    },
    { requiredKeys: [] },
  )
  return pick('r1', 'r1', 'r2', 'r3').chain(id =>
    fc
      .tuple(
        fc.constant({ id }),
        fc.record({ when: whenOf(scale, id) }),
        who,
        effects.map(fields => Object.fromEntries([['then', fields]])),
        orNot(fc.record({ holdout: pick('0%', '30%', '100%') })),
      )
      .map(parts => ({ rule: Object.assign({}, ...parts) })),
  )
}

export const cutoffsLine = fc.record({
  cutoffs: pick<Fields>({ high: 20 }, { high: 60, keep: 20 }, { high: 100, keep: 5 }),
})
export const modelLine = fc.record({
  model: pick<Fields>(
    { r: 0.243, alpha: 4.414, a: 0.793, b: 2.426 },
    { r: 2, alpha: 1, a: 0.5, b: 3 },
    { r: 0.01, alpha: 10, a: 1, b: 1 },
  ),
})
export const audienceLine = fc
  .record({ userId: user, segments: fc.subarray(['x', 'y']), scores: fc.constant({}) })
  .map(audience => ({ audience }))
export const eraseLine = user.map(userId => ({ erase: { userId } }))
export const deadLine = pick<Fields | string>('', 'no', '[1]', { timestamp: 5 }, { tick: 'x' })
export const removedLine = pick('r1', 'r2', 'r3').map(id => ({ rule: { id, removed: true } }))

export function tickStep(scale: Scale): fc.Arbitrary<Step> {
  return fc
    .record({ forwardMs: scale.forwardMs, behindMs: jitterMs })
    .map(({ forwardMs, behindMs }) => ({ forwardMs, lineOf: now => ({ tick: now - behindMs }) }))
}

/** The same bytes once more, as a tracker would send them again. */
export const repeatStep: fc.Arbitrary<Step> = fc
  .nat({ max: 6 })
  .map(back => ({ forwardMs: 0, lineOf: (_now, clicks) => clicks[back] ?? null }))

/** The same visit goes on, or just not, and we hear of it only now. */
export function revisitStep(scale: Scale): fc.Arbitrary<Step> {
  const afterMs = fc.constantFrom(...scale.revisitMs)
  return fc.tuple(fc.nat({ max: 6 }), afterMs).map(([back, afterMs]) => ({
    forwardMs: 0,
    lineOf: (_now, clicks) => {
      if (!clicks[back]) return null
      const { messageId: _, receivedAt: __, logTime: ___, ...click } = JSON.parse(clicks[back])
      return { ...click, timestamp: click.timestamp + afterMs }
    },
  }))
}

export const liveStep: fc.Arbitrary<Step> = jitterMs.map(behindMs => ({
  forwardMs: 0,
  lineOf: now => ({ live: now - behindMs }),
}))
