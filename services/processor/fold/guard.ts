/**
 * The two guards of alert-rule 13: when clicks are missing rather than users, alert timers wait.
 * Counts are by the partition's clock; sessions never wait.
 */
export interface Guard {
  /** Timers wait until the clock is here (after a hole in the record times). */
  holdUntilMs: number
  /** The clock at the first record; NaN before it: what is known reaches back to here. */
  firstClockMs: number
  /** Accepted clicks of each of the last 60 minutes, at minute % 60; older ones are cleared on the way. */
  readonly minutes: number[]
  /** The newest minute that was counted or cleared. */
  minute: number
  /** Accepted clicks by hour of the clock, at hour % hours.length. */
  readonly hours: number[]
  hour: number
}

const minuteMs = 60_000
const hourMs = 3_600_000
const weekHours = 168
const weeks = 4
const hoursKept = weeks * weekHours + 2
const meanMin = 50
const holeMs = 60_000

export function createGuard(): Guard {
  return {
    holdUntilMs: Number.NEGATIVE_INFINITY,
    firstClockMs: Number.NaN,
    minutes: new Array<number>(60).fill(0),
    minute: -1,
    hours: new Array<number>(hoursKept).fill(0),
    hour: -1,
  }
}

/** The counts of a partition that is a share of the one they were made for. */
export function shareOfGuard(guard: Guard, share: number): Guard {
  return {
    ...guard,
    minutes: guard.minutes.map(count => count * share),
    hours: guard.hours.map(count => count * share),
  }
}

/** The clock moved: remembers a hole, and clears the minutes and hours that it passed. */
export function guardClock(
  guard: Guard,
  beforeMs: number,
  nowMs: number,
  latenessMs: number,
): void {
  if (Number.isNaN(guard.firstClockMs)) guard.firstClockMs = nowMs
  const gapMs = nowMs - beforeMs
  if (Number.isFinite(gapMs) && gapMs > holeMs)
    guard.holdUntilMs = Math.max(guard.holdUntilMs, nowMs + Math.min(gapMs, latenessMs))
  const minute = Math.floor(nowMs / minuteMs)
  guard.minute = clearUpTo(guard.minutes, guard.minute, minute)
  const hour = Math.floor(nowMs / hourMs)
  guard.hour = clearUpTo(guard.hours, guard.hour, hour)
}

/** Zeroes the places of a ring after `from` up to and with `to`. */
function clearUpTo(ring: number[], from: number, to: number): number {
  if (to <= from) return from
  const first = Math.max(from + 1, to - ring.length + 1)
  for (let at = first; at <= to; at++) ring[at % ring.length] = 0
  return to
}

export function guardAccepted(guard: Guard): void {
  if (guard.minute < 0) return
  guard.minutes[guard.minute % 60]!++
  guard.hours[guard.hour % hoursKept]!++
}

/** Clicks of the 60 minutes up to a time that lies `weeksBack` weeks before the clock, from hourly counts. */
function hourBefore(guard: Guard, clockMs: number, weeksBack: number): number {
  const part = (clockMs % hourMs) / hourMs
  const hour = guard.hour - weeksBack * weekHours
  const now = guard.hours[hour % hoursKept]!
  const before = guard.hours[(hour - 1) % hoursKept]!
  return now * part + before * (1 - part)
}

/** What the low-intake guard compares; `low` when timers wait for it. */
export interface Intake {
  readonly lastHour: number
  /** Mean of the same 60 minutes in the last 4 weeks; NaN while one of them is not known. */
  readonly usual: number
  readonly low: boolean
}

export function intakeOf(guard: Guard, clockMs: number): Intake {
  let lastHour = 0
  for (const count of guard.minutes) lastHour += count
  const oldestMs = clockMs - (weeks * weekHours + 1) * hourMs
  let usual = Number.NaN
  if (guard.firstClockMs <= oldestMs) {
    usual = 0
    for (let back = 1; back <= weeks; back++) usual += hourBefore(guard, clockMs, back) / weeks
  }
  return { lastHour, usual, low: usual >= meanMin && lastHour * 5 < usual }
}

/** Whether alert timers wait at this clock, and for what. */
export function guardHolds(
  guard: Guard,
  guards: 'off' | 'on' | 'low-intake',
  clockMs: number,
): 'hole' | 'low intake' | undefined {
  if (guards === 'off') return undefined
  if (guards === 'on' && clockMs < guard.holdUntilMs) return 'hole'
  return intakeOf(guard, clockMs).low ? 'low intake' : undefined
}
