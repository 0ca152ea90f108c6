/** What shapes the result and may change by a Settings record. Times in ms. */
import { parseDuration } from '../../base/duration.ts'

const dayMs = 86_400_000

export interface Settings {
  readonly gapMs: number
  readonly disorderMs: number
  readonly latenessMs: number
  /** 0: no cap. */
  readonly sessionMsMax: number
  /** 0: no cap. */
  readonly clicksMax: number
  readonly skewMs: number
  /** Names of events that are no activity. */
  readonly serverEvents: ReadonlySet<string>
  /** The two guards of alert-rule 13 against missing clicks. */
  readonly guards: 'off' | 'on' | 'low-intake'
  /** The project's zone as [from ms, minutes east of UTC], ascending: the fold knows no zone database. */
  readonly zone: readonly (readonly [number, number])[]
}

export const defaultSettings: Settings = {
  gapMs: 1_800_000,
  disorderMs: 60_000,
  latenessMs: 3_600_000,
  sessionMsMax: 86_400_000,
  clicksMax: 10_000,
  skewMs: 300_000,
  serverEvents: new Set(),
  guards: 'off',
  zone: [],
}

const durationKeys = {
  gap: 'gapMs',
  disorder: 'disorderMs',
  lateness: 'latenessMs',
  'max-session': 'sessionMsMax',
  skew: 'skewMs',
} as const

const otherKeys = ['max-clicks', 'server-events', 'guards', 'zone']

/** The names of all settings, as they stand in flags and in Settings records. */
export const settingNames: readonly string[] = [...Object.keys(durationKeys), ...otherKeys]

/** `base` with the named values put in; a string says which key is wrong and how. */
export function changeSettings(
  base: Settings,
  values: Readonly<Record<string, unknown>>,
): Settings | string {
  const next: { -readonly [K in keyof Settings]: Settings[K] } = { ...base }
  for (const [key, value] of Object.entries(values)) {
    if (Object.hasOwn(durationKeys, key)) {
      const durationMs = parseDuration(value)
      if (durationMs === undefined) return `${key}: must be a duration such as 30m, 1h or 0`
      next[durationKeys[key as keyof typeof durationKeys]] = durationMs
    } else if (key === 'max-clicks') {
      const clicks = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value
      if (!Number.isSafeInteger(clicks) || Number(clicks) < 0)
        return 'max-clicks: must be a whole number, 0 for no cap'
      next.clicksMax = Number(clicks)
    } else if (key === 'server-events') {
      const names = typeof value === 'string' ? value.split(',').filter(name => name !== '') : value
      if (!Array.isArray(names) || !names.every(name => typeof name === 'string'))
        return 'server-events: must be names, separated by commas'
      next.serverEvents = new Set(names)
    } else if (key === 'guards') {
      if (value !== 'off' && value !== 'on' && value !== 'low-intake')
        return 'guards: must be off, on or low-intake'
      next.guards = value
    } else if (key === 'zone') {
      const fault = zoneFault(value)
      if (fault) return fault
      next.zone = value as [number, number][]
    } else return `${key}: is no setting; there are ${settingNames.join(', ')}`
  }
  return next
}

function zoneFault(value: unknown): string | undefined {
  const fault = 'zone: must be a list of [from ms, minutes east of UTC], ascending'
  if (!Array.isArray(value)) return fault
  let previousMs = Number.NEGATIVE_INFINITY
  for (const entry of value) {
    if (!Array.isArray(entry) || entry.length !== 2) return fault
    const [fromMs, minutes] = entry
    if (!Number.isSafeInteger(fromMs) || fromMs <= previousMs) return fault
    if (!Number.isSafeInteger(minutes) || Math.abs(minutes) > 1440) return fault
    previousMs = fromMs
  }
  return undefined
}

/** Days since 1970-01-01 in the project's zone. */
export function dayOf(settings: Settings, timeMs: number): number {
  const { zone } = settings
  let minutes = 0
  for (let at = zone.length - 1; at >= 0; at--) {
    if (zone[at]![0] <= timeMs) {
      minutes = zone[at]![1]
      break
    }
  }
  return Math.floor((timeMs + minutes * 60_000) / dayMs)
}

/** From the first ms up to the last and not with it. */
export interface TimeRange {
  readonly fromMs: number
  readonly untilMs: number
}

/** When that day is in the project's zone, ascending: mostly one range, more where a change of the clocks repeats a midnight. */
export function rangesOf({ zone }: Settings, day: number): TimeRange[] {
  const ranges: TimeRange[] = []
  const spans = [[Number.NEGATIVE_INFINITY, 0] as const, ...zone]
  for (const [at, [spanFromMs, minutes]] of spans.entries()) {
    const spanUntilMs = spans[at + 1]?.[0] ?? Number.POSITIVE_INFINITY
    const startMs = day * dayMs - minutes * 60_000
    const fromMs = Math.max(spanFromMs, startMs)
    const untilMs = Math.min(spanUntilMs, startMs + dayMs)
    if (fromMs < untilMs) ranges.push({ fromMs, untilMs })
  }
  return ranges
}
