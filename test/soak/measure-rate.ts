/** Clicks a second that two processors take from a full topic, from their first flush to their last. */
import { setTimeout as wait } from 'node:timers/promises'
import { steadyClock } from '../../services/base/time.ts'
import { createTraffic } from '../proof/traffic.ts'
import { clicksTopic, reached } from '../servers/compare.ts'
import type { Ground } from './scene.ts'

const fillClicks = 60_000
const lookIntervalMs = 100

export async function measureTopRate(ground: Ground): Promise<number> {
  const { log, store } = ground
  const traffic = createTraffic(log, await log.partitions(clicksTopic))
  await traffic.fill(fillClicks)
  const processors = await Promise.all([ground.startProcessor(), ground.startProcessor()])
  let first: { folded: number; atMs: number } | undefined
  for (;;) {
    const { folded, ends } = await reached(log, store)
    const atMs = steadyClock()
    // One short flush stands first: what comes at once with a start is no rate.
    if (!first && folded > fillClicks / 20) first = { folded, atMs }
    if (folded >= ends) {
      for (const processor of processors) await processor.stop('SIGTERM')
      if (!first || first.folded >= ends) throw new Error('All was folded at once: no rate.')
      return ((folded - first.folded) * 1000) / (atMs - first.atMs)
    }
    await wait(lookIntervalMs)
  }
}
