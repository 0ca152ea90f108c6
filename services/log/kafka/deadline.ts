/** Promises of a library that may never settle, with an end. */
import { after } from '../../base/time.ts'

/** As `promise`, or rejects with `late()` after `durationMs`; what comes later is dropped. */
export function within<T>(promise: Promise<T>, durationMs: number, late: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = after(durationMs, () => reject(late()))
    promise.then(resolve, reject).finally(cancel)
  })
}

/** True if it was fulfilled in time; never rejects. */
export function settled(promise: Promise<unknown>, durationMs: number): Promise<boolean> {
  return within(promise, durationMs, () => new Error('late')).then(
    () => true,
    () => false,
  )
}

/**
 * Resolves after `durationMs`, or at once when `signal` says stop. Until then the process does not end: while no
 * broker is there, no connection keeps it alive, and somebody waits for what comes next.
 */
export function waiting(durationMs: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) return resolve()
    const end = () => {
      cancel()
      signal.removeEventListener('abort', end)
      resolve()
    }
    const cancel = after(durationMs, end)
    signal.addEventListener('abort', end)
  })
}
