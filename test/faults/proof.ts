/** What a row of the table of faults is made of. */
import { type Plan, planOf } from '../simulation/plan.ts'

export interface Fault {
  readonly number: number
  readonly what: string
  readonly proofs: readonly Proof[]
  /** What nothing proves yet, as sentences; null: all of it is proven. Without proofs: all of it is missing. */
  readonly missing: string | null
}

export type Proof = Simulated | Tested

/** Seeds whose plan has the fault; every checker looks at each run. */
export interface Simulated {
  readonly kind: 'simulated'
  /** What in the plans it is, in words. */
  readonly by: string
  readonly isIn: (plan: Plan) => boolean
  /** Each checkpoint of a seed in a long run, some of them else; in pairs, the second strikes while the first is mended. */
  readonly crashes: 'none' | 'single' | 'pairs'
}

/** Tests of one file, on real parts unless their title or `missing` says otherwise. */
export interface Tested {
  readonly kind: 'tested'
  /** From test/. */
  readonly file: string
  /** Whole ones; … stands for what the source fills in, where it makes several of one. */
  readonly titles: readonly string[]
  /** From test/: where the titles stand, if the file runs the suite of another. */
  readonly titlesIn: string
}

export function simulated(
  by: string,
  isIn: (plan: Plan) => boolean,
  crashes: Simulated['crashes'] = 'none',
): Simulated {
  return { kind: 'simulated', by, isIn, crashes }
}

/** By a fault of the plan. */
export function withFault(by: string, isIt: (fault: Plan['faults'][number]) => boolean): Simulated {
  return simulated(by, ({ faults }) => faults.some(isIt))
}

export function tested(file: string, ...titles: readonly string[]): Tested {
  return { kind: 'tested', file, titles, titlesIn: file }
}

/** A file that runs a suite which stands in another. */
export function testedBySuite(
  file: string,
  titlesIn: string,
  ...titles: readonly string[]
): Tested {
  return { kind: 'tested', file, titles, titlesIn }
}

/** The first seeds whose plan has it, ascending. */
export function seedsOf({ isIn }: Simulated, count: number): number[] {
  const seeds: number[] = []
  for (let seed = 1; seeds.length < count; seed++) if (isIn(planOf(seed))) seeds.push(seed)
  return seeds
}

export type Standing = 'whole' | 'partly' | 'missing'

/** How much of a fault is proven. */
export function standingOf({ proofs, missing }: Fault): Standing {
  if (proofs.length === 0) return 'missing'
  return missing === null ? 'whole' : 'partly'
}
