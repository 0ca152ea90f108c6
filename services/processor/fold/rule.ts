/** An alert rule as people write it, read strictly: a typo is named with its path, never ignored. */
import { parseDuration } from '../../base/duration.ts'
import { toMinor } from './money.ts'

export type When =
  | { readonly kind: 'quiet'; readonly quietForMs: number; readonly since: SinceKind }
  | {
      readonly kind: 'expected'
      readonly goneAfterMs: number
      readonly probability: number
      readonly notBeforeMs: number
    }
  | { readonly kind: 'ratio'; readonly ratio: number }

/** What begins a silence: the last activity, or the last purchase. */
export type SinceKind = 'activity' | 'purchase'

export type Who =
  | { readonly kind: 'everyone' }
  | { readonly kind: 'tier' }
  | { readonly kind: 'value'; readonly atLeastMinor: number }
  | { readonly kind: 'segment'; readonly segment: string }

export interface Rule {
  readonly id: string
  /** 1 + the changes of meaning (when, who) and removals so far. */
  readonly version: number
  readonly removed: boolean
  readonly when: When
  readonly who: Who
  /** Total thresholds from `since`, ascending. */
  readonly escalateMs: readonly number[]
  readonly cooldownMs: number
  readonly resolve: boolean
  readonly maxAgeMs: number
  /** The share of users in the control group, 0 .. 1. */
  readonly holdout: number
}

/** A rule's text as read: what it says, or that it goes. */
export type RuleText =
  | { readonly removed: true; readonly id: string }
  | ({ readonly removed: false } & Omit<Rule, 'version' | 'removed'>)

export function sinceKindOf(when: When): SinceKind {
  return when.kind === 'expected' || (when.kind === 'quiet' && when.since === 'purchase')
    ? 'purchase'
    : 'activity'
}

/** The rule's next version when `text` comes after `held`: it grows with the meaning, not with the text. */
export function nextRule(held: Rule | undefined, text: RuleText): Rule | undefined {
  if (text.removed)
    return held && !held.removed ? { ...held, removed: true, version: held.version + 1 } : held
  const changed =
    held && !held.removed && (!sameJson(held.when, text.when) || !sameJson(held.who, text.who))
  return { ...text, version: (held?.version ?? 1) + (changed ? 1 : 0) }
}

/** Equal meaning: both are made by this file, so their keys stand in one order. */
function sameJson(left: unknown, right: unknown): boolean {
  return JSON.stringify(left) === JSON.stringify(right)
}

export class RuleFault extends Error {}

function fault(path: string, message: string): never {
  throw new RuleFault(`${path}: ${message}`)
}

type Json = Readonly<Record<string, unknown>>

function object(path: string, value: unknown, keys: readonly string[]): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    fault(path, 'must be an object')
  for (const key of Object.keys(value))
    if (!keys.includes(key))
      fault(
        path === 'rule' ? key : `${path}.${key}`,
        `is unknown here; there are ${keys.join(', ')}`,
      )
  return value as Json
}

function duration(path: string, value: unknown): number {
  return parseDuration(value) ?? fault(path, 'must be a duration such as 90m, 12h or 7d')
}

function number(path: string, value: unknown, low: number, high: number): number {
  if (typeof value === 'number' && value >= low && value <= high) return value
  return fault(path, `must be a number from ${low} to ${high}`)
}

/** The single key of a choice such as `who`. */
function choice(
  path: string,
  value: unknown,
  keys: readonly string[],
  needed: readonly string[],
): Json {
  const json = object(path, value, keys)
  const chosen = needed.filter(key => json[key] !== undefined)
  if (chosen.length !== 1) fault(path, `must have exactly one of ${needed.join(', ')}`)
  return json
}

function parseWhen(value: unknown): When {
  const kinds = ['quiet_for', 'expected', 'quiet_ratio']
  const json = choice('when', value, [...kinds, 'since'], kinds)
  if (json.since !== undefined && json.quiet_for === undefined)
    fault('when.since', 'goes with quiet_for alone')
  if (json.quiet_for !== undefined) {
    const since = json.since ?? 'activity'
    if (since !== 'activity' && since !== 'purchase')
      fault('when.since', 'must be activity or purchase')
    return { kind: 'quiet', quietForMs: duration('when.quiet_for', json.quiet_for), since }
  }
  if (json.quiet_ratio !== undefined)
    return { kind: 'ratio', ratio: number('when.quiet_ratio', json.quiet_ratio, 0, 1e6) }
  const keys = ['gone_after', 'probability', 'not_before']
  const expected = object('when.expected', json.expected, keys)
  return {
    kind: 'expected',
    goneAfterMs: duration('when.expected.gone_after', expected.gone_after),
    probability: number('when.expected.probability', expected.probability, 0, 1),
    notBeforeMs: duration('when.expected.not_before', expected.not_before ?? 0),
  }
}

function parseWho(value: unknown): Who {
  if (value === undefined) return { kind: 'everyone' }
  const kinds = ['tier', 'value_90d', 'segment']
  const json = choice('who', value, kinds, kinds)
  if (json.tier !== undefined)
    return json.tier === 'high' ? { kind: 'tier' } : fault('who.tier', 'must be high')
  if (json.segment !== undefined) {
    if (typeof json.segment !== 'string' || json.segment === '')
      fault('who.segment', 'must be a name')
    return { kind: 'segment', segment: json.segment }
  }
  const atLeast = object('who.value_90d', json.value_90d, ['at_least']).at_least
  return {
    kind: 'value',
    atLeastMinor: toMinor(number('who.value_90d.at_least', atLeast, 0, 9e11)),
  }
}

/** A message lists the steps it stands for: this keeps it small. */
const stepsMax = 100

function parseEscalate(value: unknown): number[] {
  if (value === undefined) return []
  if (!Array.isArray(value) || value.length > stepsMax)
    fault('then.escalate', `must be a list of at most ${stepsMax} durations`)
  const steps = value.map((step, at) => duration(`then.escalate.${at}`, step))
  return [...new Set(steps)].sort((left, right) => left - right)
}

function parseHoldout(value: unknown): number {
  if (value === undefined) return 0
  if (typeof value === 'number') return number('holdout', value, 0, 1)
  const match = typeof value === 'string' ? /^(\d{1,3}(?:\.\d+)?)%$/.exec(value) : null
  const share = match ? Number(match[1]) / 100 : Number.NaN
  return share <= 1 ? share : fault('holdout', 'must be a share such as 10%')
}

function flag(path: string, value: unknown, otherwise: boolean): boolean {
  if (value === undefined) return otherwise
  return typeof value === 'boolean' ? value : fault(path, 'must be true or false')
}

/** Reads one rule; throws RuleFault with the path of the first key that is wrong. */
export function parseRule(value: unknown): RuleText {
  const json = object('rule', value, ['id', 'when', 'who', 'then', 'holdout', 'removed'])
  const { id } = json
  if (typeof id !== 'string' || id === '' || !id.isWellFormed() || id.length > 256)
    fault('id', 'must be a name of at most 256 characters')
  if (flag('removed', json.removed, false)) return { removed: true, id }
  if (json.when === undefined) fault('when', 'is missing')
  const keys = ['escalate', 'cooldown', 'resolve', 'max_age']
  const then = json.then === undefined ? {} : object('then', json.then, keys)
  return {
    removed: false,
    id,
    when: parseWhen(json.when),
    who: parseWho(json.who),
    escalateMs: parseEscalate(then.escalate),
    cooldownMs: duration('then.cooldown', then.cooldown ?? 0),
    resolve: flag('then.resolve', then.resolve, true),
    maxAgeMs: duration('then.max_age', then.max_age ?? '1d'),
    holdout: parseHoldout(json.holdout),
  }
}
