/** Rows beside the shop's own: alerts in every state, their deliveries, rules, endpoints and rejects. */

import { slotOf } from '../../services/base/slot.ts'
import { rowTime } from '../../services/store/rows.ts'
import { dayMs, shopClockMs } from './shop.ts'

const alertDefaults = {
  messageId: 'm1',
  alertId: 'a1',
  userId: 'ada.lovelace.0',
  status: 'fired',
  reason: '',
  clockMs: shopClockMs,
  quietMs: 14 * dayMs,
  value: '412.50',
  send: true,
  ruleId: 'high-value-quiet',
}

export function alertRow(given: Partial<typeof alertDefaults>): object {
  const alert = { ...alertDefaults, ...given }
  return {
    message_id: alert.messageId,
    alert_id: alert.alertId,
    rule_id: alert.ruleId,
    rule_version: 1,
    slot: slotOf(alert.userId),
    user_id: alert.userId,
    status: alert.status,
    reason: alert.reason,
    since: rowTime(alert.clockMs - alert.quietMs),
    due: rowTime(alert.clockMs),
    threshold_ms: alert.quietMs,
    covers_ms: [],
    tier: 'high',
    value: alert.value,
    send: alert.send,
    body: '{}',
    clock: rowTime(alert.clockMs),
    epoch: 1,
    partition: 0,
    offset: 1,
    precedence: 1,
  }
}

const deliveryDefaults = {
  messageId: 'm1',
  endpointId: 'ep1',
  attempt: 0,
  status: 'pending',
  code: 0,
  nextMs: null as number | null,
}

export function deliveryRow(given: Partial<typeof deliveryDefaults>): object {
  const delivery = { ...deliveryDefaults, ...given }
  return {
    message_id: delivery.messageId,
    endpoint_id: delivery.endpointId,
    attempt: delivery.attempt,
    user_id: 'ada.lovelace.0',
    alert_id: 'a1',
    status: delivery.status,
    code: delivery.code,
    error: '',
    duration_ms: 12,
    at: rowTime(shopClockMs),
    next_at: delivery.nextMs === null ? null : rowTime(delivery.nextMs),
    version: 1,
  }
}

export function endpointRow(given: { id: string; url: string; removed?: boolean }): object {
  const changed = { revision: given.removed ? 2 : 1, changed_at: rowTime(shopClockMs) }
  const { id, url, removed = false } = given
  return { endpoint_id: id, url, secret: '', disabled: false, removed, ...changed }
}

export function ruleRow(id: string, when: object): object {
  const rule = JSON.stringify({ id, when })
  return { rule_id: id, revision: 1, rule, removed: false, changed_at: rowTime(shopClockMs) }
}

export function rejectRow(offset: number, kind: string, reason: string): object {
  return {
    source: 'log',
    epoch: 1,
    partition: 0,
    offset,
    index: 0,
    kind,
    reason,
    detail: '',
    user_id: '',
    event_id: '',
    timestamp: null,
    bytes: '',
    clock: rowTime(shopClockMs),
    seen_at: rowTime(shopClockMs),
  }
}
