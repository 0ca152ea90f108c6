/** What the fold tells its driver, in order. The objects are the fold's own: copy what you keep. */
import type { AlertStatus, Click } from '../../log/record.ts'
import type { Rule } from './rule.ts'
import type { DayCount, Session, User } from './state.ts'

export interface Alert {
  readonly id: string
  readonly message: string
  /** As it was when the step was recorded, or held last when it was removed. */
  readonly rule: Rule
  readonly version: number
  readonly user: User
  readonly status: AlertStatus
  readonly sinceMs: number
  readonly dueMs: number
  readonly thresholdMs: number
  readonly coversMs: readonly number[]
  /** Set exactly for `resolved`. */
  readonly reason: 'returned' | 'late' | undefined
  /** Whether a webhook is to carry it. */
  readonly send: boolean
}

export type LateReason = 'bound' | 'cut'

export interface Effects {
  /** A session, or a part of one, is final. */
  session(user: User, session: Session): void
  /** That part of that session id is no more: a merge swallowed it. */
  tombstone(user: User, sessionId: string, part: number): void
  accepted(click: Click, purchase: boolean, amountMinor: number): void
  late(click: Click, byMs: number, reason: LateReason, purchase: boolean, amountMinor: number): void
  /** No activity; `amountMinor` is minus the refund where it is one. */
  aside(click: Click, amountMinor: number): void
  duplicate(click: Click): void
  quarantined(click: Click, reason: 'future' | 'past'): void
  alert(alert: Alert): void
  /** These counters are kept no longer: they are the day's row, until a late click makes it count anew. */
  dayDone(user: User, count: DayCount): void
  /** A day older than the user's counters was touched: its row in user_days is to be counted again. */
  oldDay(user: User, day: number): void
  /** The user is forgotten: nothing of him stays. */
  erased(userId: string): void
}
