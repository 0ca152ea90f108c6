/** A run and its judgement. */
import { checkAll } from './checkers/check.ts'
import { type Changes, type Plan, planOf } from './plan.ts'
import { simulate } from './world.ts'

/** What to run: all that a failing run needs to be told to fail again. */
export interface Scenario extends Changes {
  readonly seed: number
}

export interface Outcome {
  readonly plan: Plan
  readonly trace: string
  readonly checkpoints: number
  /** Sentences; none: all is well. */
  readonly violations: readonly string[]
}

export function outcomeOf(scenario: Scenario, tell?: (line: string) => void): Promise<Outcome> {
  return judge(planOf(scenario.seed, scenario), tell)
}

export async function judge(plan: Plan, tell?: (line: string) => void): Promise<Outcome> {
  const { evidence, trace, checkpoints } = await simulate(plan, tell)
  return { plan, trace, checkpoints, violations: await checkAll(evidence) }
}
