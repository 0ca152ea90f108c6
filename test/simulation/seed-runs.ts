/** All runs of one seed: the plain one, and, where asked for, one for each crash point and some with two. */
import { chanceOf } from './chance.ts'
import { outcomeOf, type Scenario } from './outcome.ts'
import { faultCount } from './plan.ts'
import type { SeedResult } from './tally.ts'

/** Of each seed whose crash points are run, so many pairs: a crash, and one soon after, during recovery. */
const pairCount = 20
const pairDistanceMax = 60

export async function runSeed(seed: number, withCrashes: boolean): Promise<SeedResult> {
  const failed: Scenario[] = []
  const plain = await outcomeOf({ seed })
  if (plain.violations.length > 0) failed.push({ seed })
  const { checkpoints, plan } = plain
  const crashes = withCrashes ? crashesOf(seed, checkpoints) : []
  for (const some of crashes) {
    const scenario = { seed, crashes: some }
    const { violations } = await outcomeOf(scenario)
    if (violations.length > 0) failed.push(scenario)
  }
  const runs = 1 + crashes.length
  return {
    seed,
    runs,
    crashPoints: crashes.length,
    faults: runs * faultCount(plan) + crashes.flat().length,
    failed,
    aborted: false,
  }
}

function crashesOf(seed: number, checkpoints: number): number[][] {
  const singles = Array.from({ length: checkpoints }, (_, index) => [index + 1])
  const chance = chanceOf(seed, 'pairs')
  const pairs = Array.from({ length: pairCount }, () => {
    const first = chance.whole(1, checkpoints)
    return [first, first + chance.whole(1, pairDistanceMax)]
  })
  return [...singles, ...pairs]
}
