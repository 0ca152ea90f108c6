/**
 * npm run sim -- --seed N [--crash k[,k2]]         one simulation; --trace tells all that happens
 *                --seed N --crashes                one for each of its checkpoints
 *                --seed N --shrink                 the smallest plan that still fails
 *                --plan FILE                       of a plan that was kept, instead of --seed
 *                --seeds A..B [--crashes]          many; those that failed, or that this very code has not run yet
 *                             [--state file]       the account of what was run, data/simulation.jsonl if not said
 *                             [--workers n]        processes, 2 if not said
 *                             [--fresh]            all of them, and keeps no account
 *
 * Standard output is the same for the same arguments and source on every machine. Status 1: some promise was broken.
 */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { campaign } from './campaign.ts'
import { judge, type Outcome } from './outcome.ts'
import { faultCount, type Plan, planOf } from './plan.ts'
import { shrink } from './shrink.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string' },
    crash: { type: 'string' },
    crashes: { type: 'boolean' },
    plan: { type: 'string' },
    trace: { type: 'boolean' },
    shrink: { type: 'boolean', default: false },
    state: { type: 'string', default: 'data/simulation.jsonl' },
    fresh: { type: 'boolean', default: false },
    workers: { type: 'string' },
  },
})

const print = (line: unknown) => console.log(typeof line === 'string' ? line : JSON.stringify(line))

function numbersOf(text: string): number[] {
  return text.split(',').map(wholeOf)
}

function wholeOf(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new Error(`${text} is no whole number from 0 to 999999999.`)
}

function workersOf(text: string): number {
  const workers = wholeOf(text)
  if (workers === 0) throw new Error('--workers 0: no process would run a seed; give 1 or more.')
  return workers
}

function askedPlan(): Plan {
  const crashes = values.crash === undefined ? [] : numbersOf(values.crash)
  if (values.plan !== undefined) {
    const plan = JSON.parse(readFileSync(values.plan, 'utf8')) as Plan
    return { ...plan, crashes: [...plan.crashes, ...crashes] }
  }
  if (values.seed === undefined) throw new Error('Give --seed N, --plan FILE or --seeds A..B.')
  return planOf(wholeOf(values.seed), { crashes })
}

function printPlan({ plan: { seed, ...rest } }: Outcome): void {
  print(`seed=${seed} ${JSON.stringify(rest)}`)
}

async function runOne(): Promise<boolean> {
  const tell = values.trace ? (line: string) => console.error(line) : undefined
  const outcome = await judge(askedPlan(), tell)
  printPlan(outcome)
  for (const violation of outcome.violations) print(violation)
  const { plan, trace, violations } = outcome
  print({ seed: plan.seed, trace, faults: faultCount(plan), violations: violations.length })
  return violations.length === 0
}

async function runSmallest(): Promise<boolean> {
  const plan = await shrink(askedPlan(), line => console.error(line))
  const { violations } = await judge(plan)
  for (const violation of violations) print(violation)
  print(plan)
  return violations.length === 0
}

/** A run without a further crash counts the checkpoints; then one run dies at each of them. */
async function runCrashes(): Promise<boolean> {
  const plan = askedPlan()
  const whole = await judge(plan)
  printPlan(whole)
  const failed: number[] = []
  for (let checkpoint = 1; checkpoint <= whole.checkpoints; checkpoint++) {
    const { violations } = await judge({ ...plan, crashes: [checkpoint] })
    for (const violation of violations) print(`crash ${checkpoint}: ${violation}`)
    if (violations.length > 0) failed.push(checkpoint)
  }
  print({ seed: plan.seed, runs: whole.checkpoints, violations: failed.length, failed })
  return failed.length === 0
}

async function runMany(range: string): Promise<boolean> {
  const match = /^(\d{1,9})\.\.(\d{1,9})$/.exec(range)
  const [first, last] = [Number(match?.[1]), Number(match?.[2])]
  if (!(first <= last)) throw new Error(`${range} is no range: give A..B, the lower one first.`)
  const result = await campaign({
    first,
    last,
    withCrashes: values.crashes ?? false,
    workers: workersOf(values.workers ?? '2'),
    stateFile: values.fresh ? null : values.state,
    tell: line => console.error(line),
  })
  print(result)
  return result.failed.length === 0
}

const well = values.seeds
  ? await runMany(values.seeds)
  : values.crashes
    ? await runCrashes()
    : values.shrink
      ? await runSmallest()
      : await runOne()
process.exitCode = well ? 0 : 1
