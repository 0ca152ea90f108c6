/** How much of the thread an audit takes from whoever shares it: the processor that folds live clicks. */
import { nextTurn, pause, steadyClock } from '../base/time.ts'
import type { AuditSource } from './source.ts'

/** After so many records, or rows, others get their turn: some milliseconds of work. */
export const pieceSize = 256

const never = new AbortController().signal

/**
 * What it returns is to be called between pieces of work that follow each other: what lies between two calls counts as
 * work. With a share it rests so long that the work is no more than that share of the time on a clock: the busier the
 * machine, the slower. Rejects when the audit is to end.
 */
export function createPace({
  share = 1,
  stopping = never,
}: Pick<AuditSource, 'share' | 'stopping'>): () => Promise<void> {
  let begunAtMs = steadyClock()
  return async () => {
    stopping.throwIfAborted()
    const restMs = (steadyClock() - begunAtMs) * (1 / share - 1)
    await (restMs > 0 ? pause(restMs, stopping) : nextTurn())
    stopping.throwIfAborted()
    begunAtMs = steadyClock()
  }
}
