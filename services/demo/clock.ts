/** The clock of a replay: it stands still until it is advanced, and never goes back. */

export interface ReplayClock {
  /** Epoch ms of the project. */
  now(): number
  advance(toMs: number): void
}

export function createReplayClock(startMs: number): ReplayClock {
  let nowMs = startMs
  return {
    now: () => nowMs,
    advance(toMs) {
      nowMs = Math.max(nowMs, toMs)
    },
  }
}
