/** Who was erased, and what follows: nothing of him is left but what he did since, and nothing is sent to him. */
import { decodeErasure, decodeRecord } from '../../../services/log/codec.ts'
import type { LogRecord } from '../../../services/log/log.ts'
import { type Erasure, isTaken } from '../../../services/log/record.ts'
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
    const { records } = topics.at(alertsTopic, partition)
    for (const { offset, value } of records) {
      const erasure = decodeErasure(value)
      if (!erasure) continue
      const messages = messagesTaken(records, erasure)
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
          wrong.push(
            `I4: message ${headers['webhook-id']} of ${erasure.userId} was sent after his erasure`,
          )
    }
  }
  for (const row of tables.rows('deliveries'))
    if (!kept.has(String(row.message_id)))
      wrong.push(`I4: there is a delivery of ${row.message_id}, which is on no log`)
  return wrong
}

/** His messages that were made before the erasure, and not once more behind it: a click that comes again may do that. */
function messagesTaken(records: readonly LogRecord[], erasure: Erasure): Set<string> {
  const his = alertsOf(records).filter(({ alert }) => alert.userId === erasure.userId)
  const stand = new Set(
    his.flatMap(({ alert }) => (isTaken(erasure, alert) ? [] : [alert.messageId])),
  )
  return new Set(his.flatMap(({ alert }) => (stand.has(alert.messageId) ? [] : [alert.messageId])))
}
