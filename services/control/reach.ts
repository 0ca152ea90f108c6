/** How far each partition is in the tables, for those in this process who wait for it. */
export interface Reach {
  moved(partition: number, nextOffset: number): void
  failed(error: Error): void
  /** Resolves once every partition is there; rejects when one of them stands still. */
  upTo(ends: readonly number[]): Promise<void>
}

export function createReach(partitions: number): Reach {
  const nextOffsets = new Array<number>(partitions).fill(-1)
  const waiting = new Set<() => void>()
  let failure: Error | undefined
  const wake = () => {
    for (const look of waiting) look()
  }
  return {
    moved(partition, nextOffset) {
      nextOffsets[partition] = nextOffset
      wake()
    },
    failed(error) {
      failure = error
      wake()
    },
    upTo: ends =>
      new Promise((resolve, reject) => {
        const look = () => {
          const there = ends.every((end, partition) => nextOffsets[partition]! >= end)
          if (!there && !failure) return
          waiting.delete(look)
          if (there) resolve()
          else reject(failure)
        }
        waiting.add(look)
        look()
      }),
  }
}
