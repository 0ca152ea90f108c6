/**
 * Literal cases for both rules, one table: a name (document, clause, case), the flags, the lines in and
 * the lines out. Run against the model (test/model/model.test.ts) and against the fold
 * (cases.test.ts). Expected lines name only what the case is about.
 */
import { cutCases } from './cases-cuts.ts'
import { pipeCases } from './cases-pipe.ts'
import { sessionCases } from './cases-sessions.ts'
import { signalCases } from './cases-signals.ts'
import { silenceCases } from './cases-silences.ts'
import { statusCases } from './cases-status.ts'
import { whoCases } from './cases-who.ts'
import { type Case, click, type Fields, tick } from './cases-words.ts'

export const cases: Case[] = [
  ...sessionCases,
  ...cutCases,
  ...pipeCases,
  ...signalCases,
  ...silenceCases,
  ...whoCases,
  ...statusCases,
]

// The example table of session-rule.md.

type Row = { arrival: string; result: string; why: string; clock?: 'event'; lateness?: string }

export const sessionTable: Row[] = [
  { arrival: '0, 10, 101', result: '[0,10]=2 [101]=1', why: 'exactly the gap is the same session' },
  { arrival: '0, 21, 10', result: '[0,10]=2 [21]=1', why: '11 apart is two' },
  { arrival: '0, 20, 10', result: '[0,20]=3', why: 'the bridge touches both edges' },
  { arrival: '0, w10, 10', result: '[0,10]=2', why: 'close is strict' },
  {
    arrival: 'a:0, z:40, a:45, a:38',
    result: 'a[0]=1 a[38,45]=2 z[40]=1',
    why: '38 is behind W but joins an open session and is far from the closed one',
    clock: 'event',
  },
  {
    arrival: 'k:0, z:12, k:12, k:8',
    result: 'k[0]=1 k[12]=1 z[12]=1, late 8',
    why: 'joining would put a final session within the gap of another',
    clock: 'event',
    lateness: '1ms',
  },
  {
    arrival: '0, w21, 21, 11, 5',
    result: '[0]=1 [11,21]=2, late 5',
    why: '5 would pull the open session next to the closed one',
  },
]

export function sessionTableInput(row: Row): { lines: Fields[]; args: string[] } {
  const lines = row.arrival.split(', ').map(word => {
    if (word.startsWith('w')) return tick(Number(word.slice(1)))
    const [key, time] = word.includes(':') ? word.split(':') : ['', word]
    return click(key || '-', Number(time))
  })
  const lateness = row.lateness ?? '0'
  const args = ['--gap=10ms', '--disorder=0', `--lateness=${lateness}`]
  return { lines, args: [...args, `--clock=${row.clock ?? 'ticks'}`] }
}

/** Output lines in the words of the table, sessions by (user, start). */
export function sessionTableResult(output: string[]): string {
  const lines = output.map(line => JSON.parse(line))
  const sessions = lines.flatMap(line => (line.session ? [line.session] : []))
  sessions.sort((one, other) =>
    one.userId < other.userId ? -1 : one.userId > other.userId ? 1 : one.start - other.start,
  )
  const words = sessions.map(({ userId, start, end, clicks }) => {
    const span = start === end ? `[${start}]` : `[${start},${end}]`
    return `${userId === '-' ? '' : userId}${span}=${clicks}`
  })
  const lates = lines.flatMap(line => (line.late ? [`, late ${line.late.timestamp}`] : []))
  return words.join(' ') + lates.join('')
}

/** Undefined, or how the output differs from what is expected: kinds and order, then the named fields. */
export function differenceOf(output: string[], { of, expected }: Case): string | undefined {
  const lines = output
    .map(line => JSON.parse(line) as Record<string, Fields>)
    .filter(line => !of || of.includes(Object.keys(line)[0]!))
  const seen = lines.map((line, index) => {
    const kind = Object.keys(line)[0]!
    const wanted = (expected[index]?.[kind] ?? {}) as Fields
    const named = Object.keys(wanted).map(key => [key, line[kind]![key]])
    return { [kind]: Object.fromEntries(named) }
  })
  const isEqual = JSON.stringify(seen) === JSON.stringify(expected)
  return isEqual ? undefined : output.join('\n')
}
