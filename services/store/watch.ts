/**
 * What is wrong with the store now, for health checks: a call that failed and has not worked since, or one that has
 * had no answer for long. Inserts are known by their table, all else by its text. A fault is over when
 *
 *   the same call works
 *   a query works     and it was a query that only failed because the store was away,
 *                     or nobody has tried the same for a minute: who wanted it has given it up
 */
import { EbbError } from '../base/errors.ts'
import type { Fault } from '../base/faults.ts'
import { steadyClock, wallClock } from '../base/time.ts'
import type { Store } from './store.ts'

/** Above what a good call takes; far below the two minutes that the server may work on one. */
const silentMsMin = 10_000
/** Longer than Ebb waits between two tries of anything that it does not give up. */
const triedMsMax = 60_000

const tryAgain = 'Ebb keeps what it has and tries again.'

export interface Watch {
  readonly store: Store
  /** None: all that was asked lately was done. */
  faults(): Fault[]
  /** Asks for nothing, so that who has nothing to ask knows of a fault, and of its end. */
  probe(): void
}

interface Failure {
  readonly what: string
  /** Of the first failure since it last worked, by the wall clock. */
  readonly sinceMs: number
  /** Of the last one, by the steady clock. */
  readonly triedAtMs: number
  /** Over as soon as the store answers any query. */
  readonly passes: boolean
}

/** One that has no answer yet. */
interface Call {
  readonly doing: string
  /** By the steady clock. */
  readonly sinceMs: number
}

export function watchStore(store: Store, clock: () => number = steadyClock): Watch {
  const failures = new Map<string, Failure>()
  const running = new Set<Call>()

  function forgetPassed(): void {
    for (const [key, { passes, triedAtMs }] of failures)
      if (passes || clock() - triedAtMs >= triedMsMax) failures.delete(key)
  }

  async function watched<Result>(
    doing: string,
    key: string,
    isQuery: boolean,
    call: () => Promise<Result>,
  ): Promise<Result> {
    const entry = { doing, sinceMs: clock() }
    running.add(entry)
    try {
      const result = await call()
      failures.delete(key)
      if (isQuery) forgetPassed()
      return result
    } catch (error) {
      const passes = isQuery && error instanceof EbbError && error.retriable
      const sinceMs = failures.get(key)?.sinceMs ?? wallClock()
      failures.set(key, { what: wordsOf(error), sinceMs, triedAtMs: clock(), passes })
      throw error
    } finally {
      running.delete(entry)
    }
  }

  function failed(): Fault[] {
    const first = new Map<string, Fault>()
    for (const { what, sinceMs } of failures.values()) {
      const known = first.get(what)
      if (!known || sinceMs < known.sinceMs) first.set(what, { what, sinceMs, next: tryAgain })
    }
    return [...first.values()]
  }

  let probing = false
  const probed = () => {
    probing = false
  }

  const observed: Store = {
    query: (sql, params) => watched('a query', sql, true, () => store.query(sql, params)),
    scan: (sql, params) => watched('a query', sql, true, () => store.scan(sql, params)),
    insert: (table, rows) =>
      watched(`rows of ${table}`, table, false, () => store.insert(table, rows)),
    command: (sql, params) => watched('a command', sql, true, () => store.command(sql, params)),
    close: () => store.close(),
  }
  return {
    store: observed,
    faults: () => [...failed(), ...silentFaults(running, clock())],
    probe() {
      if (probing) return
      probing = true
      // What came of it is among the faults.
      observed.query('SELECT 1').then(probed, probed)
    },
  }
}

/** Of calls that have had no answer for long; `nowMs` by the steady clock. */
function silentFaults(running: Iterable<Call>, nowMs: number): Fault[] {
  const oldest = new Map<string, number>()
  for (const { doing, sinceMs } of running)
    if (!oldest.has(doing)) oldest.set(doing, nowMs - sinceMs)
  const long = [...oldest].filter(([, forMs]) => forMs >= silentMsMin)
  return long.map(([doing, forMs]) => ({
    what: `ClickHouse has not answered ${doing} for ${Math.floor(forMs / 1000)} s`,
    sinceMs: wallClock() - forMs,
    next: 'Ebb waits.',
  }))
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
