/** What a click says about its user beyond sessions: activity, days, orders, refunds, and the frozen value. */
import type { Click } from '../../log/record.ts'
import { markDay } from './days.ts'
import type { Effects } from './effects.ts'
import { heldOrder, moneyKind, pruneLedger, refundKnown, toMinor, valueAt } from './money.ts'
import { dayOf } from './settings.ts'
import { stateAt } from './signals.ts'
import type { DayCount, PartitionState, User } from './state.ts'

const dayMs = 86_400_000

/** Counts the order of a purchase, once; its amount, or undefined where the click is no (new) purchase. */
export function countOrder(
  state: PartitionState,
  user: User,
  click: Click,
  messageId: string,
): number | undefined {
  if (click.type !== 'track' || moneyKind(click.name) !== 'order') return undefined
  const key = click.orderId ?? messageId
  if (heldOrder(user.ledger, key, state.clockMs)) return undefined
  const amountMinor = amountOf(click)
  user.ledger.push({ key, order: true, timeMs: click.timestampMs, amountMinor, refunds: noRefunds })
  return amountMinor
}

const noRefunds: readonly string[] = []

/** What is not a finite number >= 0 counts 0, whoever wrote it. */
function amountOf(click: Click): number {
  return click.value !== null && click.value > 0 ? toMinor(click.value) : 0
}

/** Counts a refund, once: it reduces the held order it names, or stands for itself. Returns what it took. */
export function countRefund(
  state: PartitionState,
  user: User,
  click: Click,
  messageId: string,
): number | undefined {
  if (refundKnown(user.ledger, messageId)) return undefined
  const amountMinor = amountOf(click)
  const order =
    click.orderId === null ? undefined : heldOrder(user.ledger, click.orderId, state.clockMs)
  if (order) {
    order.amountMinor -= amountMinor
    order.refunds = [...order.refunds, messageId]
  } else {
    user.ledger.push({
      key: messageId,
      order: false,
      timeMs: click.timestampMs,
      amountMinor: -amountMinor,
      refunds: noRefunds,
    })
  }
  return amountMinor
}

/**
 * Activity at the click's time: first and last seen, days, and whether it ended a time of quiet. Returns
 * whether it added an active day.
 */
export function noteActivity(
  state: PartitionState,
  user: User,
  click: Click,
  purchase: boolean,
): boolean {
  const timeMs = click.timestampMs
  const atMs = Math.max(timeMs, Number.isNaN(user.lastSeenMs) ? timeMs : user.lastSeenMs)
  const before = mayEndQuiet(user, timeMs) ? stateAt(user, atMs, state.settings) : 'active'
  if (!(timeMs >= user.firstSeenMs)) user.firstSeenMs = timeMs
  if (!(timeMs < user.lastSeenMs)) {
    user.lastSeenMs = timeMs
    user.lastEvent = click.name
  }
  const day = dayOf(state.settings, timeMs)
  const added = markDay(user.days, day)
  if (purchase) notePurchase(user, timeMs, day)
  if (before !== 'quiet' && before !== 'churned') return added
  const after = stateAt(user, atMs, state.settings)
  if (after !== 'quiet' && after !== 'churned') user.returnedMs = timeMs
  return added
}

/** A cheap test that is true whenever the user could be quiet (ratio > 3, gaps of a day) or churned. */
function mayEndQuiet(user: User, timeMs: number): boolean {
  return timeMs - user.lastSeenMs > 3 * dayMs || timeMs - user.lastPurchaseMs > dayMs
}

function notePurchase(user: User, timeMs: number, day: number): void {
  if (!(timeMs < user.lastPurchaseMs)) user.lastPurchaseMs = timeMs
  const days = user.purchaseDays
  let at = days.length
  while (at > 0 && days[at - 1]! > day) at--
  if (days[at - 1] !== day) days.splice(at, 0, day)
}

/** Drops orders and refunds that neither the clock's window nor a frozen one can see. */
export function prune(state: PartitionState, user: User): void {
  let oldestMs = state.clockMs
  if (user.lastSeenMs < oldestMs) oldestMs = user.lastSeenMs
  if (user.lastPurchaseMs < oldestMs) oldestMs = user.lastPurchaseMs
  pruneLedger(user.ledger, oldestMs)
}

/** The values frozen with the silences, and the tiers by them: changed only by the user's own records. */
export function refreezeValues(state: PartitionState, user: User): void {
  user.activityValueMinor = Number.isNaN(user.lastSeenMs)
    ? 0
    : valueAt(user.ledger, user.lastSeenMs)
  user.purchaseValueMinor = Number.isNaN(user.lastPurchaseMs)
    ? 0
    : valueAt(user.ledger, user.lastPurchaseMs)
  refreshTiers(state, user)
}

/** High from `high` on, and until the value is below `keep`. */
export function refreshTiers(state: PartitionState, user: User): void {
  user.activityHigh = isHigh(state, user.activityValueMinor, user.activityHigh)
  user.purchaseHigh = isHigh(state, user.purchaseValueMinor, user.purchaseHigh)
}

function isHigh(state: PartitionState, valueMinor: number, was: boolean): boolean {
  return valueMinor >= state.highMinor || (was && valueMinor >= state.keepMinor)
}

/** The counters of the day, for adding to; undefined for a day older than those kept: it is recounted. */
export function dayCount(user: User, day: number, effects: Effects): DayCount | undefined {
  const { dayCounts } = user
  for (const count of dayCounts) if (count.day === day) return count
  const newest = dayCounts.length === 0 ? -1 : dayCounts[dayCounts.length - 1]!.day
  if (day < newest - 1) {
    effects.oldDay(user, day)
    return undefined
  }
  const count = { day, clicks: 0, orders: 0, valueMinor: 0, refundsMinor: 0 }
  const oldest = Math.max(day, newest) - 1
  for (const kept of dayCounts) if (kept.day < oldest) effects.dayDone(user, kept)
  user.dayCounts = [...dayCounts.filter(kept => kept.day >= oldest), count].sort(
    (left, right) => left.day - right.day,
  )
  return count
}
