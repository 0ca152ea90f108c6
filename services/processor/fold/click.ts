/** A click is judged and counted: duplicate, late or accepted; activity and money; silences end and begin. */
import type { Click } from '../../log/record.ts'
import {
  countOrder,
  countRefund,
  dayCount,
  noteActivity,
  prune,
  refreezeValues,
} from './activity.ts'
import { endSilences, noteEntering } from './alert.ts'
import type { Effects } from './effects.ts'
import { guardAccepted } from './guard.ts'
import { moneyKind } from './money.ts'
import { type Arrival, idHash, isDuplicate, placeClick } from './session.ts'
import { dayOf } from './settings.ts'
import { type PartitionState, touch, type User, userOf } from './state.ts'
import { armTimers, standingOf } from './timer.ts'

function isAside(state: PartitionState, click: Click): boolean {
  if (click.type === 'identify' || click.type === 'group' || click.type === 'alias') return true
  return state.settings.serverEvents.has(click.name)
}

export function foldClick(
  state: PartitionState,
  click: Click,
  fallbackId: string,
  effects: Effects,
): void {
  if (state.frozen.size > 0 && state.frozen.has(click.userId)) {
    if (state.acceptedAhead.has(state.offset)) guardAccepted(state.guard)
    return
  }
  const messageId = click.eventId === '' ? fallbackId : click.eventId
  if (click.type === 'track' && moneyKind(click.name) === 'refund') {
    foldRefund(state, click, messageId, effects)
  } else if (isAside(state, click)) effects.aside(click, 0)
  else foldActivity(state, click, messageId, effects)
}

function foldRefund(
  state: PartitionState,
  click: Click,
  messageId: string,
  effects: Effects,
): void {
  const user = userOf(state, click.userId)
  const takenMinor = countRefund(state, user, click, messageId)
  effects.aside(click, takenMinor === undefined ? 0 : -takenMinor)
  if (takenMinor === undefined) return
  touch(state, user)
  const count = dayCount(user, dayOf(state.settings, click.timestampMs), effects)
  if (count) count.refundsMinor += takenMinor
  refreezeMoney(state, user)
}

/** Value and tier by the ledger as it is now, and what that sets off. */
function refreezeMoney(state: PartitionState, user: User): void {
  const before = standingOf(user)
  prune(state, user)
  refreezeValues(state, user)
  noteEntering(state, user, before)
  armTimers(state, user)
}

function foldActivity(
  state: PartitionState,
  click: Click,
  messageId: string,
  effects: Effects,
): void {
  const user = userOf(state, click.userId)
  const hash = idHash(messageId)
  if (isDuplicate(user, hash)) {
    effects.duplicate(click)
    return
  }
  touch(state, user)
  const amountMinor = countOrder(state, user, click, messageId)
  const purchase = amountMinor !== undefined
  const valueMinor = amountMinor ?? 0
  const arrival: Arrival = { click, messageId, hash, valueMinor }
  const late = placeClick(state, user, arrival, effects)
  if (late) {
    const byMs = Math.max(0, state.boundMs - click.timestampMs)
    effects.late(click, byMs, late, purchase, valueMinor)
  } else {
    effects.accepted(click, purchase, valueMinor)
    guardAccepted(state.guard)
  }
  countDay(state, user, click, purchase, valueMinor, effects)
  noteSilences(state, user, click, purchase, effects)
}

function countDay(
  state: PartitionState,
  user: User,
  click: Click,
  purchase: boolean,
  valueMinor: number,
  effects: Effects,
): void {
  const count = dayCount(user, dayOf(state.settings, click.timestampMs), effects)
  if (!count) return
  count.clicks++
  if (!purchase) return
  count.orders++
  count.valueMinor += valueMinor
}

/** The click as activity: ends silences, begins new ones, and freezes value and tier with them. */
function noteSilences(
  state: PartitionState,
  user: User,
  click: Click,
  purchase: boolean,
  effects: Effects,
): void {
  const { lastSeenMs, lastPurchaseMs } = user
  const daysChanged = noteActivity(state, user, click, purchase)
  const newest = {
    activity: user.lastSeenMs !== lastSeenMs,
    purchase: user.lastPurchaseMs !== lastPurchaseMs,
  }
  const ended = endSilences(state, user, newest, click.timestampMs, effects)
  const money = user.ledger.length > 0
  if (money) refreezeMoney(state, user)
  // A later `since` alone only puts due times off: the entry in the heap stays good.
  else if (user.timerKeyMs === Number.POSITIVE_INFINITY || daysChanged || ended)
    armTimers(state, user)
}
