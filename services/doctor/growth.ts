/** Of a project that grew: whether its earlier epochs came to their end, for before that the next one waits. */
import { isDrained } from '../rebuild/epochs.ts'
import { readChain } from '../rebuild/present.ts'
import type { Store } from '../store/store.ts'
import { type Check, orOk, wrong } from './check.ts'

/** Nothing to say of a project that never grew. */
export async function examineGrowth(store: Store): Promise<readonly Check[]> {
  const chain = await readChain(store)
  const newest = chain.at(-1)
  if (!newest) return []
  const faults: Check[] = []
  for (const epoch of chain.slice(0, -1))
    if (!(await isDrained(store, epoch)))
      faults.push(
        wrong(
          'growth',
          `${epoch.topic} is not folded up to its seals, and nothing of ${newest.topic} is folded before: where no ebb grow is running, run ebb grow ${newest.partitions} again.`,
        ),
      )
  return orOk(faults, 'growth', `Epoch ${newest.epoch}, and those before it came to their end.`)
}

/** Where its clicks go now; undefined for a project that never grew, or has no such table yet. */
export async function newestTopic(store: Store): Promise<string | undefined> {
  const chain = await readChain(store).catch(() => [])
  return chain.at(-1)?.topic
}
