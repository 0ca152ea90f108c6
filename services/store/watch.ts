/**
 * What is wrong with the store now, for health checks: a call that failed and has not worked since, or one that has
 * had no answer for long. Inserts are known by their table, all else by its text; what only failed because the
 * store was away is forgotten as soon as it answers any query.
 */
import { EbbError } from '../base/errors.ts'
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

export function watchStore(store: Store, clock: () => number = steadyClock): Watch {
  const failures = new Map<string, { readonly sentence: string; readonly passes: boolean }>()
  /** Those that were ever inserted into. */
  const tables = new Set<string>()
  const running = new Set<{ readonly doing: string; readonly sinceMs: number }>()

  function forgetPassed(): void {
    for (const [key, { passes }] of failures) if (passes && !tables.has(key)) failures.delete(key)
  }

  async function watched<Result>(
    doing: string,
    key: string,
    call: () => Promise<Result>,
  ): Promise<Result> {
    const entry = { doing, sinceMs: clock() }
    running.add(entry)
    try {
      const result = await call()
      failures.delete(key)
      if (!tables.has(key)) forgetPassed()
      return result
    } catch (error) {
      const sentence = error instanceof Error ? error.message : String(error)
      failures.set(key, { sentence, passes: error instanceof EbbError && error.retriable })
      throw error
    } finally {
      running.delete(entry)
    }
  }

  function sentences(): Set<string> {
    return new Set([...failures.values()].map(({ sentence }) => sentence))
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
    query: (sql, params) => watched('a query', sql, () => store.query(sql, params)),
    scan: (sql, columns, params) => watched('a query', sql, () => store.scan(sql, columns, params)),
    insert(table, rows) {
      tables.add(table)
      return watched(`rows of ${table}`, table, () => store.insert(table, rows))
    },
    command: (sql, params) => watched('a command', sql, () => store.command(sql, params)),
    close: () => store.close(),
  }
  return {
    store: observed,
    faults: () => [...sentences(), ...silent()],
    probe() {
      if (probing) return
      probing = true
      // What came of it is among the faults.
      observed.query('SELECT 1').then(probed, probed)
    },
  }
}
