/** Wakes all who wait for it. Whoever looks first and then waits, without an await between, misses nothing. */
export interface Bell {
  ring(): void
  /** Resolves when it rings next. */
  next(): Promise<void>
}

export function bell(): Bell {
  let waiting: (() => void)[] = []
  return {
    ring() {
      const woken = waiting
      waiting = []
      for (const wake of woken) wake()
    },
    next() {
      return new Promise(resolve => waiting.push(resolve))
    },
  }
}
