/**
 * `ebb rules test`: the history of the log folded again under other rules, all partitions as one, in order of
 * time. Imported clicks fire timers here, and the value tiers are made anew each day, as they would have been.
 */
import { readFile } from 'node:fs/promises'
import { formatDuration } from '../base/duration.ts'
import { EbbError } from '../base/errors.ts'
import { dumpPartition } from '../processor/dump.ts'
import { valueAt } from '../processor/fold/money.ts'
import { defaultSettings } from '../processor/fold/settings.ts'
import type { PartitionState } from '../processor/fold/state.ts'
import { parseRules, readRuleValues } from '../processor/pipe/options.ts'
import { createPipe } from '../processor/pipe/run.ts'
import type { ProjectCalls } from './calls.ts'
import { enterShare, leaveShare } from './cutoffs.ts'
import { remoteLog } from './dump.ts'
import { table } from './show.ts'
import { firstClicksTopic } from './system.ts'

const dayMs = 86_400_000
const rowsShown = 20

/** A file's text; `-` is standard input. */
export async function readText(file: string): Promise<string> {
  try {
    if (file !== '-') return await readFile(file, 'utf8')
    const chunks: Buffer[] = []
    for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
    return Buffer.concat(chunks).toString('utf8')
  } catch (error) {
    throw new EbbError('badInput', `The file ${file} cannot be read: ${(error as Error).message}.`)
  }
}

interface Line {
  readonly timeMs: number
  readonly json: Record<string, unknown>
}

/** Lines that count in a backtest: clicks and time, audiences and settings; not the rules of the project. */
async function* historyOf(
  calls: ProjectCalls,
  partition: number,
  epoch: number,
): AsyncGenerator<Line> {
  const count = { lines: 0, dead: 0 }
  let timeMs = 0
  const log = remoteLog(calls)
  for await (const text of dumpPartition(log, firstClicksTopic, partition, epoch, count)) {
    const json = JSON.parse(text) as Record<string, unknown>
    if (json.rule || json.cutoffs || json.live || json.settings) continue
    if (typeof json.logTime === 'number') timeMs = Math.max(timeMs, json.logTime)
    else if (typeof json.tick === 'number') timeMs = Math.max(timeMs, json.tick)
    delete json.imported
    yield { timeMs, json }
  }
}

/** Several histories, each in order, as one in order of time. */
async function* merged(histories: readonly AsyncGenerator<Line>[]): AsyncGenerator<Line> {
  const heads = await Promise.all(histories.map(history => history.next()))
  for (;;) {
    let best = -1
    for (const [at, head] of heads.entries())
      if (!head.done && (best < 0 || head.value.timeMs < heads[best]!.value!.timeMs)) best = at
    if (best < 0) return
    yield heads[best]!.value as Line
    heads[best] = await histories[best]!.next()
  }
}

/** The cutoffs of all users known, as `cutoffs.ts` asks them of ClickHouse. */
function cutoffsLine(state: PartitionState): string | undefined {
  const amounts: number[] = []
  for (const user of state.users.values()) {
    const valueMinor = valueAt(user.ledger, state.clockMs)
    if (valueMinor > 0) amounts.push(valueMinor)
  }
  if (amounts.length === 0) return undefined
  amounts.sort((left, right) => right - left)
  const at = (share: number) => amounts[Math.ceil(amounts.length * share) - 1]! / 10_000
  return JSON.stringify({ cutoffs: { high: at(enterShare), keep: at(leaveShare) } })
}

interface Caught {
  readonly rule: string
  readonly userId: string
  readonly status: string
  readonly since: number
  readonly due: number
  readonly threshold: number
}

export async function testRules(
  calls: ProjectCalls,
  file: string,
  print: (text: string) => void,
): Promise<void> {
  const rules = parseRules(readRuleValues(await readText(file)))
  const { partitions, epoch } = await calls.facts()
  const caught: Caught[] = []
  let days = 0
  let firstMs = Number.NaN
  const pipe = createPipe(
    {
      settings: defaultSettings,
      clock: 'log',
      rules,
      signals: false,
      summary: false,
      flush: false,
      strict: false,
    },
    text => {
      if (!text.startsWith('{"alert"')) return
      caught.push((JSON.parse(text) as { alert: Caught }).alert)
    },
  )
  const histories = Array.from({ length: partitions }, (_, at) => historyOf(calls, at, epoch))
  for await (const { timeMs, json } of merged(histories)) {
    if (Number.isNaN(firstMs)) firstMs = timeMs
    const day = Math.floor(timeMs / dayMs)
    if (day !== days) {
      days = day
      const cutoffs = cutoffsLine(pipe.state)
      if (cutoffs) pipe.line(cutoffs)
    }
    pipe.line(JSON.stringify(json))
  }
  report(
    caught,
    rules.map(rule => rule.id),
    firstMs,
    pipe.state.clockMs,
    print,
  )
}

function report(
  caught: readonly Caught[],
  rules: readonly string[],
  firstMs: number,
  lastMs: number,
  print: (text: string) => void,
): void {
  const date = (ms: number) => new Date(ms).toISOString().slice(0, 16).replace('T', ' ')
  if (!Number.isFinite(lastMs)) {
    print('There is no history yet: import some, or wait for clicks.')
    return
  }
  const weeks = Math.max((lastMs - firstMs) / (7 * dayMs), 1 / 7)
  print(`History from ${date(firstMs)} to ${date(lastMs)} UTC.`)
  for (const rule of rules) {
    const own = caught.filter(alert => alert.rule === rule)
    const count = (status: string) => own.filter(alert => alert.status === status).length
    const users = new Set(own.map(alert => alert.userId)).size
    const fired = count('fired')
    print(
      `\n${rule}: ${fired} alerts (${(fired / weeks).toFixed(1)} a week) about ${users} users; ` +
        `${count('resolved')} came back, ${count('stale')} stale, ${count('suppressed')} in a cooldown, ${count('held_out')} held out`,
    )
    const rows = own
      .filter(alert => alert.status === 'fired')
      .slice(-rowsShown)
      .map(alert => ({
        user: alert.userId,
        'quiet since': date(alert.since),
        due: date(alert.due),
        after: formatDuration(alert.threshold),
      }))
    if (rows.length > 0) print(`the latest ${rows.length}:\n${table(rows)}`)
  }
}
