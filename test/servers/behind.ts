/**
 * How far the tables were behind the log while a scene ran, and for how long: a record that was on the log at some
 * moment, and is not in the tables yet, is as old as that moment at least.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { steadyClock } from '../../services/base/time.ts'
import type { Log } from '../../services/log/log.ts'
import type { Store } from '../../services/store/store.ts'
import { endsOf, foldedIn } from './compare.ts'

const lookIntervalMs = 200
/** Less than this is how Ebb works, not a fault. */
const behindMsMin = 2_000

export interface Behind {
  /** The oldest that a record was before the tables had it. */
  readonly worstMs: number
  /** The longest from when the tables stopped following the log until they were less than 2 s behind again. */
  readonly recoveredMs: number
}

/** Watches until `stop`, which tells. While one of them does not answer, what it said last counts. */
export function watchBehind(log: Log, store: Store): { stop(): Behind } {
  /** Where the log ended and when, ascending; all but the first are beyond what is folded. */
  const marks: { atMs: number; ends: number }[] = [{ atMs: steadyClock(), ends: 0 }]
  let [folded, worstMs, recoveredMs] = [0, 0, 0]
  /** When the tables were last up to date, while they are behind. */
  let followedAtMs: number | undefined
  let stopping = false

  function look(): void {
    const atMs = steadyClock()
    while (marks.length > 1 && marks[0]!.ends <= folded) marks.shift()
    const oldest = marks[0]!
    const behindMs = oldest.ends <= folded ? 0 : atMs - oldest.atMs
    worstMs = Math.max(worstMs, behindMs)
    if (behindMs >= behindMsMin) followedAtMs ??= oldest.atMs
    else if (followedAtMs !== undefined) {
      recoveredMs = Math.max(recoveredMs, atMs - followedAtMs)
      followedAtMs = undefined
    }
  }

  async function askLog(): Promise<void> {
    const ends = await endsOf(log)
    if (ends > marks.at(-1)!.ends) marks.push({ atMs: steadyClock(), ends })
  }

  async function askStore(): Promise<void> {
    folded = await foldedIn(store)
  }

  async function keepAsking(ask: () => Promise<void>): Promise<void> {
    while (!stopping) {
      // Who is down or halted is what these scenes are about.
      await ask().then(look, () => undefined)
      await wait(lookIntervalMs)
    }
  }

  for (const ask of [askLog, askStore]) void keepAsking(ask)
  return {
    stop() {
      stopping = true
      return { worstMs: Math.round(worstMs), recoveredMs: Math.round(recoveredMs) }
    },
  }
}
