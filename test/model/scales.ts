/**
 * How far apart things are in generated logs: `tiny` counts in gaps of 10 ms, `days` in days, for usual
 * gaps, expected silences and the windows of 90 days.
 */
import fc from 'fast-check'
import { dayMs } from './input.ts'

export type Fields = Record<string, unknown>

export type Scale = {
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

export const jitterMs = fc.constantFrom(0, 0, 0, -1, 1)
export const pick = <Item>(...items: Item[]) => fc.constantFrom(...items)
export const sum = (...parts: fc.Arbitrary<number>[]) =>
  fc.tuple(...parts).map(numbers => numbers.reduce((one, other) => one + other, 0))
export const flag = (name: string, ...values: (string | null)[]) =>
  pick(...values).map(value => (value === null ? [] : [name, value]))

export const tiny: Scale = {
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

export const days: Scale = {
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
