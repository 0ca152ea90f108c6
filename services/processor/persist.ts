/** What the store or the log refuses now it may take later, by itself or when somebody has mended the cause. */
import { EbbError, isWaitedFor } from '../base/errors.ts'
import { pause } from '../base/time.ts'
import type { Lease } from '../log/log.ts'

const retryDelayMsMax = 10_000
/** Of what somebody has to mend first. */
const mendedDelayMs = 30_000

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
    let delayMs: number
    try {
      return await task()
    } catch (error) {
      if (!isWaitedFor(error) || stopping.aborted) throw error
      delayMs = error.retriable ? Math.min(100 * 2 ** attempt, retryDelayMsMax) : mendedDelayMs
      troubled(error, attempt)
    }
    await lease?.beat()
    await pause(delayMs, stopping)
  }
}

/** What Ebb does about an error that `persist` tells. */
export function whatNext(error: Error): string {
  const retriable = error instanceof EbbError && error.retriable
  const maxSeconds = (retriable ? retryDelayMsMax : mendedDelayMs) / 1_000
  const often = retriable ? `every ${maxSeconds} s at most` : `every ${maxSeconds} s`
  return `Ebb keeps its place and tries again ${often}.`
}
