/** What an import did, in a few lines. */
import type { Summary } from './import.ts'
import { grouped } from './progress.ts'
import type { Sink } from './target.ts'

export interface Verdicts {
  readonly accepted: number
  readonly late: number
}

/** `verdicts` are null where the fold has not said them. */
export function summarize(summary: Summary, verb: Sink['verb'], verdicts: Verdicts | null): string {
  const { counts, written, alreadyThere } = summary
  const lines: [label: string, count: number, note: string][] = [
    ['read', counts.rows, 'rows'],
    ['dead', sum(counts.dead.values()), reasons(counts.dead)],
    ['clicks', summary.clicks, orders(summary)],
    [verb, written, ''],
  ]
  if (verb === 'appended')
    lines.push(['already there', alreadyThere, alreadyThere > 0 ? 'of this import' : ''])
  if (verdicts) {
    lines.push(['accepted', verdicts.accepted, ''])
    lines.push(['late', verdicts.late, ''])
  }
  return [...table(lines), ...notes(summary)].map(line => `${line}\n`).join('')
}

function table(lines: readonly [label: string, count: number, note: string][]): string[] {
  const labelWidth = Math.max(...lines.map(([label]) => label.length))
  const countWidth = Math.max(...lines.map(([, count]) => grouped(count).length))
  return lines.map(([label, count, note]) =>
    `${label.padEnd(labelWidth)}  ${grouped(count).padStart(countWidth)}  ${note}`.trimEnd(),
  )
}

function reasons(dead: ReadonlyMap<string, number>): string {
  const sorted = [...dead].sort(([, a], [, b]) => b - a)
  return sorted.map(([reason, count]) => `${reason} ${grouped(count)}`).join(', ')
}

function orders({ counts }: Summary): string {
  const refunds = counts.money['refund by prefix'] + counts.money['refund by sign']
  const parts: string[] = []
  if (counts.orders > 0)
    parts.push(`${grouped(counts.orderRows)} rows in ${grouped(counts.orders)} orders`)
  if (refunds > 0) parts.push(`${grouped(refunds)} refunds`)
  return parts.join(', ')
}

function notes({ counts, zoneName }: Summary): string[] {
  const notes: [text: string, count: number, consequence: string][] = [
    ['Times without a zone', counts.zoneless, `read in ${zoneName}; --zone names another`],
    ['Refunds by their negative amount alone', counts.money['refund by sign'], 'kept as refunds'],
    ['Negative amounts of what is no purchase', counts.money.negative, 'no money'],
    ['Orders of more than one user', counts.mixedOrders, "given to the first row's"],
  ]
  return notes
    .filter(([, count]) => count > 0)
    .map(([text, count, consequence]) => `${text}: ${grouped(count)}, ${consequence}.`)
}

function sum(counts: Iterable<number>): number {
  let total = 0
  for (const count of counts) total += count
  return total
}
