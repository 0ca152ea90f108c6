/** I8, accounting: every record that was meant as a click, and every one that is none, is in exactly one heap. */
import { decodeRecord } from '../../../services/log/codec.ts'
import type { Evidence } from '../evidence.ts'
import { clicksTopic } from '../plan.ts'
import { erasuresOn } from './erasures.ts'
import type { Reference } from './reference.ts'

export function checkAccounting({ topics, tables }: Evidence, { counts }: Reference): string[] {
  const erased = erasuresOn(topics)
  const heaps = new Map<string, string>()
  const wrong: string[] = []
  const found: Record<string, number> = {}
  const put = (place: string, kind: string) => {
    if (heaps.has(place)) wrong.push(`I8: ${place} is both ${heaps.get(place)} and ${kind}`)
    heaps.set(place, kind)
    found[kind] = (found[kind] ?? 0) + 1
  }
  for (const row of tables.rows('clicks'))
    if (row.verdict === 'accepted') put(`${row.partition} ${row.offset}`, 'accepted')
  for (const row of tables.rows('rejects')) {
    if (row.source === 'log') put(`${row.partition} ${row.offset}`, String(row.kind))
    if (row.reason === '' || row.detail === '') wrong.push('I8: a reject does not say why')
  }
  for (let partition = 0; partition < topics.count(clicksTopic); partition++)
    for (const { offset, key, value } of topics.at(clicksTopic, partition).records) {
      const { kind } = decodeRecord(value)
      if (kind !== 'click' && kind !== 'dead') continue
      if (!heaps.has(`${partition} ${offset}`) && !erased.has(key ?? ''))
        wrong.push(`I8: record ${offset} of ${partition} is in no heap`)
    }
  for (const [kind, count] of Object.entries(counts))
    if (erased.size === 0 && (found[kind] ?? 0) !== count)
      wrong.push(`I8: ${found[kind] ?? 0} are ${kind}; the pipe has ${count}`)
  return wrong.slice(0, 4)
}
