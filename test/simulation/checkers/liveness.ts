/** I6, liveness: once faults are over all comes to its end, and nothing stood still for good on the way. */
import { EbbError } from '../../../services/base/errors.ts'
import type { Evidence } from '../evidence.ts'

export function checkLiveness({ settled, unsettled, failures }: Evidence): string[] {
  const wrong = failures.flatMap(({ by, atMs, partition, error }) => {
    // A process that finds no log and no tables at its start ends with a sentence, and is started again.
    const unready = partition === null && error instanceof EbbError && error.retriable
    if (unready) return []
    const what = partition === null ? 'ended' : `left partition ${partition} standing`
    return [`I6: ${by} ${what} at ${Math.floor(atMs)} ms: ${error}`]
  })
  if (!settled) wrong.push(`I6: long after the last fault ${unsettled}`)
  return wrong
}
