/**
 * npm run sim -- --seed N [--crash k[,k2]] [--clicks n] [--without 0,2] [--without-deaths 1]   one simulation; [--trace] tells it all
 *                --seed N --crashes                                                 one for each of its checkpoints
 *                --seed N --shrink                                                  the smallest that still fails
 *                --seeds A..B [--crashes] [--workers n]      many; goes on where it stopped, by the file of --state
 *                                                 [--fresh]            from the beginning, and keeps no account
 *
 * Standard output is the same for the same arguments on every machine. Status 1: some promise was broken.
 */
import { parseArgs } from 'node:util'
import { campaign } from './campaign.ts'
import { type Outcome, outcomeOf, type Scenario } from './outcome.ts'
import { faultCount } from './plan.ts'
import { shrink } from './shrink.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string' },
    crash: { type: 'string' },
    crashes: { type: 'boolean' },
    clicks: { type: 'string' },
    without: { type: 'string' },
    'without-deaths': { type: 'string' },
    trace: { type: 'boolean' },
    shrink: { type: 'boolean', default: false },
    state: { type: 'string', default: 'data/simulation.json' },
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

function scenarioOf(): Scenario {
  const deaths = values['without-deaths']
  if (values.seed === undefined) throw new Error('Give --seed N or --seeds A..B.')
  return {
    seed: wholeOf(values.seed),
    ...(values.crash === undefined ? {} : { crashes: numbersOf(values.crash) }),
    ...(values.clicks === undefined ? {} : { clicks: wholeOf(values.clicks) }),
    ...(values.without === undefined ? {} : { without: numbersOf(values.without) }),
    ...(deaths === undefined ? {} : { withoutDeaths: numbersOf(deaths) }),
  }
}

function printPlan({ plan: { seed, ...rest } }: Outcome): void {
  print(`seed=${seed} ${JSON.stringify(rest)}`)
}

async function runOne(): Promise<boolean> {
  const scenario = scenarioOf()
  const tell = values.trace ? (line: string) => console.error(line) : undefined
  const outcome = await outcomeOf(scenario, tell)
  printPlan(outcome)
  for (const violation of outcome.violations) print(violation)
  const { plan, trace, violations } = outcome
  const faults = faultCount(plan)
  print({ seed: plan.seed, trace, faults, violations: violations.length })
  return violations.length === 0
}

async function runSmallest(): Promise<boolean> {
  const scenario = await shrink(scenarioOf(), line => console.error(line))
  const outcome = await outcomeOf(scenario)
  printPlan(outcome)
  for (const violation of outcome.violations) print(violation)
  print(scenario)
  return outcome.violations.length === 0
}

/** A run without a crash counts the checkpoints; then one run dies at each of them. */
async function runCrashes(): Promise<boolean> {
  const scenario = scenarioOf()
  const whole = await outcomeOf(scenario)
  printPlan(whole)
  const failed: number[] = []
  for (let checkpoint = 1; checkpoint <= whole.checkpoints; checkpoint++) {
    const { violations } = await outcomeOf({ ...scenario, crashes: [checkpoint] })
    for (const violation of violations) print(`crash ${checkpoint}: ${violation}`)
    if (violations.length > 0) failed.push(checkpoint)
  }
  print({ seed: scenario.seed, runs: whole.checkpoints, violations: failed.length, failed })
  return failed.length === 0
}

async function runMany(range: string): Promise<boolean> {
  const match = /^(\d{1,9})\.\.(\d{1,9})$/.exec(range)
  if (!match) throw new Error(`${range} is no range: give A..B.`)
  const result = await campaign({
    first: Number(match[1]),
    last: Number(match[2]),
    withCrashes: values.crashes ?? false,
    workers: wholeOf(values.workers ?? '2'),
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
