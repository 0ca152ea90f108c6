/** Waits for a demo between two steps of its story, so that each is whole before the next. */
import { nextTurn } from '../../services/base/time.ts'
import type { System } from '../../services/control/system.ts'

/** Resolves when all that stands on the log is folded, in the tables, and told to the receiver. */
export async function settled({ log, processor, store }: System): Promise<void> {
  for (const [number, partition] of processor.partitions) {
    const { endOffset } = await log.bounds('clicks', number)
    while (partition.state.offset < endOffset - 1) await nextTurn()
    await partition.finish()
  }
  for (let isOpen = true; isOpen; await nextTurn()) {
    const [row] = await store.query<{ sent: string; delivered: string }>(
      `SELECT (SELECT count() FROM alerts FINAL WHERE send) AS sent,
              (SELECT uniqExact(message_id) FROM deliveries WHERE status = 'delivered') AS delivered`,
    )
    isOpen = row!.sent !== row!.delivered
  }
}
