/**
 * One process owns all partitions of a local log. Per partition: open -> (records)* -> close, or failed at the
 * first error of the owner or the log, after which nothing follows for that partition; behind a bug it is opened anew.
 */
import { isBug } from '../base/errors.ts'
import { nextTurn, pause } from '../base/time.ts'
import type { Bell } from './bell.ts'
import type { Lease, LogRecord, Owner, Ownership } from './log.ts'
import { createReopening } from './reopening.ts'

export interface OwnedPartition {
  readonly appended: Bell
  /** A bounded batch from `offset` on; empty at the end. */
  read(offset: number): LogRecord[]
}

interface Failure {
  readonly error: Error
  /** Where the owner wanted to begin; null where it did not open. */
  readonly openedOffset: number | null
}

export function ownAll(partitions: readonly OwnedPartition[], owner: Owner): Ownership {
  const stopping = new AbortController()
  const turn = turnsOneByOne()

  /** Resolves to what ended it; to nothing when it was closed in order. */
  async function live(partition: number): Promise<Failure | undefined> {
    const { appended, read } = partitions[partition]!
    let failure: { readonly error: unknown } | undefined
    const fail = (error: unknown) => {
      failure ??= { error }
      appended.ring()
    }
    const lease = leaseOf(turn, fail)
    let openedOffset: number | null = null
    try {
      openedOffset = await owner.open(partition)
      let offset = openedOffset
      while (true) {
        await turn()
        if (failure) throw failure.error
        if (stopping.signal.aborted) break
        const batch = read(offset)
        if (batch.length === 0) {
          await appended.next()
          continue
        }
        await owner.records(partition, batch, lease)
        offset += batch.length
      }
      await owner.close(partition, false)
      return undefined
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(String(thrown))
      lease.lost = true
      const isOpen = openedOffset !== null && !stopping.signal.aborted
      // What it throws now is told by what ended it.
      if (isOpen && isBug(error)) await owner.close(partition, true).catch(() => undefined)
      owner.failed(partition, error)
      return { error, openedOffset }
    } finally {
      lease.lost = true
    }
  }

  async function run(partition: number): Promise<void> {
    const reopening = createReopening()
    while (!stopping.signal.aborted) {
      const failure = await live(partition)
      const delayMs = failure && reopening(failure.error, failure.openedOffset)
      if (delayMs === undefined) return
      await pause(delayMs, stopping.signal)
    }
  }

  const running = Promise.all(partitions.map((_, partition) => run(partition)))
  return {
    async stop() {
      stopping.abort()
      for (const { appended } of partitions) appended.ring()
      await running
    },
  }
}

function leaseOf(
  turn: () => Promise<void>,
  fail: Lease['fail'],
): { -readonly [Key in keyof Lease]: Lease[Key] } {
  return {
    lost: false,
    fail,
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
