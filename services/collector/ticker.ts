/**
 * Says on every partition that time has passed, as long as silence there would mean silent users: only
 * while the project is live, and only where this collector could have taken a click.
 */
import { encodeRecord } from '../log/codec.ts'
import type { LiveGate } from './live.ts'
import type { Outlet } from './outlet.ts'

export const tickPeriodMs = 5_000

export interface TickerOptions {
  readonly outlet: Outlet
  readonly live: LiveGate
  readonly clock: () => number
  readonly every: (periodMs: number, run: () => void) => () => void
  /** Who ticks, for looking at. */
  readonly writer: string
  /** True while clicks are refused because too many wait. */
  readonly isFull: () => boolean
}

/** Ticks until the returned function is called. */
export function startTicker(options: TickerOptions): () => void {
  const { outlet, live, clock, writer, isFull } = options
  /** Partitions whose last tick the log has not answered: no second one queues behind it. */
  const unanswered = new Set<number>()
  /** Failing partitions that have sat out a beat: their next tick is the probe whether it has passed. */
  const satOut = new Set<number>()

  function mayTick(partition: number): boolean {
    if (unanswered.has(partition)) return false
    if (!outlet.isFailing(partition)) return true
    if (satOut.delete(partition)) return true
    satOut.add(partition)
    return false
  }

  async function tick(partition: number): Promise<void> {
    unanswered.add(partition)
    const value = encodeRecord({ kind: 'tick', atMs: clock(), writer })
    try {
      await outlet.append(partition, [{ key: null, value }])
    } catch {
      // The outlet has said so and knows that the partition fails; the next beat but one tries again.
    } finally {
      unanswered.delete(partition)
    }
  }

  return options.every(tickPeriodMs, () => {
    if (!live.isLive() || isFull()) return
    for (let partition = 0; partition < outlet.partitions; partition++)
      if (mayTick(partition)) void tick(partition)
  })
}
