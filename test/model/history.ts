/**
 * All that ever happened to one user, as flat lists in order of arrival, and the plain questions one
 * can ask of them: when was he last seen, what was he worth at t, which days was he active. Nothing is
 * kept up to date; each answer is worked out from the lists.
 */

import { amountOf, type Click, type Cutoffs, dayMs } from './input.ts'
import type { Accepted, SessionUser } from './sessions.ts'

export type Kind = 'activity' | 'purchase'

/** `at` counts happenings, not time: it puts records and alert steps into one order. */
export type Activity = {
  at: number
  line: number
  ts: number
  event: string
  isPurchase: boolean
  /** The gap in force at the record (alert-rule.md 2). */
  gapMs: number
}
export type Order = { at: number; ts: number; order: string; amount: number }
/** `of`: the held order that it reduces; null: a negative amount at its own time. */
export type Refund = { at: number; ts: number; messageId: string; amount: number; of: Order | null }

export type History = {
  userId: string
  sessions: SessionUser
  activities: Activity[]
  orders: Order[]
  refunds: Refund[]
  segments: string[]
}

export const emptyHistory = (userId: string): History => ({
  userId,
  sessions: { accepted: [] as Accepted[], cuts: [] },
  activities: [],
  orders: [],
  refunds: [],
  segments: [],
})

const purchaseEvents = ['Order Completed', 'purchase', 'purchased']
const refundEvents = ['Order Refunded', 'refund']
const asideTypes = ['identify', 'group', 'alias']
export const valueWindowMs = 90 * dayMs

/** Money is told by events, and events are tracked: a page may be named `purchase`, and an identify call names nothing. */
const isMoney = ({ type, event }: Click, events: string[]) =>
  type === 'track' && events.includes(event)

export const isRefund = (click: Click) => isMoney(click, refundEvents)

/** No activity and no part of a session (pipe.md). */
export const isAside = (click: Click, serverEvents: string[]) =>
  asideTypes.includes(click.type) || isRefund(click) || serverEvents.includes(click.event)

const orderOf = ({ properties }: Click) => properties.order_id ?? properties.transaction_id
const moneyOf = ({ properties }: Click) =>
  amountOf(properties.revenue ?? properties.total ?? properties.value)

/** Held: among the user's orders of the 90 days before the clock. */
const heldOrder = (history: History, order: unknown, clock: number) =>
  history.orders.findLast(one => one.order === String(order) && one.ts > clock - valueWindowMs)

/** The order that this click is the first line of; null: it is no purchase. */
export function newOrder(history: History, click: Click, clock: number): Omit<Order, 'at'> | null {
  if (!isMoney(click, purchaseEvents)) return null
  const order = orderOf(click) ?? click.messageId
  if (heldOrder(history, order, clock)) return null
  return { ts: click.ts, order: String(order), amount: moneyOf(click) }
}

/** The refund that this click brings; null: its message id was seen before. */
export function newRefund(
  history: History,
  click: Click,
  clock: number,
): Omit<Refund, 'at'> | null {
  if (history.refunds.some(one => one.messageId === click.messageId)) return null
  const order = orderOf(click)
  const of = order === undefined ? null : (heldOrder(history, order, clock) ?? null)
  return { ts: click.ts, messageId: click.messageId, amount: moneyOf(click), of }
}

/** Sum over (t - 90 d, t], not below 0, of what was known after happening `at`. */
export function valueAt(history: History, t: number, at = Number.POSITIVE_INFINITY): number {
  const inWindow = ({ ts }: { ts: number }) => ts > t - valueWindowMs && ts <= t
  let sum = 0
  for (const order of history.orders) if (order.at <= at && inWindow(order)) sum += order.amount
  for (const refund of history.refunds)
    if (refund.at <= at && inWindow(refund.of ?? refund)) sum -= refund.amount
  return Math.max(0, sum)
}

export function lastOf(history: History, kind: Kind, at = Number.POSITIVE_INFINITY): number | null {
  const times = history.activities
    .filter(one => one.at <= at && (kind === 'activity' || one.isPurchase))
    .map(one => one.ts)
  return times.length === 0 ? null : Math.max(...times)
}

export const dayOf = (ts: number) => Math.floor(ts / dayMs)

const distinctDays = (activities: Activity[]) =>
  [...new Set(activities.map(one => dayOf(one.ts)))].sort((one, other) => one - other)

export const activeDays = (history: History) => distinctDays(history.activities)

export const purchaseDays = (history: History) =>
  distinctDays(history.activities.filter(one => one.isPurchase))

/** Median gap between the active days of the last 90, from at least 5 gaps (pipe.md, Signals). */
export function usualGapMs(activities: Activity[], t: number): number | null {
  const today = dayOf(t)
  const days = distinctDays(activities).filter(day => day > today - 90 && day <= today)
  const gaps = days.slice(1).map((day, index) => day - days[index]!)
  if (gaps.length < 5) return null
  gaps.sort((one, other) => one - other)
  const middle = Math.floor(gaps.length / 2)
  const isOdd = gaps.length % 2 === 1
  return (isOdd ? gaps[middle]! : (gaps[middle - 1]! + gaps[middle]!) / 2) * dayMs
}

/**
 * One tier per kind of since (alert-rule.md 5): looked at after each record of the user and each
 * Cutoffs record, by the value at the last activity (or purchase) known then. Between the two cutoffs
 * it stays what it was.
 */
export function isHigh(
  history: History,
  kind: Kind,
  cutoffsLog: { at: number; cutoffs: Cutoffs }[],
): boolean {
  const records = [...history.activities, ...history.orders, ...history.refunds, ...cutoffsLog]
  const moments = [...new Set(records.map(record => record.at))].sort((a, b) => a - b)
  let high = false
  for (const at of moments) {
    const cutoffs = cutoffsLog.findLast(one => one.at <= at)?.cutoffs
    const since = lastOf(history, kind, at)
    if (!cutoffs || since === null) continue
    const value = valueAt(history, since, at)
    high = value >= cutoffs.high || (high && value >= cutoffs.keep)
  }
  return high
}
