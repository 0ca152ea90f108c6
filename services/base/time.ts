/** The one door to timers. Time itself comes in as a `clock` argument. */

/** Resolves after the event loop has gone round: input and output get their turn. */
export function nextTurn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}

/** Calls `work` every `intervalMs` until the returned function is called; never keeps the process alive. */
export function every(intervalMs: number, work: () => void): () => void {
  const timer = setInterval(work, intervalMs)
  timer.unref()
  return () => clearInterval(timer)
}

/** Epoch ms by this machine's clock, which may jump either way. For what must be real: a signature's time. */
export function wallClock(): number {
  return Date.now()
}

/** Ms since some fixed moment, never going back: for durations. */
export function steadyClock(): number {
  return performance.now()
}

/** Node's timers count in 32 bits, and fire at once beyond. */
const delayMsMax = 2 ** 31 - 1

/** Calls `then` once after `delayMs` (at most 24 days), unless the returned function was called before. */
export function after(delayMs: number, then: () => void): () => void {
  const timer = setTimeout(then, Math.min(delayMs, delayMsMax))
  return () => clearTimeout(timer)
}

/** Resolves after `durationMs`, or at once when `signal` says stop; never keeps the process alive. */
export function pause(durationMs: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) return resolve()
    const end = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, durationMs)
    timer.unref()
    signal.addEventListener('abort', end)
  })
}

/** In [0, 1): chance, for jitter. */
export function random(): number {
  return Math.random()
}
