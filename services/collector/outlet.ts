/** The log as one collector sees it. */
import type { Logger } from 'pino'
import { type Fault, faultBook } from '../base/faults.ts'
import type { Log, NewRecord } from '../log/log.ts'

export type DoorLogger = Pick<Logger, 'info' | 'warn' | 'error'>

/** The topic as this collector writes it, and how each partition takes it. */
export interface Outlet {
  /** A record for one of them is appended without waiting in between: the topic may change. */
  readonly partitions: number
  /** Resolves when the records are durable; a rejection means: unknown, they may be there. */
  append(partition: number, records: readonly NewRecord[]): Promise<void>
  /** Whether the append to this partition that ended last was refused. */
  isFailing(partition: number): boolean
  /** Whether the log answers and took what it was last given, in every partition. */
  isReady(): Promise<boolean>
  /** Asks every partition where it ends; rejects when one does not answer. */
  look(): Promise<void>
  /** Why clicks are not taken, as known by what was appended last. */
  faults(): Fault[]
  /** From here on records go to this topic: the project has grown. */
  moveTo(topic: string, partitions: number): void
}

export interface OutletOptions {
  readonly log: Log
  readonly topic: string
  readonly partitions: number
  readonly logger: DoorLogger
}

/** What clients notice while the log takes nothing. */
export const refusesClicks =
  'Clients are answered 503 and send the same again; each tick, and each click, tries the log anew.'

export function outletOf({ log, logger, ...first }: OutletOptions): Outlet {
  let { topic, partitions } = first
  const failing = faultBook<number>()

  async function append(partition: number, records: readonly NewRecord[]): Promise<void> {
    try {
      await log.append(topic, partition, records)
    } catch (error) {
      // One line for each change, not for each of the requests that suffer from it.
      if (!failing.has(partition)) logger.warn({ err: error, partition }, 'the log takes no events')
      const reason = error instanceof Error ? error.message : String(error)
      failing.tell(partition, `Partition ${partition} takes no clicks: ${reason}`, refusesClicks)
      throw error
    }
    if (!failing.has(partition)) return
    failing.end(partition)
    logger.info({ partition }, 'the log takes events again')
  }

  async function look(): Promise<void> {
    const asked = Array.from({ length: partitions }, (_, partition) => log.bounds(topic, partition))
    await Promise.all(asked)
  }

  async function isReady(): Promise<boolean> {
    try {
      await log.bounds(topic, 0)
      return failing.all().length === 0
    } catch {
      return false
    }
  }

  return {
    get partitions() {
      return partitions
    },
    append,
    isFailing: failing.has,
    isReady,
    look,
    faults: failing.all,
    moveTo(nextTopic, nextPartitions) {
      topic = nextTopic
      partitions = nextPartitions
      failing.clear()
    },
  }
}
