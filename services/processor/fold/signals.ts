/** The signals of a user at a time: what pipe.md defines, from the facts of his state. */
import { activeDaysWithin, usualGapDays } from './days.ts'
import { ordersAt, valueAt } from './money.ts'
import { isBounce, partMs } from './session.ts'
import { dayOf, type Settings } from './settings.ts'
import type { User } from './state.ts'

const dayMs = 86_400_000
const churnMs = 25 * dayMs
const freshMs = 7 * dayMs

export type UserStateName = 'churned' | 'quiet' | 'slowing' | 'returned' | 'new' | 'active'

/** Null: unknown. Amounts in 1/10000. */
export interface Signals {
  readonly userId: string
  readonly firstSeen: number | null
  readonly lastSeen: number | null
  readonly lastPurchase: number | null
  readonly activeDays7: number | null
  readonly activeDays28: number | null
  readonly activeDays90: number | null
  readonly sessions: number
  readonly clicks: number
  readonly meanSessionMs: number | null
  readonly bounceShare: number | null
  readonly lastEvent: string | null
  readonly orders90: number | null
  readonly value90Minor: number | null
  readonly usualGapMs: number | null
  readonly quietRatio: number | null
  readonly tier: 'high' | null
  readonly state: UserStateName | null
}

/** Quiet time over usual gap; NaN where the gap is unknown. */
function quietRatioAt(user: User, timeMs: number, settings: Settings): number {
  const gapDays = usualGapDays(user.days, dayOf(settings, timeMs))
  return (timeMs - user.lastSeenMs) / (gapDays * dayMs)
}

export function stateAt(user: User, timeMs: number, settings: Settings): UserStateName {
  if (timeMs - user.lastPurchaseMs >= churnMs) return 'churned'
  const ratio = quietRatioAt(user, timeMs, settings)
  if (ratio > 3) return 'quiet'
  if (ratio > 1.5) return 'slowing'
  if (timeMs < user.returnedMs + freshMs) return 'returned'
  return timeMs < user.firstSeenMs + freshMs ? 'new' : 'active'
}

/** The signals at `timeMs`; -Infinity (no clock yet) makes unknown what needs one. */
export function signalsAt(user: User, timeMs: number, settings: Settings): Signals {
  const known = Number.isFinite(timeMs)
  const today = known ? dayOf(settings, timeMs) : Number.NaN
  const days = (window: number) =>
    known ? activeDaysWithin(user.days, today, window).length : null
  const gapDays = known ? usualGapDays(user.days, today) : Number.NaN
  const ratio = (timeMs - user.lastSeenMs) / (gapDays * dayMs)
  let sessionMsSum = user.sessionMsSum
  let { bounces } = user
  for (const session of user.open) {
    sessionMsSum += partMs(session)
    if (isBounce(session)) bounces++
  }
  return {
    userId: user.id,
    firstSeen: orNull(user.firstSeenMs),
    lastSeen: orNull(user.lastSeenMs),
    lastPurchase: orNull(user.lastPurchaseMs),
    activeDays7: days(7),
    activeDays28: days(28),
    activeDays90: days(90),
    sessions: user.sessions,
    clicks: user.clicks,
    meanSessionMs: user.sessions === 0 ? null : rounded(sessionMsSum / user.sessions),
    bounceShare: user.sessions === 0 ? null : rounded(bounces / user.sessions),
    lastEvent: Number.isNaN(user.lastSeenMs) ? null : user.lastEvent,
    orders90: known ? ordersAt(user.ledger, timeMs) : null,
    value90Minor: known ? valueAt(user.ledger, timeMs) : null,
    usualGapMs: Number.isNaN(gapDays) ? null : gapDays * dayMs,
    quietRatio: Number.isNaN(ratio) ? null : rounded(ratio),
    tier: user.activityHigh ? 'high' : null,
    state: known ? stateAt(user, timeMs, settings) : null,
  }
}

function orNull(value: number): number | null {
  return Number.isNaN(value) ? null : value
}

/** To 6 decimals. */
function rounded(value: number): number {
  return Math.round(value * 1e6) / 1e6
}
