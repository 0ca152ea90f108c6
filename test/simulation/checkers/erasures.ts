/** Who was erased, and what follows: nothing of him is left but what he did since, and nothing is sent to him. */
import { decodeErasure, decodeRecord } from '../../../services/log/codec.ts'
import type { LogRecord } from '../../../services/log/log.ts'
import type { Evidence } from '../evidence.ts'
import type { Topics } from '../kafka/topics.ts'
import { alertsTopic, clicksTopic } from '../plan.ts'
import { alertsOf, alertsOn } from './alerts.ts'

/** By user: the offset of his last erasure in his partition of the clicks. */
export function erasuresOn(topics: Topics): Map<string, number> {
  const erasures = new Map<string, number>()
  for (let partition = 0; partition < topics.count(clicksTopic); partition++)
    for (const { offset, value } of topics.at(clicksTopic, partition).records) {
      const record = decodeRecord(value)
      if (record.kind === 'erase') erasures.set(record.userId, offset)
    }
  return erasures
}

/** An attempt that was under way when webhooks read of the erasure may still arrive. */
const underWayMs = 2_000

export function checkErasures({ topics, tables, inserts, received }: Evidence): string[] {
  const wrong: string[] = []
  const kept = new Set(alertsOn(topics).map(({ alert }) => alert.messageId))
  for (let partition = 0; partition < topics.count(alertsTopic); partition++) {
    const before = new Map<string, Set<string>>()
    for (const { offset, value } of topics.at(alertsTopic, partition).records) {
      const userId = decodeErasure(value)
      if (userId === undefined || before.has(userId)) continue
      const messages = messagesBefore(topics, partition, userId, offset)
      before.set(userId, messages)
      const readAtMs = inserts.find(
        ({ table, rows }) =>
          table === 'progress' &&
          rows.some(
            row =>
              row.topic === alertsTopic &&
              row.partition === partition &&
              JSON.parse(String(row.state)).seenOffset > offset,
          ),
      )?.atMs
      for (const { headers, atMs } of received)
        if (messages.has(headers['webhook-id']!) && atMs > Number(readAtMs) + underWayMs)
          wrong.push(`I4: message ${headers['webhook-id']} of ${userId} was sent after his erasure`)
    }
  }
  for (const row of tables.rows('deliveries'))
    if (!kept.has(String(row.message_id)))
      wrong.push(`I4: there is a delivery of ${row.message_id}, which is on no log`)
  return wrong
}

/**
 * His messages that stand before the erasure and not behind it as well. Limit: a processor that dies between telling
 * of an erasure and its progress tells his last alerts again, behind it; webhooks that were restarted meanwhile take
 * them for new ones, until they come to the erasure that is told again.
 */
function messagesBefore(topics: Topics, partition: number, userId: string, end: number) {
  const { records } = topics.at(alertsTopic, partition)
  const idsOf = (some: readonly LogRecord[]) =>
    new Set(
      alertsOf(some).flatMap(({ alert }) => (alert.userId === userId ? [alert.messageId] : [])),
    )
  const again = idsOf(records.slice(end))
  return new Set([...idsOf(records.slice(0, end))].filter(id => !again.has(id)))
}
