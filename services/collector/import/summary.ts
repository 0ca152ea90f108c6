/** What an import did, in a few lines. */
import type { Summary } from './import.ts'
import { grouped } from './progress.ts'

export interface Verdicts {
  readonly accepted: number
  readonly late: number
}

/** `isPrint`: the clicks went to standard output. `verdicts` are null where the fold has not said them. */
export function summarize(summary: Summary, isPrint: boolean, verdicts: Verdicts | null): string {
  const { counts, written, alreadyThere } = summary
  const lines: [label: string, count: number, note: string][] = [
    ['read', counts.rows, 'rows'],
    ['dead', sum(counts.dead.values()), reasons(counts.dead)],
    ['clicks', summary.clicks, orders(summary)],
    [isPrint ? 'printed' : 'appended', written, ''],
  ]
  if (!isPrint)
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
  const notes: [count: number, text: string][] = [
    [counts.zoneless, `times name no zone and were read in ${zoneName}; --zone says another`],
    [counts.money['refund by sign'], 'refunds have no --refund-prefix, but a negative amount'],
    [
      counts.money.negative,
      'clicks that are no purchases have a negative amount; it counts as none',
    ],
    [counts.mixedOrders, "orders name more than one user; the first row's has them"],
  ]
  return notes.filter(([count]) => count > 0).map(([count, text]) => `${grouped(count)} ${text}.`)
}

function sum(counts: Iterable<number>): number {
  let total = 0
  for (const count of counts) total += count
  return total
}
