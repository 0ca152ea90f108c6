/**
 * One process owns all partitions of a local log. Per partition: open -> (records)* -> close, or failed at the
 * first error of the owner or the log, after which nothing follows for that partition.
 */
import { nextTurn } from '../base/time.ts'
import type { Bell } from './bell.ts'
import type { Lease, LogRecord, Owner, Ownership } from './log.ts'

export interface OwnedPartition {
  readonly appended: Bell
  /** A bounded batch from `offset` on; empty at the end. */
  read(offset: number): LogRecord[]
}

export function ownAll(partitions: readonly OwnedPartition[], owner: Owner): Ownership {
  let stopping = false
  const turn = turnsOneByOne()

  async function run(partition: number): Promise<void> {
    const { appended, read } = partitions[partition]!
    const lease = leaseOf(turn)
    try {
      let offset = await owner.open(partition)
      while (true) {
        await turn()
        if (stopping) break
        const batch = read(offset)
        if (batch.length === 0) {
          await appended.next()
          continue
        }
        await owner.records(partition, batch, lease)
        offset += batch.length
      }
      await owner.close(partition, false)
    } catch (error) {
      owner.failed(partition, error instanceof Error ? error : new Error(String(error)))
    } finally {
      lease.lost = true
    }
  }

  const running = Promise.all(partitions.map((_, partition) => run(partition)))
  return {
    async stop() {
      stopping = true
      for (const { appended } of partitions) appended.ring()
      await running
    },
  }
}

function leaseOf(turn: () => Promise<void>): { -readonly [Key in keyof Lease]: Lease[Key] } {
  return {
    lost: false,
    // Nobody waits for a sign of life here; but a long piece of work lets the rest of the process breathe.
    beat: turn,
    // Lag is read from the owner's own progress.
    commit: async () => {},
  }
}

/**
 * Each call resolves in a turn of the event loop of its own: however many partitions catch up at once, input
 * and output wait for one batch, not for one of each.
 */
function turnsOneByOne(): () => Promise<void> {
  let last = Promise.resolve()
  return () => {
    last = last.then(nextTurn)
    return last
  }
}
