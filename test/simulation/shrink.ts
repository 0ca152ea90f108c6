/** Makes a failing plan as small as it fails: without faults and deaths that it does not need, with fewer of all. */
import { judge } from './outcome.ts'
import type { Plan } from './plan.ts'

const lists = ['faults', 'deaths', 'crashes'] as const
const sizes = ['collectors', 'processors', 'webhooks', 'endpoints', 'users', 'clicks'] as const

/** Resolves to the plan itself where it does not fail. */
export async function shrink(plan: Plan, tell: (line: string) => void): Promise<Plan> {
  let small = plan

  async function tryOut(other: Plan): Promise<boolean> {
    const { violations } = await judge(other)
    if (violations.length === 0) return false
    small = other
    tell(`still fails: ${JSON.stringify(small)}`)
    return true
  }

  if (!(await tryOut(plan))) return plan
  for (const list of lists)
    for (let at = plan[list].length - 1; at >= 0; at--)
      await tryOut({ ...small, [list]: small[list].filter((_, index) => index !== at) })
  // Fewer of something are other chances, too: they may fail where more do not, so the smallest is tried first.
  for (const size of sizes)
    for (let fewer = 1; fewer < small[size]; fewer++)
      if (await tryOut({ ...small, [size]: fewer })) break
  return small
}
