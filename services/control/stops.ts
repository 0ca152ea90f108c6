/** Stopping in order: what was begun last ends first, within a deadline. */
import type { Logger } from 'pino'
import { after, steadyClock } from '../base/time.ts'

/** Things to undo at the end. */
export type Stops = (() => Promise<void> | void)[]

const stopTimeoutMs = 10_000

export async function runStops(stops: Stops): Promise<void> {
  for (let stop = stops.pop(); stop; stop = stops.pop()) await stop()
}

const sameSignalMsMax = 500

/**
 * Resolves when a signal came and all has been stopped. A second signal, or the deadline, ends the process at
 * once, which loses nothing either: the next start goes on from what is on the disk.
 */
export function untilStopped(
  stops: Stops,
  logger: Logger,
  print: (line: string) => void,
): Promise<void> {
  let toldAtMs: number | undefined
  return new Promise((resolve, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.on(signal, () => {
        if (toldAtMs !== undefined) {
          // A terminal's Ctrl-C comes twice where npm, or an older Node, stands between: that is one.
          if (steadyClock() - toldAtMs < sameSignalMsMax) return
          process.exit(1)
        }
        toldAtMs = steadyClock()
        print('Stopping: what came in is being finished.')
        const cancel = after(stopTimeoutMs, () => {
          logger.error('stopping takes too long: the next start goes on from what is on the disk')
          process.exit(1)
        })
        runStops(stops).then(resolve, reject).finally(cancel)
      })
  })
}
