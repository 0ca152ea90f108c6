/** What a run says of a planted bug: only a broken promise finds it. A run that came to no end says nothing. */
import type { Entry } from '../simulation/tally.ts'

export interface SeedCounts {
  /** Seeds that broke a promise. */
  readonly failed: number
  /** Seeds that nobody judged: their processes ended, or time was up. */
  readonly aborted: number
}

/** Of the seeds that were asked for, by the account that they left. */
export function countSeeds(entries: readonly Entry[], asked: number): SeedCounts {
  const judged = entries.filter(({ aborted }) => !aborted)
  const failed = judged.filter(entry => entry.failed.length > 0)
  return { failed: failed.length, aborted: asked - judged.length }
}

export type TestVerdict = 'passed' | 'failed' | 'aborted'

/**
 * Of a test file, by its TAP. Aborted: it could not be loaded, was cut off, ended before its last test, or has none.
 * Node then counts the file itself as a test.
 */
export function verdictOfTests(file: string, tap: string): TestVerdict {
  const count = (what: string) => Number(new RegExp(`^# ${what} (\\d+)$`, 'm').exec(tap)?.[1])
  const names = [...tap.matchAll(/^ *(?:not )?ok \d+ - (.*)$/gm)].map(([, name]) => name!)
  if (count('cancelled') !== 0 || names.length === 0 || names.some(name => name.endsWith(file)))
    return 'aborted'
  return count('fail') === 0 ? 'passed' : 'failed'
}
