/** I1, no loss: what was answered 200 is on the log, and has a row. */
import { decodeRecord } from '../../../services/log/codec.ts'
import type { Evidence } from '../evidence.ts'
import { clicksTopic } from '../plan.ts'
import { erasuresOn } from './erasures.ts'

export function checkJournal({ journal, topics, tables }: Evidence): string[] {
  const onLog = new Set<string>()
  for (let partition = 0; partition < topics.count(clicksTopic); partition++)
    for (const { value } of topics.at(clicksTopic, partition).records) {
      const record = decodeRecord(value)
      if (record.kind !== 'click' || record.properties === '') continue
      onLog.add(JSON.parse(record.properties).journal)
    }
  const inTables = new Set<unknown>()
  for (const row of tables.rows('clicks'))
    if (row.properties !== '') inTables.add(JSON.parse(String(row.properties)).journal)
  const refused = new Set(tables.rows('rejects').map(row => `${row.user_id} ${row.event_id}`))
  const erased = erasuresOn(topics)
  const wrong: string[] = []
  for (const { id, userId, event, confirmed } of journal.values()) {
    if (!confirmed) continue
    if (!onLog.has(id)) wrong.push(`I1: ${id} was confirmed and is not on the log`)
    // A copy of an event that has a row already is named in rejects.
    const known = inTables.has(id) || refused.has(`${event.userId} ${event.messageId}`)
    if (!known && event.messageId !== undefined && !erased.has(userId))
      wrong.push(`I1: ${id} was confirmed and has no row`)
  }
  return wrong
}
