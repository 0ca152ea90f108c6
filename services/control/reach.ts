/** How far each partition is in the tables, for those in this process who wait for it. */
export interface Reach {
  moved(partition: number, nextOffset: number): void
  /** It stands still, until it moves again. */
  failed(partition: number, error: Error): void
  /** Resolves once every partition is there; rejects when one of them stands still. */
  upTo(ends: readonly number[]): Promise<void>
}

export function createReach(partitions: number): Reach {
  const nextOffsets = new Array<number>(partitions).fill(-1)
  const waiting = new Set<() => void>()
  const failures = new Map<number, Error>()
  const wake = () => {
    for (const look of waiting) look()
  }
  return {
    moved(partition, nextOffset) {
      nextOffsets[partition] = nextOffset
      failures.delete(partition)
      wake()
    },
    failed(partition, error) {
      failures.set(partition, error)
      wake()
    },
    upTo: ends =>
      new Promise((resolve, reject) => {
        const look = () => {
          const there = ends.every((end, partition) => nextOffsets[partition]! >= end)
          if (!there && failures.size === 0) return
          waiting.delete(look)
          if (there) resolve()
          else reject([...failures.values()][0])
        }
        waiting.add(look)
        look()
      }),
  }
}
