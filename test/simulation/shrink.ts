/** Makes a failing scenario as small as it fails: without faults and deaths that it does not need, with fewer clicks. */
import { outcomeOf, type Scenario } from './outcome.ts'
import { planOf } from './plan.ts'

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index)

/** Resolves to the scenario itself where it does not fail. */
export async function shrink(scenario: Scenario, tell: (line: string) => void): Promise<Scenario> {
  const fails = async (other: Scenario) => (await outcomeOf(other)).violations.length > 0
  let small = scenario
  if (!(await fails(small))) return small

  async function tryOut(other: Scenario): Promise<boolean> {
    if (!(await fails(other))) return false
    small = other
    tell(`still fails: ${JSON.stringify(small)}`)
    return true
  }

  const { faults, deaths, clicks } = planOf(small.seed)
  for (const fault of numbers(faults.length))
    await tryOut({ ...small, without: [...(small.without ?? []), fault] })
  for (const death of numbers(deaths.length))
    await tryOut({ ...small, withoutDeaths: [...(small.withoutDeaths ?? []), death] })
  // Other clicks are other chances: fewer may fail where more do not, so each is tried.
  for (const fewer of numbers(small.clicks ?? clicks).slice(1))
    if (await tryOut({ ...small, clicks: fewer })) break
  return small
}
