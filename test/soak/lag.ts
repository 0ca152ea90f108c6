/**
 * Lag, seen five times a second: how far the clock of the partition that is furthest behind stands behind the wall
 * clock, by the tables' progress; or the age of the oldest click that no collector has confirmed, where that is more.
 * While ClickHouse does not answer, its last answer counts, and lag grows.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { steadyClock, wallClock } from '../../services/base/time.ts'
import type { Store } from '../../services/store/store.ts'
import { clicksTopic } from '../servers/compare.ts'

const lookIntervalMs = 200
export const lagMsMax = 2_000

export interface Sight {
  readonly atMs: number
  readonly lagMs: number
}

/** What followed a moment. */
export interface Aftermath {
  /** Before the next moment. */
  readonly worstMs: number
  /**
   * From the moment to the first sight below the bound behind the worst one, which may fall behind the next moment;
   * 0: the bound was never passed; undefined: it never came back.
   */
  readonly recoveredMs: number | undefined
}

export function aftermathOf(sights: readonly Sight[], fromMs: number, toMs: number): Aftermath {
  const of = sights.filter(({ atMs }) => atMs >= fromMs && atMs < toMs)
  const worstMs = Math.max(0, ...of.map(({ lagMs }) => lagMs))
  if (worstMs < lagMsMax) return { worstMs, recoveredMs: 0 }
  const { atMs: worstAtMs } = of.find(({ lagMs }) => lagMs === worstMs)!
  const back = sights.find(({ atMs, lagMs }) => atMs > worstAtMs && lagMs < lagMsMax)
  return { worstMs, recoveredMs: back && back.atMs - fromMs }
}

export interface LagWatch {
  readonly sights: readonly Sight[]
  stop(): Promise<void>
}

export function watchLag(store: Store, waitingMs: () => number): LagWatch {
  const sights: Sight[] = []
  let stopping = false
  /** By the latest answer, epoch ms. */
  let clockMs = wallClock()
  let isAnswered = true

  async function ask(): Promise<void> {
    const [row] = await store.query<{ clock: string | null }>(
      'SELECT toUnixTimestamp64Milli(min(clock)) AS clock FROM progress FINAL WHERE topic = {topic:String}',
      { topic: clicksTopic },
    )
    clockMs = Number(row!.clock)
  }

  const watching = (async () => {
    while (!stopping) {
      if (isAnswered) {
        isAnswered = false
        // It is down, or was killed meanwhile: asked again at the next look.
        void ask()
          .catch(() => undefined)
          .finally(() => {
            isAnswered = true
          })
      }
      await wait(lookIntervalMs)
      sights.push({
        atMs: steadyClock(),
        lagMs: Math.max(0, wallClock() - clockMs, waitingMs()),
      })
    }
  })()

  return {
    sights,
    async stop() {
      stopping = true
      await watching
    },
  }
}
