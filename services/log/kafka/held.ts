/**
 * One partition while this process has it:
 *
 *   open -> (records)* -> close in order    given back, or stopped: what runs ends first, then the owner flushes
 *                      -> close as lost     at once, whatever the owner is doing
 *                      -> failed            at the first error of the owner or the log; nothing follows
 *                      -> close as lost, failed   where that is a bug of ours
 */
import type { Logger } from 'pino'
import { EbbError, isBug } from '../../base/errors.ts'
import { nextTurn, steadyClock } from '../../base/time.ts'
import type { Lease, Owner } from '../log.ts'
import { settled } from './deadline.ts'
import type { Source } from './place.ts'
import { toError } from './wire.ts'

/** An owner that does not get it flushed by then loses it; the group would not wait longer either. */
const giveBackMsMax = 30_000

export interface Held {
  readonly partition: number
  /** It is no longer to be kept, though its owner may not be through. */
  readonly ending: boolean
  /** Settled when nothing of it runs any more; never rejects. */
  readonly done: Promise<void>
  /** The offset after the last record that the owner has taken; null before it is open. */
  readonly handledOffset: number | null
  /** What its owner or the log threw, unless it was lost before. */
  readonly failure: Error | undefined
  /** Where its owner wanted to begin; null before it is open. */
  readonly openedOffset: number | null
  /** What the owner last told as the place to go on from. */
  readonly hint: number | undefined
  readonly source: Source | undefined
  /** When its owner was last through with records, by the steady clock. */
  readonly movedAtMs: number
  /** Closes in order; resolves when that is done. */
  end(): Promise<void>
  /** As `end`, but not for ever. */
  giveBack(): Promise<void>
  lose(): void
}

export interface HeldOptions {
  readonly partition: number
  readonly owner: Owner
  /** An earlier life of it here, whose owner may still be busy. */
  readonly earlier: Promise<void>
  /** Begins to read; the source fails with `offsetGone` where the log does not have the offset. */
  readonly open: (offset: number) => Source
  /** Whether the group may have given it away; if so, it loses all it has given to us. */
  readonly expired: () => boolean
  readonly logger: Logger
}

export function hold(options: HeldOptions): Held {
  const { partition, owner, expired, logger } = options
  let closing: Promise<void> | null = null
  let opened = false
  let lost = false
  let over = false
  let found: { readonly error: unknown } | undefined

  const lease: Lease = {
    get lost() {
      return lost || over || expired()
    },
    async beat() {
      await nextTurn()
      if (lease.lost)
        throw new EbbError('partitionLost', `Partition ${partition} is no longer ours.`)
    },
    fail(error) {
      found ??= { error }
      held.source?.stop()
    },
    async commit(nextOffset) {
      held.hint = nextOffset
    },
  }

  const held = {
    partition,
    ending: false,
    handledOffset: null as number | null,
    failure: undefined as Error | undefined,
    openedOffset: null as number | null,
    hint: undefined as number | undefined,
    source: undefined as Source | undefined,
    movedAtMs: steadyClock(),
    done: Promise.resolve(),
    end() {
      held.ending = true
      held.source?.stop()
      return held.done
    },
    async giveBack() {
      if (!(await settled(held.end(), giveBackMsMax))) held.lose()
    },
    lose() {
      if (lost || over) return
      lost = true
      void held.end()
      if (opened) close()
    },
  }

  function close(): Promise<void> {
    closing ??= owner.close(partition, lost)
    return closing.then(
      () => {
        // Found too late for `records` to end by it.
        if (found && !lost) fail(found.error)
      },
      error => fail(error),
    )
  }

  function fail(error: unknown): void {
    held.failure ??= toError(error)
    owner.failed(partition, held.failure)
  }

  async function run(): Promise<void> {
    await options.earlier
    if (held.ending) return
    const offset = await owner.open(partition)
    opened = true
    if (lost) return
    held.openedOffset = offset
    held.handledOffset = offset
    held.source = options.open(offset)
    if (held.ending) held.source.stop()
    for (;;) {
      const batch = await held.source.next()
      if (found && !lost) throw found.error
      if (batch === null || lost) return
      await owner.records(partition, batch, lease)
      held.handledOffset = batch.at(-1)!.offset + 1
      held.movedAtMs = steadyClock()
    }
  }

  async function live(): Promise<void> {
    try {
      await run()
      if (opened) await close()
    } catch (error) {
      if (lost) logger.debug({ partition, err: error }, 'The owner of a lost partition stopped.')
      const failure = lost ? undefined : toError(error)
      if (failure && isBug(failure)) lost = true
      if (lost && opened) await close()
      if (failure) fail(failure)
    } finally {
      over = true
      held.source?.stop()
    }
  }

  held.done = live()
  return held
}
