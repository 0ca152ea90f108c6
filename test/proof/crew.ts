/** Processors that join and leave: each change in turn, the one that has served longest leaves. */
import { steadyClock } from '../../services/base/time.ts'
import type { Service } from '../servers/services.ts'

export const changes = ['join', 'SIGTERM', 'join', 'SIGKILL'] as const
export type Change = (typeof changes)[number]

export interface Crew {
  /** Resolves when the change is done: the new one runs, the old one is gone. */
  change(change: Change): Promise<void>
  /** Throws what a processor said that ended by itself. */
  check(): void
  stop(): Promise<void>
}

export async function startCrew(start: () => Promise<Service>, size: number): Promise<Crew> {
  const serving = await Promise.all(Array.from({ length: size }, start))

  async function leave(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const leaving = serving.shift()!
    const fromMs = steadyClock()
    const status = await leaving.stop(signal)
    const tookMs = steadyClock() - fromMs
    if (signal === 'SIGTERM' && (status !== 0 || tookMs > 10_000))
      throw new Error(`A stop took ${tookMs} ms and ended with ${status}:\n${leaving.output()}`)
  }

  return {
    async change(change) {
      if (change === 'join') serving.push(await start())
      else await leave(change)
    },
    check() {
      const ended = serving.find(
        ({ child }) => child.exitCode !== null || child.signalCode !== null,
      )
      if (ended) throw new Error(`A processor ended by itself:\n${ended.output()}`)
    },
    async stop() {
      while (serving.length > 0) await leave('SIGTERM')
    },
  }
}
