/** Whether the collector sees the log, asked every few seconds: without clicks nobody else would ask. */
import { type Fault, faultBook } from '../base/faults.ts'
import { steadyClock, wallClock } from '../base/time.ts'
import { type Outlet, refusesClicks } from './outlet.ts'

const lookIntervalMs = 5_000
/** Above what a log that answers takes. */
const silentMsMin = 10_000

export interface SightOptions {
  readonly outlet: Pick<Outlet, 'look' | 'faults'>
  readonly every: (periodMs: number, run: () => void) => () => void
}

export interface Sight {
  /** Why clicks are not taken now; none: they are, as far as is known. */
  faults(): Fault[]
  stop(): void
}

export function watchSight({ outlet, every }: SightOptions): Sight {
  const away = faultBook<'log'>()
  /** Since when the last question waits for its answer, by the steady clock; null: it has one. */
  let askedAtMs: number | null = null

  async function look(): Promise<void> {
    askedAtMs = steadyClock()
    try {
      await outlet.look()
      away.end('log')
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      away.tell('log', `The log does not answer: ${reason}`, refusesClicks)
    } finally {
      askedAtMs = null
    }
  }

  function silent(): Fault[] {
    const forMs = askedAtMs === null ? 0 : steadyClock() - askedAtMs
    if (forMs < silentMsMin || away.has('log')) return []
    return [{ what: 'The log does not answer', sinceMs: wallClock() - forMs, next: refusesClicks }]
  }

  const stop = every(lookIntervalMs, () => {
    if (askedAtMs === null) void look()
  })
  return { faults: () => [...outlet.faults(), ...away.all(), ...silent()], stop }
}
