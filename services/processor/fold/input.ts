/** Control records from what people and logs write, checked: what the fold takes is right by then. */
import { isObject, parseTime, timeRule, userIdFault } from '../../log/segment.ts'
import type { FoldControl } from './control.ts'
import { type Model, modelFault } from './expected.ts'
import { amountMax, toMinor } from './money.ts'
import { parseRule, RuleFault } from './rule.ts'
import { changeSettings, defaultSettings } from './settings.ts'
import { parseStanding } from './standing.ts'

/** A control record with the time it says, NaN where it says none; or what is wrong with it. */
export type Parsed = { readonly control: FoldControl; readonly timeMs: number } | string

export const controlKeys = [
  'tick',
  'live',
  'rule',
  'cutoffs',
  'model',
  'audience',
  'settings',
  'erase',
  'standing',
] as const
export type ControlKey = (typeof controlKeys)[number]

const noTime = Number.NaN

/** One control record by its key, e.g. `rule`, and value; `revision` NaN applies in any case. */
export function parseControl(key: ControlKey, value: unknown, revision: number): Parsed {
  switch (key) {
    case 'tick':
    case 'live':
      return parseTimed(key, value)
    case 'rule':
      return parseRuleControl(value, revision)
    case 'cutoffs':
      return parseCutoffs(value, revision)
    case 'model': {
      if (!isObject(value)) return 'model: must be an object'
      const fault = unknownKey('model', value, ['r', 'alpha', 'a', 'b']) ?? modelFault(value)
      if (fault) return fault.startsWith('model') ? fault : `model.${fault}`
      const { r, alpha, a, b } = value as unknown as Model
      return { control: { kind: 'model', revision, model: { r, alpha, a, b } }, timeMs: noTime }
    }
    case 'settings': {
      if (!isObject(value)) return 'settings: must be an object'
      const changed = changeSettings(defaultSettings, value)
      if (typeof changed === 'string') return `settings.${changed}`
      return { control: { kind: 'settings', revision, values: value }, timeMs: noTime }
    }
    case 'audience':
      return parseAudience(value)
    case 'standing': {
      const control = parseStanding(value)
      return typeof control === 'string' ? control : { control, timeMs: noTime }
    }
    case 'erase': {
      if (!isObject(value)) return 'erase: must be an object'
      const fault = userIdFault(value.userId)
      if (fault) return `erase.userId: ${fault}`
      return { control: { kind: 'erase', userId: value.userId as string }, timeMs: noTime }
    }
  }
}

function parseTimed(key: 'tick' | 'live', value: unknown): Parsed {
  const timeMs = parseTime(value)
  return Number.isNaN(timeMs) ? `${key}: ${timeRule}` : { control: { kind: key }, timeMs }
}

function unknownKey(
  path: string,
  value: Readonly<Record<string, unknown>>,
  keys: readonly string[],
): string | undefined {
  const unknown = Object.keys(value).find(key => !keys.includes(key))
  return unknown && `${path}.${unknown}: is unknown here; there are ${keys.join(', ')}`
}

function parseRuleControl(value: unknown, revision: number): Parsed {
  try {
    return { control: { kind: 'rule', revision, rule: parseRule(value) }, timeMs: noTime }
  } catch (error) {
    if (error instanceof RuleFault) return `rule.${error.message}`
    throw error
  }
}

function isAmount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}

function parseCutoffs(value: unknown, revision: number): Parsed {
  if (!isObject(value)) return 'cutoffs: must be an object'
  const fault = unknownKey('cutoffs', value, ['high', 'keep'])
  if (fault) return fault
  const { high } = value
  const keep = value.keep ?? high
  if (!isAmount(high)) return 'cutoffs.high: must be a number from 0 on'
  if (!isAmount(keep) || keep > high) return 'cutoffs.keep: must be a number from 0 to high'
  const control = {
    kind: 'cutoffs',
    revision,
    // A value may be more than any amount is: beyond it toMinor would make it 0, and everybody high.
    highMinor: toMinor(Math.min(high, amountMax)),
    keepMinor: toMinor(Math.min(keep, amountMax)),
  } as const
  return { control, timeMs: noTime }
}

function parseAudience(value: unknown): Parsed {
  if (!isObject(value)) return 'audience: must be an object'
  const unknown = unknownKey('audience', value, ['userId', 'segments', 'scores'])
  if (unknown) return unknown
  const fault = userIdFault(value.userId)
  if (fault) return `audience.userId: ${fault}`
  const segments = value.segments ?? []
  if (!Array.isArray(segments) || !segments.every(segment => typeof segment === 'string'))
    return 'audience.segments: must be a list of names'
  const scores = value.scores ?? {}
  if (!isObject(scores) || !Object.values(scores).every(score => Number.isFinite(score)))
    return 'audience.scores: must be numbers by name'
  const control = {
    kind: 'audience',
    userId: value.userId as string,
    segments,
    scores: scores as Record<string, number>,
  } as const
  return { control, timeMs: noTime }
}
