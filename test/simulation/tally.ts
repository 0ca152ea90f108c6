/** What a campaign has done so far, in a file, so that it goes on from there. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Scenario } from './outcome.ts'

/** Of one seed: how often it was run, at how many crash points among them, and which of the runs failed. */
export interface SeedResult {
  readonly seed: number
  readonly runs: number
  readonly crashPoints: number
  readonly faults: number
  readonly failed: readonly Scenario[]
}

export interface Tally {
  /** Seeds that are done, as inclusive ranges, ascending and apart. */
  done: [first: number, last: number][]
  runs: number
  crashPoints: number
  faults: number
  failed: Scenario[]
}

/** By way of running: `seeds`, `crashes`. */
type Tallies = Record<string, Tally>

export function readTally(file: string, way: string): Tally {
  return readAll(file)[way] ?? newTally()
}

export function newTally(): Tally {
  return { done: [], runs: 0, crashPoints: 0, faults: 0, failed: [] }
}

function readAll(file: string): Tallies {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Tallies
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw error
  }
}

export function saveTally(file: string, way: string, tally: Tally): void {
  mkdirSync(dirname(file), { recursive: true })
  const draft = `${file}.new`
  writeFileSync(draft, `${JSON.stringify({ ...readAll(file), [way]: tally })}\n`)
  renameSync(draft, file)
}

export function isDone({ done }: Tally, seed: number): boolean {
  return done.some(([first, last]) => seed >= first && seed <= last)
}

export function add(tally: Tally, result: SeedResult): void {
  tally.runs += result.runs
  tally.crashPoints += result.crashPoints
  tally.faults += result.faults
  tally.failed.push(...result.failed)
  const ranges: [number, number][] = [...tally.done, [result.seed, result.seed]]
  ranges.sort(([one], [other]) => one - other)
  tally.done = []
  for (const [first, last] of ranges) {
    const before = tally.done.at(-1)
    if (before && first <= before[1] + 1) before[1] = Math.max(before[1], last)
    else tally.done.push([first, last])
  }
}
