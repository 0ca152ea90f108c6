/** How much of the thread an audit takes from whoever shares it: the processor that folds live clicks. */
import { nextTurn, pause, steadyClock } from '../base/time.ts'
import type { AuditSource } from './source.ts'

/** After so many records, or rows, others get their turn: some milliseconds of work. */
export const pieceSize = 256

/**
 * To be called between pieces of work. Where the audit shares its thread it rests so long that, by the clock on the
 * wall, it works no more than its share: the busier the machine, the slower. Rejects when the audit is to end.
 */
export function createPace({ share, stopping }: AuditSource): () => Promise<void> {
  let begunAtMs = steadyClock()
  return async () => {
    stopping?.throwIfAborted()
    if (share === undefined || stopping === undefined) await nextTurn()
    else await pause((steadyClock() - begunAtMs) * (1 / share - 1), stopping)
    stopping?.throwIfAborted()
    begunAtMs = steadyClock()
  }
}
