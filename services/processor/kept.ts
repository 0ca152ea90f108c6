/**
 * Partitions that went to another process, kept for a while in case they come back: their state is valid for
 * ever at its offset, and folding on from there is faster than reading all of it back.
 */
import type { Folded } from './folded.ts'
import type { Partition } from './partition.ts'

/** Longer than a rolling restart of the others takes. */
export const keptMsMax = 5 * 60_000
/** Each takes as much memory as one that is owned; past it the one kept for longest is let go. */
export const keptMax = 8

export interface Kept {
  put(number: number, partition: Partition): void
  /** Hands it over, when nothing of its last work runs any more. Undefined: nothing to go on from is kept. */
  take(number: number): Promise<Folded | undefined>
  /** Lets go of what is too old. */
  expire(): void
}

export function keepPartitions(steadyClock: () => number): Kept {
  /** The one kept for longest first. */
  const kept = new Map<number, { readonly partition: Partition; readonly sinceMs: number }>()
  const expire = () => {
    const oldestMs = steadyClock() - keptMsMax
    for (const [number, { sinceMs }] of kept)
      if (sinceMs < oldestMs || kept.size > keptMax) kept.delete(number)
  }
  return {
    put(number, partition) {
      kept.delete(number)
      kept.set(number, { partition, sinceMs: steadyClock() })
      expire()
    },
    async take(number) {
      expire()
      const partition = kept.get(number)?.partition
      kept.delete(number)
      return partition?.leave()
    },
    expire,
  }
}
