/** Whether the tables know in which epoch the project is, and its earlier ones came to their end: before that the next one waits. */
import { whyEnded } from '../rebuild/ahead.ts'
import { isDrained } from '../rebuild/epochs.ts'
import { readChain } from '../rebuild/present.ts'
import type { Store } from '../store/store.ts'
import { type Check, orOk, wrong } from './check.ts'
import type { PartitionSource } from './partitions.ts'

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

/** The log goes on where the tables do not. Nothing to say where they do. */
export async function examineEnd(source: PartitionSource): Promise<readonly Check[]> {
  const { log, store, clicksTopic: topic, partitions } = source
  const newest = (await readChain(store)).at(-1) ?? { epoch: 0, topic, partitions }
  const why = await whyEnded({ log, store }, newest)
  return why ? [wrong('growth', why.message)] : []
}

/** Where its clicks go now; undefined for a project that never grew, or has no such table yet. */
export async function newestTopic(store: Store): Promise<string | undefined> {
  const chain = await readChain(store).catch(() => [])
  return chain.at(-1)?.topic
}
