/** State as rows of sessions, users and user_days; every row carries the version it was made at. */
import { slotOf } from '../base/slot.ts'
import { rowMoney, rowTime } from '../store/rows.ts'
import { activeDaysWithin, daysWindow } from './fold/days.ts'
import { isBounce, partMs } from './fold/session.ts'
import type { DayCount, Session, User } from './fold/state.ts'
import { snapshotUser } from './fold/user-row.ts'

/** Tells apart rows of one place in the log that different code wrote: it grows when the fold's answers do. */
const foldNumber = 2
export const epochUnit = 2 ** 40
export type Row = Record<string, unknown>

export interface Place {
  readonly epoch: number
  readonly partition: number
}

/** The version of rows made at an offset: (epoch * 2^40 + offset) * 16 + fold number. Exact below epoch 512. */
export function versionAt(epoch: number, offset: number): number {
  return (epoch * epochUnit + offset) * 16 + foldNumber
}

/** The offset within a version of that epoch. */
export function offsetOfVersion(version: number, epoch: number): number {
  return Math.floor(version / 16) - epoch * epochUnit
}

/** The place that rows of that version were made at. */
export function placeOfVersion(version: number): { epoch: number; offset: number } {
  const order = Math.floor(version / 16)
  return { epoch: Math.floor(order / epochUnit), offset: order % epochUnit }
}

/** By how much offsets of that version's epoch must be moved to stand in order with those of `epoch`. */
export function epochShift(version: number, epoch: number): number {
  return (Math.floor(version / 16 / epochUnit) - epoch) * epochUnit
}

/** Above every place in the log. */
const precedenceUnit = 2 ** 50

/**
 * Of rows with one identity that of the highest rank stays, of those the one made first. Beyond what a number holds
 * exactly it is text, which columns of integers take as well.
 */
export function precedenceOf(rank: number, place: Place, offset: number): number | string {
  const at = place.epoch * epochUnit + offset
  const precedence = rank * precedenceUnit - at
  if (Number.isSafeInteger(precedence)) return precedence
  return String(BigInt(rank) * BigInt(precedenceUnit) - BigInt(at))
}

function timeOrNull(timeMs: number): number | null {
  return Number.isFinite(timeMs) ? rowTime(timeMs) : null
}

/** A day number as ClickHouse reads a Date. */
export function dayText(day: number): string {
  return new Date(day * 86_400_000).toISOString().slice(0, 10)
}

export function sessionRow(
  place: Place,
  user: User,
  session: Session,
  final: boolean,
  offset: number,
): Row {
  return {
    slot: slotOf(user.id),
    user_id: user.id,
    session_id: session.id,
    part: session.part,
    start: rowTime(session.startMs),
    end: rowTime(session.endMs),
    clicks: session.clicks,
    first_event: session.firstEvent,
    last_event: session.lastEvent,
    value: rowMoney(session.valueMinor),
    final,
    ...place,
    version: versionAt(place.epoch, offset),
    is_deleted: 0,
  }
}

export function tombstoneRow(
  place: Place,
  user: User,
  sessionId: string,
  part: number,
  offset: number,
): Row {
  return {
    slot: slotOf(user.id),
    user_id: user.id,
    session_id: sessionId,
    part,
    start: 0,
    end: 0,
    clicks: 0,
    first_event: '',
    last_event: '',
    value: '0.0000',
    final: false,
    ...place,
    version: versionAt(place.epoch, offset),
    is_deleted: 1,
  }
}

export function userRow(place: Place, user: User): Row {
  let sessionMsSum = user.sessionMsSum
  let { bounces } = user
  for (const session of user.open) {
    sessionMsSum += partMs(session)
    if (isBounce(session)) bounces++
  }
  return {
    slot: slotOf(user.id),
    user_id: user.id,
    first_seen: timeOrNull(user.firstSeenMs),
    last_seen: timeOrNull(user.lastSeenMs),
    last_event: user.lastEvent,
    last_purchase: timeOrNull(user.lastPurchaseMs),
    returned_at: timeOrNull(user.returnedMs),
    clicks: user.clicks,
    sessions: user.sessions,
    session_ms_sum: sessionMsSum,
    bounces,
    active_days: activeDaysWithin(user.days, user.days.newest, daysWindow + 1),
    money_times: user.ledger.map(entry => rowTime(entry.timeMs)),
    money_amounts: user.ledger.map(entry => rowMoney(entry.amountMinor)),
    money_orders: user.ledger.map(entry => (entry.order ? 1 : 0)),
    value_at_silence: rowMoney(user.activityValueMinor),
    tier: user.activityHigh ? 'high' : '',
    segments: user.segments,
    state: snapshotUser(user),
    ...place,
    version: versionAt(place.epoch, user.version),
    is_deleted: 0,
  }
}

export function dayRow(place: Place, user: User, count: DayCount, offset: number): Row {
  return {
    day: dayText(count.day),
    slot: slotOf(user.id),
    user_id: user.id,
    clicks: count.clicks,
    orders: count.orders,
    value: rowMoney(count.valueMinor),
    refunds: rowMoney(count.refundsMinor),
    ...place,
    version: versionAt(place.epoch, offset),
    is_deleted: 0,
  }
}
