/** Sweeps what was written of erased users after their erasure, over and over: nobody knows when the last of it comes. */
import type { EbbError } from '../base/errors.ts'
import { every } from '../base/time.ts'
import type { Store } from '../store/store.ts'
import { sweepErased } from './erasures.ts'

/** A sweep reads the users' ids of some tables whole. */
export const sweepIntervalMs = 10 * 60_000

export interface SweepOptions {
  readonly store: Store
  readonly intervalMs: number
  /** Whether it is this process that sweeps: one does for all partitions. */
  readonly isMine: () => boolean
  readonly failed: (error: EbbError) => void
}

/** Resolves from the function that it returns when no sweep runs any more. */
export function startSweeping(options: SweepOptions): () => Promise<void> {
  const { store, intervalMs, isMine, failed } = options
  let sweeping: Promise<void> | undefined
  const stop = every(intervalMs, () => {
    if (sweeping || !isMine()) return
    sweeping = sweepErased(store)
      .then(() => undefined, failed)
      .finally(() => {
        sweeping = undefined
      })
  })
  return async () => {
    stop()
    await sweeping
  }
}
