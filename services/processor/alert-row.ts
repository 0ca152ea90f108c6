/** An alert for its topic and for its table; the body says what was true at the record that made it. */
import { slotOf } from '../base/slot.ts'
import type { AlertRecord } from '../log/record.ts'
import { rowMoney, rowTime } from '../store/rows.ts'
import { alertBody } from '../webhooks/message.ts'
import type { Alert } from './fold/effects.ts'
import { sinceKindOf } from './fold/rule.ts'
import { signalsAt } from './fold/signals.ts'
import type { PartitionState } from './fold/state.ts'
import { type Place, precedenceOf, type Row } from './rows.ts'

export interface AlertRows {
  readonly record: AlertRecord
  readonly row: Row
}

/** `timesErased`: how often the user was erased before it. */
export function alertRows(
  state: PartitionState,
  place: Place,
  alert: Alert,
  timesErased: number,
): AlertRows {
  const { user, rule } = alert
  const purchase = sinceKindOf(rule.when) === 'purchase'
  const tier = (purchase ? user.purchaseHigh : user.activityHigh) ? 'high' : null
  const valueMinor = purchase ? user.purchaseValueMinor : user.activityValueMinor
  const { userId, value90Minor, ...signals } = signalsAt(user, state.clockMs, state.settings)
  const body =
    alert.send && (alert.status === 'fired' || alert.status === 'resolved')
      ? alertBody({
          project: state.project,
          alertId: alert.id,
          messageId: alert.message,
          ruleId: rule.id,
          ruleVersion: alert.version,
          userId,
          status: alert.status,
          reason: alert.reason ?? null,
          sinceMs: alert.sinceMs,
          dueMs: alert.dueMs,
          thresholdMs: alert.thresholdMs,
          coversMs: alert.coversMs,
          tier,
          value90: valueMinor / 10_000,
          clockMs: state.clockMs,
          signals: { ...signals, value90: value90Minor === null ? null : value90Minor / 10_000 },
        })
      : ''
  const record: AlertRecord = {
    messageId: alert.message,
    alertId: alert.id,
    ruleId: rule.id,
    ruleVersion: alert.version,
    userId,
    status: alert.status,
    sinceMs: alert.sinceMs,
    dueMs: alert.dueMs,
    thresholdMs: alert.thresholdMs,
    maxAgeMs: rule.maxAgeMs,
    clockMs: state.clockMs,
    send: alert.send,
    body,
    epoch: place.epoch,
    offset: state.offset,
  }
  const row = {
    message_id: alert.message,
    alert_id: alert.id,
    rule_id: rule.id,
    rule_version: alert.version,
    slot: slotOf(userId),
    user_id: userId,
    status: alert.status,
    reason: alert.reason ?? '',
    since: rowTime(alert.sinceMs),
    due: rowTime(alert.dueMs),
    threshold_ms: alert.thresholdMs,
    covers_ms: alert.coversMs,
    tier: tier ?? '',
    value: rowMoney(valueMinor),
    send: alert.send,
    body,
    clock: rowTime(state.clockMs),
    ...place,
    offset: state.offset,
    precedence: precedenceOf(1 + timesErased, place, state.offset),
  }
  return { record, row }
}
