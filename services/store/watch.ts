/**
 * What is wrong with the store now, for health checks: a call that failed and has not worked since, or one that has
 * had no answer for long. A call is known by what it is for: rows of one table, a query, a command.
 */
import { steadyClock } from '../base/time.ts'
import type { Store } from './store.ts'

/** Above what a good call takes; far below the two minutes that the server may work on one. */
const silentMsMin = 10_000

export interface Watch {
  readonly store: Store
  /** Sentences; none: all that was asked lately was done. */
  faults(): string[]
  /** Asks for nothing, so that who has nothing to ask knows of a fault, and of its end. */
  probe(): void
}

export interface WatchOptions {
  readonly clock?: () => number
  /** Told of each call that failed. */
  readonly failed?: (doing: string) => void
}

export function watchStore(store: Store, options: WatchOptions = {}): Watch {
  const { clock = steadyClock, failed = () => {} } = options
  const failures = new Map<string, string>()
  const running = new Set<{ readonly doing: string; readonly sinceMs: number }>()

  async function watched<Result>(doing: string, call: () => Promise<Result>): Promise<Result> {
    const entry = { doing, sinceMs: clock() }
    running.add(entry)
    try {
      const result = await call()
      failures.delete(doing)
      return result
    } catch (error) {
      failures.set(doing, error instanceof Error ? error.message : String(error))
      failed(doing)
      throw error
    } finally {
      running.delete(entry)
    }
  }

  function silent(): string[] {
    const oldest = new Map<string, number>()
    for (const { doing, sinceMs } of running)
      if (!oldest.has(doing)) oldest.set(doing, clock() - sinceMs)
    const long = [...oldest].filter(([, forMs]) => forMs >= silentMsMin)
    return long.map(
      ([doing, forMs]) =>
        `ClickHouse has not answered ${doing} for ${Math.floor(forMs / 1000)} s; Ebb waits.`,
    )
  }

  let probing = false
  const probed = () => {
    probing = false
  }

  const observed: Store = {
    query: (sql, params) => watched('a query', () => store.query(sql, params)),
    insert: (table, rows) => watched(`rows of ${table}`, () => store.insert(table, rows)),
    command: (sql, params) => watched('a command', () => store.command(sql, params)),
    close: () => store.close(),
  }
  return {
    store: observed,
    faults: () => [...failures.values(), ...silent()],
    probe() {
      if (probing) return
      probing = true
      // What came of it is among the faults.
      observed.query('SELECT 1').then(probed, probed)
    },
  }
}
