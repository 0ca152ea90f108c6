/**
 * A processor over epochs: folds the oldest one that is not drained to its Seals; when it is, goes over to the
 * next, and from then on carries over what still comes to the old topic.
 */
import { every } from '../base/time.ts'
import type { Log, Ownership } from '../log/log.ts'
import type { Store } from '../store/store.ts'
import { whyEnded } from './ahead.ts'
import { startCarrying } from './carry.ts'
import { type Epoch, isDrained } from './epochs.ts'
import { type Present, readChain } from './present.ts'
import { lookIntervalMs } from './watch.ts'

export interface FollowOptions {
  readonly log: Log
  readonly store: Store
  /** The newest epoch when this process started. */
  readonly newest: Present
  /** Folds this epoch until it is stopped. */
  readonly fold: (epoch: Present) => Promise<Folding>
  readonly carried: (clicks: number) => void
  /** Something could not be done for now; it is tried again. */
  readonly troubled: (error: Error) => void
  /** What comes to a partition of this topic is carried over no further for now, or until a restart. */
  readonly failed: (topic: string, partition: number, error: Error) => void
  /** It does not stand still here: it is carried over, or another's. */
  readonly well: (topic: string, partition: number) => void
  /** Why nothing more is folded, though the tables know of no later epoch; undefined when they do again. */
  readonly ended: (why: Error | undefined) => void
}

export interface Folding {
  /** The Seal of one of its partitions is folded. */
  isSealed(): boolean
  stop(): Promise<void>
}

export interface Following {
  /** The epoch that is folded. */
  present(): Present
  stop(): Promise<void>
}

const idle: Folding = { isSealed: () => false, stop: async () => undefined }

export async function followEpochs(options: FollowOptions): Promise<Following> {
  const { log, store, newest, fold, carried, troubled } = options
  /** By the epoch that they carry over from. */
  const carriers = new Map<number, Ownership>()
  const carry = async (from: Epoch, to: Epoch) => {
    if (carriers.has(from.epoch)) return
    const failed = (partition: number, error: Error) => options.failed(from.topic, partition, error)
    const well = (partition: number) => options.well(from.topic, partition)
    const carrier = await startCarrying({ log, store, from, to, carried, troubled, well, failed })
    carriers.set(from.epoch, carrier)
  }

  const epochs = await readChain(store)
  const chain = epochs.length > 0 ? epochs : [newest]
  let at = 0
  for (; at < chain.length - 1; at++) {
    if (!(await isDrained(store, chain[at]!))) break
    await carry(chain[at]!, chain[at + 1]!)
  }
  let present = chain[at]!
  let folding = await fold(present)
  let isEnded = false

  async function look(): Promise<void> {
    const next = (await readChain(store)).find(({ epoch }) => epoch > present.epoch)
    if (!next && folding.isSealed() && !isEnded) {
      const why = await whyEnded({ log, store }, present)
      isEnded = why !== undefined
      if (why) options.ended(why)
    }
    if (!next || !(await isDrained(store, present))) return
    if (isEnded) options.ended(undefined)
    isEnded = false
    // First, and once: what fails behind it is tried again.
    await carry(present, next)
    await folding.stop()
    folding = idle
    folding = await fold(next)
    present = next
  }
  let looking: Promise<void> | undefined
  const stopLooking = every(lookIntervalMs, () => {
    looking ??= look()
      .catch(troubled)
      .finally(() => {
        looking = undefined
      })
  })
  return {
    present: () => present,
    async stop() {
      stopLooking()
      await looking
      await folding.stop()
      for (const carrier of carriers.values()) await carrier.stop()
    },
  }
}
