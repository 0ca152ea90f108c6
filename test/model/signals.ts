/** The lines of `--signals` (pipe.md, "Signals"), worked out from the whole history at the end. */
import {
  type Activity,
  activeDays,
  dayOf,
  type History,
  isHigh,
  lastOf,
  usualGapMs,
  valueAt,
} from './history.ts'
import { type Cutoffs, dayMs } from './input.ts'
import { readings } from './readings.ts'
import { idOfSession, type Session, sessionsOf } from './sessions.ts'

const churnedAfterMs = 25 * dayMs
const returnedForMs = 7 * dayMs
const newForMs = 7 * dayMs

const round6 = (value: number | null) =>
  value === null ? null : Math.round(value * 1_000_000) / 1_000_000

const quietRatio = (seen: number, t: number, usualMs: number | null) =>
  usualMs === null ? null : (t - seen) / usualMs

/** Had a purchase, none in (t - 25 d, t]. */
const isChurned = (lastPurchase: number | null, t: number) =>
  lastPurchase !== null && t - lastPurchase >= churnedAfterMs

const isQuiet = (seen: number, t: number, usualMs: number | null) =>
  (quietRatio(seen, t, usualMs) ?? 0) > 3

/**
 * An activity "that ended quiet or churned": the user was in one of the two just before it, and it
 * ended it: any activity ends quiet, a purchase ends churned. What came before is what had come before
 * (or, the other reading, what is of earlier event time).
 */
function endedSilence(history: History, activity: Activity): boolean {
  const { ts, line } = activity
  const isBefore = (one: Activity) =>
    readings.returned === 'arrival'
      ? one.at < activity.at
      : one.ts < ts || (one.ts === ts && one.line < line)
  const before = { ...history, activities: history.activities.filter(isBefore) }
  const seen = lastOf(before, 'activity')
  if (seen === null) return false
  if (isChurned(lastOf(before, 'purchase'), ts)) return activity.isPurchase
  return isQuiet(seen, ts, usualGapMs(before.activities, ts))
}

function stateOf(history: History, t: number): string {
  const seen = lastOf(history, 'activity')!
  const usualMs = usualGapMs(history.activities, t)
  if (isChurned(lastOf(history, 'purchase'), t)) return 'churned'
  if (isQuiet(seen, t, usualMs)) return 'quiet'
  if ((quietRatio(seen, t, usualMs) ?? 0) > 1.5) return 'slowing'
  const isReturned = history.activities.some(
    activity => t - activity.ts < returnedForMs && endedSilence(history, activity),
  )
  if (isReturned) return 'returned'
  const firstSeen = Math.min(...history.activities.map(activity => activity.ts))
  return t - firstSeen < newForMs ? 'new' : 'active'
}

/** Of each session that is counted: how long it lasted and whether it was one click only. */
function durationsOf(sessions: Session[]): { durationMs: number; isBounce: boolean }[] {
  const ids = [...new Set(sessions.map(idOfSession))]
  return ids.map(id => {
    const parts = sessions.filter(session => idOfSession(session) === id)
    const partsMs = parts.reduce((total, { start, end }) => total + end - start, 0)
    const start = Math.min(...parts.map(part => part.start))
    const end = Math.max(...parts.map(part => part.end))
    const clicks = parts.reduce((total, part) => total + part.clicks.length, 0)
    return {
      durationMs: readings.cutSession === 'whole' ? end - start : partsMs,
      isBounce: (readings.cutSession === 'whole' ? clicks : parts[0]!.clicks.length) === 1,
    }
  })
}

/** Null: a user without any activity has no line. */
export function userLine(
  history: History,
  t: number,
  cutoffsLog: { at: number; cutoffs: Cutoffs }[],
): string | null {
  if (history.activities.length === 0) return null
  const sorted = [...history.activities].sort((a, b) => a.ts - b.ts || a.line - b.line)
  const lastSeen = sorted.at(-1)!.ts
  const today = dayOf(t)
  const daysOfLast = (days: number) =>
    activeDays(history).filter(day => day > today - days && day <= today).length
  const sessions = durationsOf(sessionsOf(history.userId, history.sessions))
  const count = sessions.length
  const durationMs = sessions.reduce((total, session) => total + session.durationMs, 0)
  const bounces = sessions.filter(session => session.isBounce).length
  const usualMs = usualGapMs(history.activities, t)
  return JSON.stringify({
    user: {
      userId: history.userId,
      firstSeen: sorted[0]!.ts,
      lastSeen,
      lastPurchase: lastOf(history, 'purchase'),
      activeDays7: daysOfLast(7),
      activeDays28: daysOfLast(28),
      activeDays90: daysOfLast(90),
      sessions: count,
      clicks: history.sessions.accepted.length,
      meanSessionMs: count === 0 ? null : round6(durationMs / count),
      bounceShare: count === 0 ? null : round6(bounces / count),
      lastEvent: sorted.at(-1)!.event,
      orders90: history.orders.filter(({ ts }) => ts > t - 90 * dayMs && ts <= t).length,
      value90: valueAt(history, t) / 10_000,
      usualGapMs: usualMs,
      quietRatio: round6(quietRatio(lastSeen, t, usualMs)),
      tier: isHigh(history, 'activity', cutoffsLog) ? 'high' : null,
      state: stateOf(history, t),
    },
  })
}
