/** I5, progress: it never leads what is stored, whoever writes it, at any moment; and who begins, begins there. */
import { decodeRecord } from '../../../services/log/codec.ts'
import { recordHash } from '../../../services/processor/folded.ts'
import type { Evidence } from '../evidence.ts'
import { clicksTopic } from '../plan.ts'
import { erasuresOn } from './erasures.ts'
import type { Reference } from './reference.ts'

export function checkProgress(evidence: Evidence, reference: Reference): string[] {
  const { topics, inserts, opened } = evidence
  const wrong: string[] = []
  const stored = new Set<string>()
  const erased = erasuresOn(topics)
  const alerts = reference.tables.rows('alerts')
  for (const { table, rows } of inserts) {
    if (table === 'clicks' || table === 'rejects')
      for (const { partition, offset } of rows) stored.add(`${partition} ${offset}`)
    if (table === 'alerts') for (const { message_id } of rows) stored.add(String(message_id))
    if (table !== 'progress') continue
    for (const row of rows) {
      if (row.topic !== clicksTopic) continue
      const [partition, next] = [Number(row.partition), Number(row.next_offset)]
      const { records } = topics.at(clicksTopic, partition)
      const missing = records.slice(0, next).find(record => {
        const { kind } = decodeRecord(record.value)
        if (kind !== 'click' && kind !== 'dead') return false
        return !stored.has(`${partition} ${record.offset}`) && !erased.has(record.key ?? '')
      })
      if (missing)
        wrong.push(`I5: progress of ${partition} was ${next} when ${missing.offset} was not stored`)
      const late = alerts.find(
        alert =>
          alert.partition === partition &&
          Number(alert.offset) < next &&
          !stored.has(String(alert.message_id)),
      )
      if (late)
        wrong.push(
          `I5: progress of ${partition} was ${next} when ${late.message_id} was not stored`,
        )
      const last = records[next - 1]
      if (last && row.last_hash !== recordHash(last))
        wrong.push(`I5: progress of ${partition} at ${next} carries the hash of another record`)
    }
  }
  for (const { partition, nextOffset, storedOffset } of opened)
    if (nextOffset > (storedOffset ?? 0))
      wrong.push(`I5: partition ${partition} began at ${nextOffset} with progress ${storedOffset}`)
  return wrong.slice(0, 3)
}
