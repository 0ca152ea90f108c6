/** Stopping in order: what was begun last ends first, within a deadline. */
import type { Logger } from 'pino'
import { after } from '../base/time.ts'

/** Things to undo at the end. */
export type Stops = (() => Promise<void> | void)[]

const stopTimeoutMs = 10_000

export async function runStops(stops: Stops): Promise<void> {
  for (let stop = stops.pop(); stop; stop = stops.pop()) await stop()
}

/**
 * Resolves when a signal came and all has been stopped. A second signal, or the deadline, ends the process at
 * once, which loses nothing either: the next start goes on from what is on the disk.
 */
export function untilStopped(
  stops: Stops,
  logger: Logger,
  print: (line: string) => void,
): Promise<void> {
  let told = false
  return new Promise((resolve, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.on(signal, () => {
        if (told) process.exit(1)
        told = true
        print('Stopping: what came in is being finished.')
        const cancel = after(stopTimeoutMs, () => {
          logger.error('stopping takes too long: the next start goes on from what is on the disk')
          process.exit(1)
        })
        runStops(stops).then(resolve, reject).finally(cancel)
      })
  })
}
