/**
 * Where the value tiers begin: the top 20 % of paying users by the money of their last 90 days, net of
 * refunds, entered at 20 % and left at 25 %. Asked of ClickHouse once a day of the project's clock, where
 * partition 0 is owned, and told to every partition as a record: the fold itself never asks.
 */
import type { Store } from '../store/store.ts'
import { keepControl } from './project.ts'

export interface Cutoffs {
  readonly high: number
  readonly keep: number
}

export const enterShare = 0.2
export const leaveShare = 0.25

/** Undefined while nobody has paid anything. */
export async function readCutoffs(store: Store): Promise<Cutoffs | undefined> {
  const [row] = await store.query<{ payers: string; high: string; keep: string }>(
    `WITH arrayReverseSort(groupArray(value_90)) AS amounts
     SELECT length(amounts) AS payers,
            amounts[toUInt32(ceil(length(amounts) * {enter:Float64}))] AS high,
            amounts[toUInt32(ceil(length(amounts) * {leave:Float64}))] AS keep
     FROM users_now WHERE value_90 > 0`,
    { enter: enterShare, leave: leaveShare },
  )
  if (!row || Number(row.payers) === 0) return undefined
  return { high: Number(row.high), keep: Number(row.keep) }
}

async function readKept(store: Store): Promise<Cutoffs | undefined> {
  const [row] = await store.query<{ value: string }>(
    "SELECT value FROM controls WHERE kind = 'cutoffs' ORDER BY revision DESC LIMIT 1",
  )
  return row && (JSON.parse(row.value) as Cutoffs)
}

/** How long the clock must move before a project without cutoffs is asked again. */
const firstTryMs = 3_600_000
/** By the wall's clock: the question reads all users, and what refuses it may stay. */
const retryMsMin = 10_000
const dayMs = 86_400_000

export interface CutoffsSchedule {
  /** Partition 0 was flushed at this clock. Resolves to true when new cutoffs were kept. */
  flushed(clockMs: number): Promise<boolean>
}

export async function openCutoffsSchedule(
  store: Store,
  wallClock: () => number,
): Promise<CutoffsSchedule> {
  let held = await readKept(store)
  let askedMs = Number.NEGATIVE_INFINITY
  let asking = false
  let failedAtMs = Number.NEGATIVE_INFINITY

  async function ask(): Promise<boolean> {
    const cutoffs = await readCutoffs(store)
    // Who had partition 0 meanwhile may have kept others.
    held = await readKept(store)
    if (!cutoffs || (cutoffs.high === held?.high && cutoffs.keep === held.keep)) return false
    await keepControl(store, 'cutoffs', cutoffs, wallClock())
    held = cutoffs
    return true
  }

  return {
    async flushed(clockMs) {
      const waitMs = held ? dayMs : firstTryMs
      if (asking || !(Math.floor(clockMs / waitMs) > Math.floor(askedMs / waitMs))) return false
      if (Math.abs(wallClock() - failedAtMs) < retryMsMin) return false
      asking = true
      try {
        const changed = await ask()
        // Not before: what failed is done at a later flush, and not a day later or never.
        askedMs = clockMs
        return changed
      } catch (error) {
        failedAtMs = wallClock()
        throw error
      } finally {
        asking = false
      }
    },
  }
}
