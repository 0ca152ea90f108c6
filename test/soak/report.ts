/** What a soak found, as the table in docs/soak.md. */
import { availableParallelism } from 'node:os'
import type { Accounts } from '../proof/accounts.ts'
import type { Peak } from './bounds.ts'

/** One fault that struck. */
export interface Struck {
  readonly kind: string
  /** Undefined: it never did. */
  readonly recoveredMs: number | undefined
  readonly worstLagMs: number
  /** Before the next fault. */
  readonly inTime: boolean
}

export interface Report {
  readonly minutes: number
  readonly periodMs: number
  readonly seed: number
  /** Undefined: the rate was given. */
  readonly topRate: number | undefined
  readonly rate: number
  readonly struck: readonly Struck[]
  readonly confirmed: number
  readonly unconfirmed: number
  readonly received: number
  readonly accounts: Accounts
  readonly sessions: number
  readonly alerts: number
  readonly messages: number
  readonly repeated: number
  readonly unsent: number
  /** By kind of service. */
  readonly peaks: Readonly<Record<string, Peak>>
  readonly startsInVain: number
  readonly violations: readonly string[]
}

const begin = '<!-- output -->'
const end = '<!-- end of output -->'

function seconds(ms: number | undefined): string {
  return ms === undefined ? 'never' : (ms / 1000).toFixed(1)
}

/** The upper one of two; what never came back counts as the longest. */
export function medianOf(values: readonly (number | undefined)[]): number | undefined {
  const ascending = [...values].sort((a, b) => (a ?? Infinity) - (b ?? Infinity))
  return ascending[Math.floor(ascending.length / 2)]
}

function worstOf(values: readonly (number | undefined)[]): number | undefined {
  return values.includes(undefined) ? undefined : Math.max(...(values as number[]))
}

/** The rows of the table, one for each kind, in the order in which they first struck. */
export function rowsOf(struck: readonly Struck[]): string[] {
  const kinds = Map.groupBy(struck, ({ kind }) => kind)
  return [...kinds].map(([kind, of]) => {
    const recovered = of.map(({ recoveredMs }) => recoveredMs)
    const worstLagMs = Math.max(...of.map(fault => fault.worstLagMs))
    const late = of.filter(({ inTime }) => !inTime).length
    const cells = [medianOf(recovered), worstOf(recovered), worstLagMs].map(seconds)
    return `| ${[kind, of.length, ...cells, late].join(' | ')} |`
  })
}

/** `date`: of the run, as 2026-11-21. */
export function markdownOf(report: Report, date: string): string {
  const { accounts, struck, topRate, peaks, violations } = report
  const most = (of: (peak: Peak) => number) =>
    Object.entries(peaks)
      .map(([kind, peak]) => `${kind} ${Math.round(of(peak))}`)
      .join(', ')
  const rate =
    topRate === undefined ? `${report.rate} clicks/s` : `${report.rate} of ${topRate} clicks/s`
  const fates = Object.entries(accounts).map(([fate, count]) => `${count} ${fate}`)
  return [
    `${report.minutes} minutes, ${rate}, a fault every ${report.periodMs / 1000} s, seed ${report.seed}; ` +
      `${date}, ${availableParallelism()} cores, Node ${process.versions.node}.`,
    '',
    `**${violations.length} violations.** ${struck.length} faults; ${report.confirmed} clicks confirmed to clients, ` +
      `after ${report.unconfirmed} requests that were not; ${report.received} clicks on the log = ${fates.join(' + ')}; ` +
      `${report.sessions} sessions and ${report.alerts} alerts, those of the pure fold; ` +
      `${report.messages} messages delivered, ${report.repeated} of them again, ${report.unsent} not to be sent any more.`,
    ...violations.slice(0, 20).map(violation => `- ${violation.split('\n')[0]}`),
    '',
    '| fault | count | median s to recover | worst s | worst lag s | not before the next fault |',
    '|---|---|---|---|---|---|',
    ...rowsOf(struck),
    '',
    `Peak memory of a process, MiB: ${most(({ memoryBytes }) => memoryBytes / 2 ** 20)}. ` +
      `Most open files of a process: ${most(({ openFiles }) => openFiles)}. ` +
      `Starts in vain, as servers did not answer yet: ${report.startsInVain}.`,
  ].join('\n')
}

/** The document with its output made anew. Throws where it has no marks for it. */
export function withOutput(document: string, output: string): string {
  const [before, rest] = document.split(begin)
  const after = rest?.split(end)[1]
  if (before === undefined || after === undefined)
    throw new Error(`docs/soak.md has no place for the output: ${begin} and ${end} are missing.`)
  return `${before}${begin}\n${output}\n${end}${after}`
}
