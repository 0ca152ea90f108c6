/**
 * fast-check arbitraries for logs that go where the rules turn: few users, times on and next to
 * multiples of the gap and of due times, disorder, late and repeated clicks, orders and refunds, ticks,
 * control lines, imports, small caps; on either scale.
 */
import fc from 'fast-check'
import { days, type Fields, flag, pick, type Scale, tiny } from './scales.ts'
import {
  audienceLine,
  clickStep,
  cutoffsLine,
  deadLine,
  eraseLine,
  importedStep,
  liveStep,
  modelLine,
  removedLine,
  repeatStep,
  revisitStep,
  ruleLine,
  type Step,
  still,
  tickStep,
  user,
  whenOf,
} from './steps.ts'

export type Log = { args: string[]; lines: string[] }

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
