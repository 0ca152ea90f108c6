/**
 * fast-check arbitraries for logs that go where the rules turn: few users, times on and next to
 * multiples of the gap and of due times, disorder, late and repeated clicks, orders and refunds, ticks,
 * control lines, imports, small caps. Two scales: `tiny` counts in gaps of 10 ms, `days` in days, for
 * usual gaps, expected silences and the windows of 90 days.
 */
import fc from 'fast-check'
import { dayMs } from './input.ts'

export type Log = { args: string[]; lines: string[] }

/** UTF-8 puts the fullwidth tilde before the emoji, UTF-16 after it. */
const users = ['a', 'b', '\uff5e', '\u{1f600}']

type Fields = Record<string, unknown>
/** A line to be, given the time that the log has come to and its clicks so far, newest first. */
type Step = { forwardMs: number; lineOf: (now: number, clicks: string[]) => Fields | string | null }

type Scale = {
  name: 'tiny' | 'days'
  startMs: number
  /** How far the log's time goes from line to line. */
  forwardMs: fc.Arbitrary<number>
  /** How far behind it a click is. */
  behindMs: fc.Arbitrary<number>
  /** How long after a click the same visit goes on, up to the gap and just beyond. */
  revisitMs: number[]
  flags: fc.Arbitrary<string[]>
  durations: string[]
  maxAges: string[]
  settings: fc.Arbitrary<Fields>
}

const jitterMs = fc.constantFrom(0, 0, 0, -1, 1)
const pick = <Item>(...items: Item[]) => fc.constantFrom(...items)
const sum = (...parts: fc.Arbitrary<number>[]) =>
  fc.tuple(...parts).map(numbers => numbers.reduce((one, other) => one + other, 0))
const flag = (name: string, ...values: (string | null)[]) =>
  pick(...values).map(value => (value === null ? [] : [name, value]))

const tiny: Scale = {
  name: 'tiny',
  startMs: 1000,
  forwardMs: sum(pick(0, 0, 5, 10, 10, 10, 20, 30, 50, 100), jitterMs),
  behindMs: fc.oneof(
    { weight: 6, arbitrary: jitterMs },
    { weight: 3, arbitrary: sum(pick(5, 10, 15, 20, 30), jitterMs) },
    { weight: 1, arbitrary: sum(pick(50, 100, 200), jitterMs) },
  ),
  revisitMs: [1, 5, 9, 10, 11],
  flags: fc
    .tuple(
      fc.constant(['--gap', '10ms']),
      flag('--disorder', '0', '0', '1ms', '5ms', '10ms'),
      flag('--lateness', '0', '0', '5ms', '10ms', '30ms'),
      flag('--max-clicks', null, null, '0', '1', '2', '3'),
      flag('--max-session', null, null, '0', '10ms', '15ms', '35ms'),
      flag('--skew', null, '0', '5ms', '20ms'),
    )
    .map(flags => flags.flat()),
  durations: ['10ms', '20ms', '30ms', '50ms', '80ms', '100ms'],
  maxAges: ['0', '10ms', '20ms', '50ms', '1d'],
  settings: fc.oneof(
    fc.record({ disorder: pick('0', '5ms', '20ms') }),
    fc.record({ lateness: pick('0', '10ms', '50ms') }),
    fc.record({ 'max-clicks': pick(0, 1, 2, 4) }),
    fc.record({ 'max-session': pick('0', '10ms', '25ms') }),
    fc.record({ skew: pick('0', '10ms') }),
  ),
}

const hourMs = 3_600_000

const wholeDays = pick(0, 0, 1, 1, 1, 2, 3, 5, 7, 14, 25, 30, 60, 90).map(count => count * dayMs)

const days: Scale = {
  name: 'days',
  // A minute before midnight: the same visit goes on into the next day.
  startMs: 400 * dayMs - 60_000,
  forwardMs: fc.oneof(
    wholeDays,
    sum(wholeDays, pick(0, 60_000, hourMs / 2, hourMs, 12 * hourMs), jitterMs),
  ),
  behindMs: fc.oneof(
    { weight: 6, arbitrary: fc.constant(0) },
    { weight: 3, arbitrary: jitterMs },
    { weight: 1, arbitrary: sum(pick(60_000, hourMs / 2, hourMs), jitterMs) },
    {
      weight: 1,
      arbitrary: sum(
        pick(1, 3, 25, 90).map(count => count * dayMs),
        jitterMs,
      ),
    },
  ),
  revisitMs: [60_000, hourMs / 2, hourMs / 2 + 1, hourMs],
  flags: fc
    .tuple(
      flag('--gap', null, '30m', '1h'),
      flag('--disorder', null, '0'),
      flag('--lateness', null, '0', '1d'),
      flag('--max-clicks', null, null, '2'),
    )
    .map(flags => flags.flat()),
  durations: ['1d', '2d', '7d', '25d', '30d', '90d'],
  maxAges: ['0', '1d', '1d', '7d', '100d'],
  settings: fc.oneof(
    fc.record({ disorder: pick('0', '1m', '1h') }),
    fc.record({ lateness: pick('0', '1h', '1d') }),
    fc.record({ 'max-clicks': pick(0, 2) }),
  ),
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

const user = fc.constantFrom(...users)
const messageId = orNot(fc.record({ messageId: pick('m1', 'm2', 'm3', 'm4') }))

/** A click `behindMs` before the log's time, stamped by receiver and log around that time. */
function clickStep(scale: Scale): fc.Arbitrary<Step> {
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

function importedStep(scale: Scale): fc.Arbitrary<Step> {
  const event = fc.oneof({ weight: 3, arbitrary: plainEvent }, { weight: 1, arbitrary: orderEvent })
  return fc
    .record({ forwardMs: scale.forwardMs, userId: user, event })
    .map(({ forwardMs, userId, event }) => ({
      forwardMs: Math.max(0, forwardMs),
      lineOf: now => ({ userId, timestamp: now, imported: true, ...event }),
    }))
}

const still = (line: fc.Arbitrary<Fields | string>): fc.Arbitrary<Step> =>
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
function whenOf(scale: Scale, id: string): fc.Arbitrary<Fields> {
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

function ruleLine(scale: Scale): fc.Arbitrary<Fields> {
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

const cutoffsLine = fc.record({
  cutoffs: pick<Fields>({ high: 20 }, { high: 60, keep: 20 }, { high: 100, keep: 5 }),
})
const modelLine = fc.record({
  model: pick<Fields>(
    { r: 0.243, alpha: 4.414, a: 0.793, b: 2.426 },
    { r: 2, alpha: 1, a: 0.5, b: 3 },
    { r: 0.01, alpha: 10, a: 1, b: 1 },
  ),
})
const audienceLine = fc
  .record({ userId: user, segments: fc.subarray(['x', 'y']), scores: fc.constant({}) })
  .map(audience => ({ audience }))
const eraseLine = user.map(userId => ({ erase: { userId } }))
const deadLine = pick<Fields | string>('', 'no', '[1]', { timestamp: 5 }, { tick: 'x' })
const removedLine = pick('r1', 'r2', 'r3').map(id => ({ rule: { id, removed: true } }))

function tickStep(scale: Scale): fc.Arbitrary<Step> {
  return fc
    .record({ forwardMs: scale.forwardMs, behindMs: jitterMs })
    .map(({ forwardMs, behindMs }) => ({ forwardMs, lineOf: now => ({ tick: now - behindMs }) }))
}

/** The same bytes once more, as a tracker would send them again. */
const repeatStep: fc.Arbitrary<Step> = fc
  .nat({ max: 6 })
  .map(back => ({ forwardMs: 0, lineOf: (_now, clicks) => clicks[back] ?? null }))

/** The same visit goes on, or just not, and we hear of it only now. */
function revisitStep(scale: Scale): fc.Arbitrary<Step> {
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

const liveStep: fc.Arbitrary<Step> = jitterMs.map(behindMs => ({
  forwardMs: 0,
  lineOf: now => ({ live: now - behindMs }),
}))

export type LogOptions = {
  scale?: 'tiny' | 'days'
  /** Rules, cutoffs, models, audiences. */
  hasAlerts?: boolean
  /** Settings lines and erasures: without them the checks of session-rule.md hold for the whole run. */
  hasChanges?: boolean
  /** The setting `gap` changes on the way. */
  changesGap?: boolean
  linesMax?: number
}

function stepsOf(scale: Scale, options: LogOptions): fc.Arbitrary<Step[]> {
  const { hasAlerts = true, hasChanges = true, changesGap = false, linesMax = 40 } = options
  const weighted: { weight: number; arbitrary: fc.Arbitrary<Step> }[] = [
    { weight: 30, arbitrary: clickStep(scale) },
    { weight: 3, arbitrary: repeatStep },
    { weight: 2, arbitrary: revisitStep(scale) },
    { weight: 6, arbitrary: tickStep(scale) },
    { weight: 1, arbitrary: still(deadLine) },
  ]
  if (hasAlerts)
    weighted.push(
      { weight: 3, arbitrary: still(ruleLine(scale)) },
      { weight: 1, arbitrary: still(removedLine) },
      { weight: 2, arbitrary: still(cutoffsLine) },
      { weight: 1, arbitrary: still(modelLine) },
      { weight: 2, arbitrary: still(audienceLine) },
      { weight: 1, arbitrary: liveStep },
    )
  if (hasChanges)
    weighted.push(
      { weight: 1, arbitrary: still(scale.settings.map(settings => ({ settings }))) },
      { weight: 1, arbitrary: still(eraseLine) },
    )
  if (changesGap)
    weighted.push({
      weight: 3,
      arbitrary: still(fc.record({ settings: fc.record({ gap: pick('5ms', '10ms', '20ms') }) })),
    })
  const body = fc.array(fc.oneof(...weighted), { minLength: 1, maxLength: linesMax })
  if (!hasAlerts) return body
  const rules = fc.array(still(ruleLine(scale)), { maxLength: 2 })
  const imports = fc.oneof(
    { weight: 3, arbitrary: fc.constant<Step[]>([]) },
    { weight: 1, arbitrary: fc.array(importedStep(scale), { maxLength: linesMax / 2 }) },
  )
  return fc.tuple(rules, imports, body).map(parts => parts.flat())
}

function linesOf(steps: Step[], startMs: number): string[] {
  const lines: string[] = []
  let now = startMs
  for (const step of steps) {
    now = Math.max(startMs, now + step.forwardMs)
    const clicks = lines.filter(text => text.startsWith('{"userId"')).reverse()
    const line = step.lineOf(now, clicks)
    if (line !== null) lines.push(typeof line === 'string' ? line : JSON.stringify(line))
  }
  return lines
}

export function logs(options: LogOptions = {}): fc.Arbitrary<Log> {
  const scale = options.scale === 'days' ? days : tiny
  const clock = pick('event', 'event', 'event', 'arrival', 'ticks', 'log')
  // Signals need a clock at the end, whatever moves it: a last tick, not always past all due times.
  return fc
    .record({
      flags: scale.flags,
      clock,
      steps: stepsOf(scale, options),
      end: tickStep(scale),
      isFlushed: fc.nat({ max: 9 }).map(number => number < 9),
    })
    .map(({ flags, clock, steps, end, isFlushed }) => ({
      args: [
        ...flags,
        ...['--clock', clock, '--server-events', 'cron', '--signals', '--summary'],
        ...(isFlushed ? [] : ['--no-flush']),
      ],
      lines: linesOf([...steps, end], scale.startMs),
    }))
}

/**
 * Clicks of one or two users in no order at all within a few gaps, under small caps: the sessions open
 * at one time are many, next to one another, cut and bridged.
 */
export function jumbledLogs(): fc.Arbitrary<Log> {
  const timestamp = fc.nat({ max: 80 })
  const click = fc.record({ userId: pick('a', 'a', 'a', 'b'), timestamp })
  const line = fc.oneof(
    { weight: 8, arbitrary: click },
    { weight: 1, arbitrary: fc.record({ tick: timestamp }) },
  )
  const flags = fc.tuple(
    flag('--max-clicks', null, '1', '2', '3', '4'),
    flag('--max-session', null, '5ms', '10ms', '25ms'),
    flag('--clock', 'ticks', 'ticks', 'event'),
    flag('--lateness', '0', '20ms'),
  )
  const common = ['--gap', '10ms', '--disorder', '0', '--signals', '--summary']
  return fc
    .record({ flags, lines: fc.array(line, { minLength: 1, maxLength: 25 }) })
    .map(({ flags, lines }) => ({
      args: [...common, ...flags.flat()],
      lines: [...lines, { tick: 100 }].map(line => JSON.stringify(line)),
    }))
}

/** Computed thresholds: purchases and returns on neighbouring days, late ones, and long silences. */
export function purchaseLogs(): fc.Arbitrary<Log> {
  const userId = pick('a', 'a', 'b')
  const event = pick<Fields>({ event: 'purchase' }, { event: 'purchase' }, {})
  const visit: fc.Arbitrary<Step> = fc
    .record({ forwardMs: days.forwardMs, behindMs: days.behindMs, userId, event })
    .map(({ forwardMs, behindMs, userId, event }) => ({
      forwardMs,
      lineOf: now => ({ userId, timestamp: now - behindMs, ...event }),
    }))
  const step = fc.oneof(
    { weight: 6, arbitrary: visit },
    { weight: 3, arbitrary: revisitStep(days) },
    { weight: 3, arbitrary: tickStep(days) },
    { weight: 1, arbitrary: still(modelLine) },
  )
  const ruleOf = (id: string) =>
    fc
      .record({ when: whenOf(days, id), escalate: fc.subarray(['60d', '100d', '150d']) })
      .map(({ when, escalate }) => {
        const then = Object.fromEntries([['then', { escalate, max_age: '100d' }]])
        return JSON.stringify({ rule: { id, when, ...then } })
      })
  return fc
    .record({
      rules: fc.tuple(ruleOf('r2'), ruleOf('r3')),
      steps: fc.array(step, { minLength: 2, maxLength: 25 }),
    })
    .map(({ rules, steps }) => ({
      args: ['--signals', '--summary'],
      lines: [...rules, ...linesOf(steps, days.startMs)],
    }))
}

export type Disordered = {
  args: string[]
  /** The same clicks in two orders of arrival, both within the disorder bound. */
  inOrder: string[]
  shuffled: string[]
}

/** Each click comes at most `disorder` after its time, so none of them may be late (check e). */
export function disorderedLogs(): fc.Arbitrary<Disordered> {
  const disorderMs = 20
  const click = fc.record({
    userId: user,
    afterMs: tiny.forwardMs.map(ms => Math.max(0, ms)),
    delayMs: fc.integer({ min: 0, max: disorderMs }),
    isTick: fc.nat({ max: 9 }).map(number => number === 9),
  })
  return fc
    .record({
      clicks: fc.array(click, { minLength: 1, maxLength: 40 }),
      lateness: pick('0', '10ms'),
    })
    .map(({ clicks, lateness }) => {
      let timestamp = 1000
      const items = clicks.map(({ userId, afterMs, delayMs, isTick }) => {
        timestamp += afterMs
        const line = isTick ? { tick: timestamp } : { userId, timestamp }
        return { text: JSON.stringify(line), arrival: timestamp + (isTick ? 0 : delayMs) }
      })
      const arrived = items.toSorted((one, other) => one.arrival - other.arrival)
      return {
        args: ['--gap=10ms', `--disorder=${disorderMs}ms`, `--lateness=${lateness}`, '--summary'],
        inOrder: items.map(item => item.text),
        shuffled: arrived.map(item => item.text),
      }
    })
}
