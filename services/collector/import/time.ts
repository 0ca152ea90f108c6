/** A time as files write it, in epoch ms. */
import { parseIsoTime } from '../../base/timestamp.ts'
import { type Dead, timeMsMax } from '../../log/record.ts'
import { dead } from './dead.ts'
import type { Zone } from './zone.ts'

export type TimeUnit = 'ms' | 's'

export interface FileTime {
  readonly kind: 'time'
  readonly timeMs: number
  /** The text named no zone, so the zone of the import was taken. */
  readonly zoneless: boolean
}

/** 1973 in ms: nothing older is meant in ms, so a smaller number is epoch seconds. */
const secondsBelow = 100_000_000_000

/** `column` is what complaints call it; `latestMs` is the end of what can have happened. */
export interface TimeRule {
  readonly column: string
  readonly unit: TimeUnit
  readonly zone: Zone
  readonly latestMs: number
}

/** ISO 8601 with or without zone, seconds or time of day; or a number of `unit`, as text too. */
export function readTime(value: unknown, rule: TimeRule): FileTime | Dead {
  const { column } = rule
  if (value === undefined || value === null || value === '')
    return dead('time', `${column}: missing`)
  if (typeof value === 'number') return bounded(fromNumber(value, rule), false, rule)
  if (typeof value !== 'string') return dead('time', `${column}: must be a time`)
  const text = value.trim().replace(/ ?UTC$/, 'Z')
  if (/^[+-]?\d+(\.\d+)?$/.test(text)) return bounded(fromNumber(Number(text), rule), false, rule)
  const zoned = parseIsoTime(text)
  if (!Number.isNaN(zoned)) return bounded(zoned, false, rule)
  const local = parseIsoTime(text.length === 10 ? `${text}T00:00Z` : `${text}Z`)
  return bounded(Number.isNaN(local) ? local : rule.zone.toUtcMs(local), true, rule)
}

function fromNumber(value: number, rule: TimeRule): number | Dead {
  if (rule.unit === 's') return Math.round(value * 1000)
  if (value >= 0 && value < secondsBelow)
    return dead('seconds', `${rule.column}: looks like epoch seconds; say --time-unit s if it is`)
  return Number.isInteger(value) ? value : Number.NaN
}

function bounded(timeMs: number | Dead, zoneless: boolean, rule: TimeRule): FileTime | Dead {
  if (typeof timeMs !== 'number') return timeMs
  if (Number.isNaN(timeMs))
    return dead('time', `${rule.column}: must be like 2024-03-13 10:21:14, or epoch ms`)
  if (timeMs < 0 || timeMs > timeMsMax)
    return dead('time', `${rule.column}: must lie in the years 1970 to 2099`)
  if (timeMs > rule.latestMs)
    return dead('future', `${rule.column}: lies in the future, and would carry the clock there`)
  return { kind: 'time', timeMs, zoneless }
}
