/** Lag as people feel it: the age of the oldest click that the tables do not hold yet, seen some times a second. */
import { setTimeout as wait } from 'node:timers/promises'
import { steadyClock } from '../../services/base/time.ts'
import type { Store } from '../../services/store/store.ts'
import { clicksTopic } from '../servers/compare.ts'
import type { Traffic } from './traffic.ts'

const lookIntervalMs = 400
export const lagMsMax = 2_000

interface Sight {
  readonly atMs: number
  readonly lagMs: number
}

/** What followed a change of the group until the next one. */
export interface Aftermath {
  readonly worstMs: number
  /** From the change to the first moment below the bound after the worst one; 0: it never passed the bound. */
  readonly recoveredMs: number
  /** It was below the bound again before the next change. */
  readonly recovered: boolean
}

export interface LagWatch {
  /** Of the sights from one moment up to another. */
  aftermath(fromMs: number, toMs: number): Aftermath
  /** Of the sights since that moment; at least one. */
  medianMs(fromMs: number): number
  stop(): Promise<void>
}

export function watchLag(store: Store, traffic: Traffic): LagWatch {
  const sights: Sight[] = []
  let stopping = false

  async function look(): Promise<void> {
    const rows = await store.query<{ partition: number; next_offset: string }>(
      'SELECT partition, next_offset FROM progress FINAL WHERE topic = {topic:String}',
      { topic: clicksTopic },
    )
    const atMs = steadyClock()
    let lagMs = 0
    for (const { partition, next_offset } of rows) {
      const marks = traffic.marks[Number(partition)]!
      // The append that the next record is of began at the last mark at or before it.
      while (marks.length > 1 && marks[1]!.offset <= Number(next_offset)) marks.shift()
      const [mark, next] = marks
      if (mark && next) lagMs = Math.max(lagMs, atMs - mark.atMs)
    }
    sights.push({ atMs, lagMs })
  }

  const watching = (async () => {
    while (!stopping) {
      await look()
      await wait(lookIntervalMs)
    }
  })()
  // Told at the stop; until then the load goes on.
  watching.catch(() => undefined)

  return {
    aftermath(fromMs, toMs) {
      const of = sights.filter(({ atMs }) => atMs >= fromMs && atMs < toMs)
      const worstMs = Math.max(0, ...of.map(({ lagMs }) => lagMs))
      if (worstMs < lagMsMax)
        return { worstMs: Math.round(worstMs), recoveredMs: 0, recovered: true }
      const worst = of.findIndex(({ lagMs }) => lagMs === worstMs)
      const back = of.find(({ lagMs }, at) => at > worst && lagMs < lagMsMax)
      return {
        worstMs: Math.round(worstMs),
        recoveredMs: back ? Math.round(back.atMs - fromMs) : 0,
        recovered: back !== undefined,
      }
    },
    medianMs(fromMs) {
      const lags = sights.filter(({ atMs }) => atMs >= fromMs).map(({ lagMs }) => lagMs)
      return lags.sort((a, b) => a - b)[Math.floor(lags.length / 2)]!
    },
    async stop() {
      stopping = true
      await watching
    },
  }
}
