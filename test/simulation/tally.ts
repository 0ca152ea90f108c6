/**
 * What a campaign has done so far, in a file of one JSON object per line and seed, so that it goes on from there. Each
 * line says which code and which way of running it is of; of several of one seed the last counts.
 */
import { appendFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Scenario } from './outcome.ts'

/** Of one seed: how often it was run, at how many crash points and pairs among them, and which of the runs failed. */
export interface SeedResult {
  readonly seed: number
  readonly runs: number
  readonly crashPoints: number
  readonly faults: number
  readonly failed: readonly Scenario[]
  /** Nobody judged it: two processes ended before they told what came of it. It counts as failed. */
  readonly aborted: boolean
}

/** What the results of one account have in common. */
export interface Kind {
  /** hashOfCode. */
  readonly code: string
  readonly way: 'seeds' | 'crashes'
}

export type Entry = Kind & SeedResult

/** By seed. */
export type Tally = Map<number, SeedResult>

/** Sums over a range of seeds; `failed`: seeds, ascending, those that nobody ran among them: each is a violation. */
export interface Totals {
  readonly runs: number
  readonly crashPoints: number
  readonly faults: number
  readonly violations: number
  readonly failed: readonly number[]
}

/** What the file has of this kind. What it has of other code is dropped from it, and said. */
export function readTally(file: string, { code, way }: Kind, tell: (line: string) => void): Tally {
  const entries = readEntries(file)
  const own = entries.filter(entry => entry.code === code)
  if (own.length < entries.length) {
    const count = entries.length - own.length
    tell(`${file} has ${count} seeds of other code than this: they count no more, and run again.`)
    const draft = `${file}.new`
    writeFileSync(draft, own.map(lineOf).join(''))
    renameSync(draft, file)
  }
  return new Map(own.filter(entry => entry.way === way).map(entry => [entry.seed, entry]))
}

/** All that stands in the file, in order; nothing where there is none. */
export function readEntries(file: string): Entry[] {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
  return text.split('\n').flatMap(line => {
    try {
      return line === '' ? [] : [JSON.parse(line) as Entry]
    } catch {
      // Whoever wrote it was cut off: the seed is not done.
      return []
    }
  })
}

export function addToTally(file: string, kind: Kind, result: SeedResult): void {
  mkdirSync(dirname(file), { recursive: true })
  appendFileSync(file, lineOf({ ...kind, ...result }))
}

/** Begins with the end of the line before: that one may have been cut off. */
function lineOf(entry: Entry): string {
  return `\n${JSON.stringify(entry)}`
}

/** A seed that failed is not done: whoever asks for it again wants to see it pass. */
export function isDone(tally: Tally, seed: number): boolean {
  return tally.get(seed)?.failed.length === 0
}

/** Of the seeds from `first` to `last`, both included. */
export function totalsOf(tally: Tally, first: number, last: number): Totals {
  const totals = { runs: 0, crashPoints: 0, faults: 0, violations: 0, failed: [] as number[] }
  for (let seed = first; seed <= last; seed++) {
    const result = tally.get(seed)
    totals.runs += result?.runs ?? 0
    totals.crashPoints += result?.crashPoints ?? 0
    totals.faults += result?.faults ?? 0
    totals.violations += result?.failed.length ?? 1
    if (!isDone(tally, seed)) totals.failed.push(seed)
  }
  return totals
}
