/**
 * What `ebb pipe` reads, for the model: flags and lines (pipe.md, "In" and "Flags").
 * Written from the handbook alone; shares no code with services/, so that a slip there is not repeated here.
 */
import { readFileSync } from 'node:fs'

export const dayMs = 86_400_000
const timeMax = 4_102_444_800_000
const userIdBytesMax = 256

export type Settings = {
  gapMs: number
  disorderMs: number
  latenessMs: number
  /** 0: no cap. */
  maxSessionMs: number
  /** 0: no cap. */
  maxClicks: number
  skewMs: number
}

export type When =
  | { kind: 'quiet_for'; quietMs: number; since: 'activity' | 'purchase' }
  | { kind: 'expected'; goneAfterMs: number; probability: number; notBeforeMs: number }
  | { kind: 'quiet_ratio'; ratio: number }

export type Who =
  | { kind: 'everyone' }
  | { kind: 'tier' }
  | { kind: 'value'; atLeast: number }
  | { kind: 'segment'; segment: string }

export type Rule = {
  id: string
  when: When
  who: Who
  /** Total thresholds counted from `since`, as written. */
  escalateMs: number[]
  cooldownMs: number
  resolve: boolean
  maxAgeMs: number
  holdoutShare: number
}

export type Model = { r: number; alpha: number; a: number; b: number }
export type Cutoffs = { high: number; keep: number }

export type Flags = {
  settings: Settings
  clock: 'event' | 'arrival' | 'ticks' | 'log'
  serverEvents: string[]
  rules: Rule[]
  signals: boolean
  summary: boolean
  flush: boolean
}

export type Click = {
  line: number
  userId: string
  ts: number
  messageId: string
  /** False: the id is `line:<n>` and the click is never a duplicate. */
  hasMessageId: boolean
  receivedAt: number | null
  logTime: number | null
  imported: boolean
  type: string
  event: string
  properties: Record<string, unknown>
}

export type Line =
  | { kind: 'blank' }
  | { kind: 'dead'; reason: string }
  | { kind: 'click'; click: Click }
  | { kind: 'tick'; time: number }
  | { kind: 'live'; time: number }
  | { kind: 'rule'; rule: Rule }
  | { kind: 'removed'; id: string }
  | { kind: 'cutoffs'; cutoffs: Cutoffs }
  | { kind: 'model'; model: Model }
  | { kind: 'audience'; userId: string; segments: string[] }
  | { kind: 'settings'; settings: Partial<Settings> }
  | { kind: 'erase'; userId: string }

/** Why a line is dead. */
class Dead extends Error {}

type Fields = Record<string, unknown>

const unitMs: Fields = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: dayMs }

function durationOf(value: unknown, path: string): number {
  if (value === '0' || value === 0) return 0
  const match = typeof value === 'string' ? /^(\d+)(ms|s|m|h|d)$/.exec(value) : null
  if (!match) throw new Dead(`${path} is not a duration`)
  return Number(match[1]) * (unitMs[match[2]!] as number)
}

function timeOf(value: unknown, path: string): number {
  const iso = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)$/
  const time = typeof value === 'string' && iso.test(value) ? Date.parse(value) : value
  if (typeof time !== 'number' || !Number.isInteger(time) || time < 0 || time > timeMax)
    throw new Dead(`${path} is not a time`)
  return time
}

function userIdOf(value: unknown, path: string): string {
  if (typeof value !== 'string' || value === '' || Buffer.byteLength(value) > userIdBytesMax)
    throw new Dead(`${path} is not a user id`)
  return value
}

function fieldsOf(value: unknown, path: string, allowed?: string[]): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Dead(`${path} is not an object`)
  for (const key of Object.keys(value))
    if (allowed && !allowed.includes(key)) throw new Dead(`${path}.${key} is unknown`)
  return value as Fields
}

function numberOf(value: unknown, path: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new Dead(`${path} is no number`)
  return value
}

/**
 * Decimals of the currency in, integers of 1e-4 inside, halves away from zero (pipe.md, Purchases). Worked on the
 * decimal digits, so that 1.00005 is a half although no double is exactly that.
 */
export function amountOf(value: unknown): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0) return 0
  const [mantissa, exponent] = String(value).split('e')
  const [whole, fraction] = mantissa!.split('.')
  const digits = BigInt(whole! + (fraction ?? ''))
  const power = 4 - (fraction ?? '').length + Number(exponent ?? 0)
  if (power >= 0) return Number(digits * 10n ** BigInt(power))
  const divisor = 10n ** BigInt(-power)
  return Number((digits + divisor / 2n) / divisor)
}

function whenOf(value: unknown): When {
  const when = fieldsOf(value, 'rule.when')
  if ('quiet_for' in when) {
    fieldsOf(value, 'rule.when', ['quiet_for', 'since'])
    const since = when.since ?? 'activity'
    if (since !== 'activity' && since !== 'purchase') throw new Dead('rule.when.since')
    return { kind: 'quiet_for', quietMs: durationOf(when.quiet_for, 'rule.when.quiet_for'), since }
  }
  if ('expected' in when) {
    fieldsOf(value, 'rule.when', ['expected'])
    const keys = ['gone_after', 'probability', 'not_before']
    const expected = fieldsOf(when.expected, 'rule.when.expected', keys)
    return {
      kind: 'expected',
      goneAfterMs: durationOf(expected.gone_after, 'rule.when.expected.gone_after'),
      probability: numberOf(expected.probability, 'rule.when.expected.probability'),
      notBeforeMs: durationOf(expected.not_before, 'rule.when.expected.not_before'),
    }
  }
  fieldsOf(value, 'rule.when', ['quiet_ratio'])
  return { kind: 'quiet_ratio', ratio: numberOf(when.quiet_ratio, 'rule.when.quiet_ratio') }
}

function whoOf(value: unknown): Who {
  if (value === undefined) return { kind: 'everyone' }
  const who = fieldsOf(value, 'rule.who', ['tier', 'value_90d', 'segment'])
  if ('tier' in who) {
    if (who.tier !== 'high') throw new Dead('rule.who.tier')
    return { kind: 'tier' }
  }
  if ('value_90d' in who) {
    const bound = fieldsOf(who.value_90d, 'rule.who.value_90d', ['at_least'])
    return {
      kind: 'value',
      atLeast: amountOf(numberOf(bound.at_least, 'rule.who.value_90d.at_least')),
    }
  }
  if (typeof who.segment !== 'string') throw new Dead('rule.who.segment')
  return { kind: 'segment', segment: who.segment }
}

function ruleOf(value: unknown): Rule {
  const rule = fieldsOf(value, 'rule', ['id', 'when', 'who', 'then', 'holdout'])
  if (typeof rule.id !== 'string' || rule.id === '') throw new Dead('rule.id')
  const thenKeys = ['escalate', 'cooldown', 'resolve', 'max_age']
  const then = fieldsOf(rule.then ?? {}, 'rule.then', thenKeys)
  const escalate = then.escalate ?? []
  if (!Array.isArray(escalate)) throw new Dead('rule.then.escalate')
  const resolve = then.resolve ?? true
  if (typeof resolve !== 'boolean') throw new Dead('rule.then.resolve')
  const holdout = /^(\d+(?:\.\d+)?)%$/.exec(String(rule.holdout ?? '0%'))
  if (!holdout) throw new Dead('rule.holdout')
  return {
    id: rule.id,
    when: whenOf(rule.when),
    who: whoOf(rule.who),
    escalateMs: escalate.map((item, index) => durationOf(item, `rule.then.escalate.${index}`)),
    cooldownMs: durationOf(then.cooldown ?? 0, 'rule.then.cooldown'),
    resolve,
    maxAgeMs: durationOf(then.max_age ?? '1d', 'rule.then.max_age'),
    holdoutShare: Number(holdout[1]) / 100,
  }
}

const settingNames: Record<string, keyof Settings> = {
  gap: 'gapMs',
  disorder: 'disorderMs',
  lateness: 'latenessMs',
  'max-session': 'maxSessionMs',
  'max-clicks': 'maxClicks',
  skew: 'skewMs',
}

function settingOf(name: string, value: unknown): Partial<Settings> {
  const key = settingNames[name]
  if (!key) throw new Dead(`settings.${name} is unknown`)
  if (key !== 'maxClicks') return { [key]: durationOf(value, `settings.${name}`) }
  const clicks = Number(value)
  if (!Number.isInteger(clicks) || clicks < 0) throw new Dead('settings.max-clicks')
  return { maxClicks: clicks }
}

function clickOf(fields: Fields, line: number): Click {
  const userId =
    fields.userId === undefined || fields.userId === null
      ? userIdOf(fields.anonymousId, 'anonymousId')
      : userIdOf(fields.userId, 'userId')
  const optionalTime = (name: string) =>
    fields[name] === undefined || fields[name] === null ? null : timeOf(fields[name], name)
  const name = fields.event ?? fields.name
  const properties = fields.properties
  return {
    line,
    userId,
    ts: timeOf(fields.timestamp, 'timestamp'),
    messageId: typeof fields.messageId === 'string' ? fields.messageId : `line:${line}`,
    hasMessageId: typeof fields.messageId === 'string',
    receivedAt: optionalTime('receivedAt'),
    logTime: optionalTime('logTime'),
    imported: fields.imported === true,
    type: typeof fields.type === 'string' ? fields.type : 'track',
    event: typeof name === 'string' ? name : '',
    properties: typeof properties === 'object' && properties !== null ? (properties as Fields) : {},
  }
}

function controlOf(fields: Fields): Line | null {
  if ('tick' in fields) return { kind: 'tick', time: timeOf(fields.tick, 'tick') }
  if ('live' in fields) return { kind: 'live', time: timeOf(fields.live, 'live') }
  if ('rule' in fields) {
    const rule = fieldsOf(fields.rule, 'rule')
    if (rule.removed === true) {
      if (typeof rule.id !== 'string' || rule.id === '') throw new Dead('rule.id')
      return { kind: 'removed', id: rule.id }
    }
    return { kind: 'rule', rule: ruleOf(rule) }
  }
  if ('cutoffs' in fields) {
    const { high, keep } = fieldsOf(fields.cutoffs, 'cutoffs', ['high', 'keep'])
    const highAmount = amountOf(numberOf(high, 'cutoffs.high'))
    const keepAmount = keep === undefined ? highAmount : amountOf(numberOf(keep, 'cutoffs.keep'))
    return { kind: 'cutoffs', cutoffs: { high: highAmount, keep: keepAmount } }
  }
  if ('model' in fields) {
    const model = fieldsOf(fields.model, 'model', ['r', 'alpha', 'a', 'b'])
    const one = (name: string) => numberOf(model[name], `model.${name}`)
    return { kind: 'model', model: { r: one('r'), alpha: one('alpha'), a: one('a'), b: one('b') } }
  }
  if ('audience' in fields) {
    const keys = ['userId', 'segments', 'scores']
    const audience = fieldsOf(fields.audience, 'audience', keys)
    const segments = audience.segments ?? []
    if (!Array.isArray(segments)) throw new Dead('audience.segments')
    const userId = userIdOf(audience.userId, 'audience.userId')
    return { kind: 'audience', userId, segments: segments.map(String) }
  }
  if ('settings' in fields) {
    const settings: Partial<Settings> = {}
    for (const [name, value] of Object.entries(fieldsOf(fields.settings, 'settings')))
      Object.assign(settings, settingOf(name, value))
    return { kind: 'settings', settings }
  }
  if ('erase' in fields) {
    const erase = fieldsOf(fields.erase, 'erase', ['userId'])
    return { kind: 'erase', userId: userIdOf(erase.userId, 'erase.userId') }
  }
  return null
}

/** One physical line; n counts from 1. */
export function lineOf(text: string, n: number): Line {
  if (text.trim() === '') return { kind: 'blank' }
  try {
    let parsed: unknown
    try {
      parsed = JSON.parse(text)
    } catch {
      throw new Dead('not JSON')
    }
    const fields = fieldsOf(parsed, 'line')
    return controlOf(fields) ?? { kind: 'click', click: clickOf(fields, n) }
  } catch (error) {
    if (error instanceof Dead) return { kind: 'dead', reason: error.message }
    throw error
  }
}

function rulesOf(text: string): Rule[] {
  try {
    const parsed: unknown = JSON.parse(text)
    return (Array.isArray(parsed) ? parsed : [parsed]).map(ruleOf)
  } catch (error) {
    if (error instanceof Dead) throw error
    const lines = text.split('\n').filter(line => line.trim() !== '')
    return lines.map(line => ruleOf(JSON.parse(line)))
  }
}

/** `--name value` and `--name=value`. Unknown flags are the business of the command, not of the model. */
export function flagsOf(args: string[]): Flags {
  const flags: Flags = {
    settings: {
      gapMs: 30 * 60_000,
      disorderMs: 60_000,
      latenessMs: 3_600_000,
      maxSessionMs: dayMs,
      maxClicks: 10_000,
      skewMs: 5 * 60_000,
    },
    clock: 'event',
    serverEvents: [],
    rules: [],
    signals: false,
    summary: false,
    flush: true,
  }
  const words = args.flatMap(word => {
    const equals = word.startsWith('--') ? word.indexOf('=') : -1
    return equals < 0 ? [word] : [word.slice(0, equals), word.slice(equals + 1)]
  })
  while (words.length > 0) {
    const name = words.shift()!.slice(2)
    if (name === 'signals') flags.signals = true
    else if (name === 'summary') flags.summary = true
    else if (name === 'no-flush') flags.flush = false
    else {
      const value = words.shift()!
      if (name === 'clock') flags.clock = value as Flags['clock']
      else if (name === 'server-events') flags.serverEvents = value.split(',')
      else if (name === 'rules') flags.rules = rulesOf(readFileSync(value, 'utf8'))
      else if (name === 'guards') continue
      else Object.assign(flags.settings, settingOf(name, value))
    }
  }
  return flags
}
