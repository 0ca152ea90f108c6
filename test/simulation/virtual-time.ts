/** services/base/time.ts on the scheduler: timers are events, and each life has clocks of its own. */
import { type TimeSource, takeTimeFrom } from '../../services/base/time.ts'
import type { Chance } from './chance.ts'
import type { Scheduler } from './scheduler.ts'

/** When every simulation begins: a minute before midnight, so that days change within it. */
export const startMs = Date.UTC(2026, 0, 5, 23, 59)

/** Until the returned function is called. */
export function useVirtualTime(scheduler: Scheduler, chance: Chance): () => void {
  const { plan, nowMs, current } = scheduler

  function timer(delayMs: number, then: () => void, label: string): () => void {
    const event = plan(delayMs, current(), label, then)
    return () => {
      event.cancelled = true
    }
  }

  const source: TimeSource = {
    wallClock: () => startMs + Math.floor(nowMs() + (current()?.skewMs ?? 0)),
    steadyClock: () => nowMs() - (current()?.missedMs ?? 0),
    random: chance.share,
    turn: then => timer(0, then, 'turn'),
    timer: (delayMs, then) => timer(delayMs, then, 'timer'),
    repeat(intervalMs, work) {
      let cancel = () => {}
      const again = () => {
        // Before the work, which may cancel it.
        cancel = timer(intervalMs, again, 'timer')
        work()
      }
      cancel = timer(intervalMs, again, 'timer')
      return () => cancel()
    },
  }
  takeTimeFrom(source)
  return () => takeTimeFrom()
}
