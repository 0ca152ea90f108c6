/** The one door to timers, clocks and chance. Mostly time comes in as a `clock` argument. */

/** What time is made of. `timer` and `repeat` give back what cancels them. */
export interface TimeSource {
  readonly wallClock: () => number
  readonly steadyClock: () => number
  readonly random: () => number
  readonly turn: (then: () => void) => void
  /** `keepsAlive`: the process does not end before. */
  readonly timer: (delayMs: number, then: () => void, keepsAlive: boolean) => () => void
  readonly repeat: (intervalMs: number, work: () => void) => () => void
}

const machine: TimeSource = {
  wallClock: Date.now,
  steadyClock: () => performance.now(),
  random: Math.random,
  turn: setImmediate,
  timer(delayMs, then, keepsAlive) {
    const timer = setTimeout(then, delayMs)
    if (!keepsAlive) timer.unref()
    return () => clearTimeout(timer)
  },
  repeat(intervalMs, work) {
    const timer = setInterval(work, intervalMs)
    timer.unref()
    return () => clearInterval(timer)
  },
}

let source = machine

/** From here on time is of this source; without one, the machine's again. Only the simulator calls it. */
export function takeTimeFrom(other: TimeSource = machine): void {
  source = other
}

/** Resolves after the event loop has gone round: input and output get their turn. */
export function nextTurn(): Promise<void> {
  return new Promise(resolve => source.turn(resolve))
}

/** Calls `work` every `intervalMs` until the returned function is called; never keeps the process alive. */
export function every(intervalMs: number, work: () => void): () => void {
  return source.repeat(intervalMs, work)
}

/** Epoch ms by this machine's clock, which may jump either way. For what must be real: a signature's time. */
export function wallClock(): number {
  return source.wallClock()
}

/** Ms since some fixed moment, never going back: for durations. */
export function steadyClock(): number {
  return source.steadyClock()
}

/** A moment by both clocks of this machine, to tell how long ago it was though it may have been suspended since. */
export interface Moment {
  readonly steadyMs: number
  readonly wallMs: number
}

export function momentNow(): Moment {
  return { steadyMs: steadyClock(), wallMs: wallClock() }
}

/** By the clock that says more: the steady one stands while the machine is suspended, the wall's may be set back. */
export function elapsedMs({ steadyMs, wallMs }: Moment): number {
  return Math.max(steadyClock() - steadyMs, wallClock() - wallMs)
}

/** Node's timers count in 32 bits, and fire at once beyond. */
const delayMsMax = 2 ** 31 - 1

/** Calls `then` once after `delayMs` (at most 24 days), unless the returned function was called before. */
export function after(delayMs: number, then: () => void): () => void {
  return source.timer(Math.min(delayMs, delayMsMax), then, true)
}

/** Resolves after `durationMs`, or at once when `signal` says stop; never keeps the process alive. */
export function pause(durationMs: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) return resolve()
    const end = () => {
      cancel()
      signal.removeEventListener('abort', end)
      resolve()
    }
    const cancel = source.timer(durationMs, end, false)
    signal.addEventListener('abort', end)
  })
}

/** In [0, 1): chance, for jitter. */
export function random(): number {
  return source.random()
}
