/** I3, alerts complete: those of the oracle, no other, one body for each message. I9: of a user in their order. */
import { decodeAlert } from '../../../services/log/codec.ts'
import type { LogRecord } from '../../../services/log/log.ts'
import type { AlertRecord } from '../../../services/log/record.ts'
import type { Evidence } from '../evidence.ts'
import type { Topics } from '../kafka/topics.ts'
import { alertsTopic } from '../plan.ts'
import { erasuresOn } from './erasures.ts'
import type { Reference } from './reference.ts'

export function alertsOn(topics: Topics): { alert: AlertRecord; bytes: string }[] {
  const alerts: { alert: AlertRecord; bytes: string }[] = []
  for (let partition = 0; partition < topics.count(alertsTopic); partition++)
    alerts.push(...alertsOf(topics.at(alertsTopic, partition).records))
  return alerts
}

export function alertsOf(records: readonly LogRecord[]): { alert: AlertRecord; bytes: string }[] {
  return records.flatMap(({ value }) => {
    const alert = decodeAlert(value)
    return 'messageId' in alert ? [{ alert, bytes: value!.toString('base64') }] : []
  })
}

export function checkAlerts(evidence: Evidence, reference: Reference): string[] {
  const wrong: string[] = []
  const bytesOf = new Map<string, string>()
  // A click of before, sent again after an erasure, names the same silence, of which nobody knows any more.
  const erased = erasuresOn(evidence.topics)
  for (const { alert, bytes } of alertsOn(evidence.topics)) {
    const before = bytesOf.get(alert.messageId)
    if (before !== undefined && before !== bytes && !erased.has(alert.userId))
      wrong.push(`I3: message ${alert.messageId} is on the log with two bodies`)
    bytesOf.set(alert.messageId, bytes)
  }
  const expected = new Set(reference.alerts.map(({ message }) => message))
  for (const message of expected)
    if (!bytesOf.has(message)) wrong.push(`I3: message ${message} is not on the log`)
  for (const message of bytesOf.keys())
    if (!expected.has(message)) wrong.push(`I3: message ${message} should not be on the log`)
  for (const { alert, bytes } of alertsOn(reference.topics))
    if (bytesOf.get(alert.messageId) !== bytes && !erased.has(alert.userId))
      wrong.push(`I3: message ${alert.messageId} has another body than without faults`)
  return [...wrong, ...checkRows(evidence, reference), ...checkOrder(evidence, reference)]
}

/** Of who was erased, other checkers say what is left. */
function checkRows({ tables, topics }: Evidence, reference: Reference): string[] {
  const wrong: string[] = []
  const erased = erasuresOn(topics)
  const alerts = reference.alerts.filter(({ userId }) => !erased.has(userId))
  const rows = new Map(
    tables
      .rows('alerts')
      .flatMap(row => (erased.has(String(row.user_id)) ? [] : [[row.message_id, row]])),
  )
  for (const alert of alerts) {
    const row = rows.get(alert.message)
    const found = row && [row.alert_id, row.rule_id, row.rule_version, row.user_id, row.status]
    const { id, rule, version, userId, status, since, due, threshold, covers, reason } = alert
    const facts = [...(found ?? []), row?.since, row?.due, row?.threshold_ms, row?.covers_ms]
    const expected = [id, rule, version, userId, status, since, due, threshold, covers]
    if (JSON.stringify([...facts, row?.reason]) !== JSON.stringify([...expected, reason ?? '']))
      wrong.push(`I3: the row of message ${alert.message} is ${JSON.stringify(row)}`)
  }
  if (rows.size !== new Set(alerts.map(({ message }) => message)).size)
    wrong.push(`I3: there are ${rows.size} rows of alerts and ${alerts.length} alerts`)
  return wrong
}

function checkOrder(evidence: Evidence, reference: Reference): string[] {
  const expected = firstSights(reference.topics)
  return [...firstSights(evidence.topics)].flatMap(([userId, messages]) =>
    String(expected.get(userId)) === String(messages)
      ? []
      : [`I9: the alerts of ${userId} are in another order`],
  )
}

/** By user: his messages in the order of their first sight. */
function firstSights(topics: Topics): Map<string, string[]> {
  const messages = new Map<string, string[]>()
  for (const { alert } of alertsOn(topics)) {
    const of = messages.get(alert.userId) ?? []
    if (!of.includes(alert.messageId)) of.push(alert.messageId)
    messages.set(alert.userId, of)
  }
  return messages
}
