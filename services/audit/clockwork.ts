/**
 * Which settings held for a click, as SQL: gap, caps, lateness, zone and server events may change in the middle
 * of a log, and each row is judged by those of its own place in it.
 */
import { defaultSettings, type Settings } from '../processor/fold/settings.ts'
import { quoted } from '../store/rows.ts'
import type { SettingsSpan } from './refold.ts'
import { lowestMs } from './source.ts'

/** Settings that shape what is audited; the other ones are left out. */
type Regime = Pick<
  Settings,
  'gapMs' | 'sessionMsMax' | 'clicksMax' | 'disorderMs' | 'latenessMs' | 'serverEvents' | 'zone'
>

export interface Clockwork {
  /** SQL: the number of the regime of a row with the columns partition and ord; 0: unknown. */
  readonly regime: string
  /** SQL over `regime`: the session gap in ms. */
  readonly gapMs: string
  readonly clicksMax: string
  readonly sessionMsMax: string
  /** SQL over `regime` and `name`: whether the event is listed as one of the server's. */
  readonly isServerEvent: string
  /** SQL over regime, partition, ord and clock_ms: the late bound of a row. */
  readonly boundMs: string
  /** SQL: the day of a time in ms, in the project's zone at `regime`. */
  day(timeMs: string): string
  readonly gapMsMax: number
  /** SQL over `regime`: equal where gap and caps are equal; 0: unknown. */
  readonly shape: string
  /** Gap and caps never changed: no session lies across a change. */
  readonly isSteady: boolean
}

/** Above any epoch and offset: tells the partitions apart in one number, which a double cannot hold. */
const partitionUnit = 2n ** 50n

export function clockworkOf(spans: readonly SettingsSpan[]): Clockwork {
  const regimes: Regime[] = []
  const kept: { partition: number; order: number; regime: number; boundMs: number }[] = []
  for (const { partition, order, settings, boundMs } of sorted(spans)) {
    const regime = settings ? placeOf(regimes, settings) : 0
    const last = kept.at(-1)
    if (last?.regime === regime && last.partition === partition) continue
    kept.push({ partition, order, regime, boundMs })
  }
  // Where nothing is known SQL still wants a list; no row is of this regime.
  if (regimes.length === 0) placeOf(regimes, defaultSettings)
  const isOne = regimes.length === 1 && kept.every(span => span.regime === 1)
  const keyOf = (span: (typeof kept)[number]) =>
    `toUInt64(${BigInt(span.partition) * partitionUnit + BigInt(span.order)})`
  const keys = `[${kept.map(keyOf).join(', ')}]`
  const span = `arrayLastIndex(key -> key <= partition * toUInt64(${partitionUnit}) + ord, ${keys})`
  const list = (values: readonly number[]) =>
    `[${values.map(value => `toInt64(${value})`).join(', ')}]`
  const of = (numberOf: (regime: Regime) => number) => `${list(regimes.map(numberOf))}[regime]`
  const spanRegimes = list(kept.map(({ regime }) => regime))
  const floors = list(kept.map(({ boundMs }) => (Number.isFinite(boundMs) ? boundMs : lowestMs)))
  const lagMs = of(({ disorderMs, latenessMs }) => disorderMs + latenessMs)
  const shapes = shapesOf(regimes)
  return {
    regime: isOne ? '1' : `${spanRegimes}[${span}]`,
    gapMs: of(({ gapMs }) => gapMs),
    clicksMax: of(({ clicksMax }) => clicksMax),
    sessionMsMax: of(({ sessionMsMax }) => sessionMsMax),
    isServerEvent: `has(${namesOf(regimes)}[regime], name)`,
    boundMs: isOne ? `(clock_ms - ${lagMs})` : `greatest(${floors}[${span}], clock_ms - ${lagMs})`,
    day: timeMs => `intDiv(${timeMs} + 60000 * (${minutesOf(regimes, timeMs)}), 86400000)`,
    gapMsMax: Math.max(0, ...regimes.map(({ gapMs }) => gapMs)),
    shape: `${list(shapes)}[regime]`,
    isSteady: shapes.every(shape => shape === 1) && kept.every(({ regime }) => regime > 0),
  }
}

function sorted(spans: readonly SettingsSpan[]): SettingsSpan[] {
  return [...spans].sort((a, b) => a.partition - b.partition || a.order - b.order)
}

/** The regime's number, from 1 on. */
function placeOf(regimes: Regime[], settings: Settings): number {
  const { gapMs, sessionMsMax, clicksMax, disorderMs, latenessMs, serverEvents, zone } = settings
  const regime = { gapMs, sessionMsMax, clicksMax, disorderMs, latenessMs, serverEvents, zone }
  const text = textOf(regime)
  const found = regimes.findIndex(other => textOf(other) === text)
  return found >= 0 ? found + 1 : regimes.push(regime)
}

/** The number of the first regime with the same gap and caps. */
function shapesOf(regimes: readonly Regime[]): number[] {
  const shapeOf = ({ gapMs, clicksMax, sessionMsMax }: Regime) =>
    `${gapMs} ${clicksMax} ${sessionMsMax}`
  return regimes.map(regime => 1 + regimes.findIndex(other => shapeOf(other) === shapeOf(regime)))
}

function textOf(regime: Regime): string {
  return JSON.stringify({ ...regime, serverEvents: [...regime.serverEvents].sort() })
}

function namesOf(regimes: readonly Regime[]): string {
  const lists = regimes.map(({ serverEvents }) => `[${[...serverEvents].map(quoted).join(', ')}]`)
  return `CAST([${lists.join(', ')}], 'Array(Array(String))')`
}

/** Minutes east of UTC at that time. */
function minutesOf(regimes: readonly Regime[], timeMs: string): string {
  if (regimes.every(({ zone }) => zone.length === 0)) return '0'
  const each = regimes.map(({ zone }) => {
    const entries = [...zone]
      .reverse()
      .map(([fromMs, minutes]) => `${timeMs} >= ${fromMs}, ${minutes}`)
    return entries.length === 0 ? 'toInt64(0)' : `toInt64(multiIf(${entries.join(', ')}, 0))`
  })
  return `[${each.join(', ')}][regime]`
}
