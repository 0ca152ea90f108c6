/** What the store or the log refuses now it may take later. */
import { EbbError } from '../base/errors.ts'
import { pause } from '../base/time.ts'
import type { Lease } from '../log/log.ts'

const retryDelayMsMax = 10_000

export interface Persistence {
  /** It failed for now, and is tried again. */
  readonly troubled: (error: EbbError, attempt: number) => void
  readonly stopping: AbortSignal
}

/** Repeats `task` until it succeeds, or fails for good; not beyond the end of the lease. */
export async function persist<Result>(
  { troubled, stopping }: Persistence,
  task: () => Promise<Result>,
  lease?: Lease,
): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await task()
    } catch (error) {
      if (!(error instanceof EbbError) || !error.retriable || stopping.aborted) throw error
      troubled(error, attempt)
    }
    await lease?.beat()
    await pause(Math.min(100 * 2 ** attempt, retryDelayMsMax), stopping)
  }
}
