import type { Logger } from 'pino'
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
  /** From here on records go to this topic: the project has grown. */
  moveTo(topic: string, partitions: number): void
}

export interface OutletOptions {
  readonly log: Log
  readonly topic: string
  readonly partitions: number
  readonly logger: DoorLogger
}

export function outletOf({ log, logger, ...first }: OutletOptions): Outlet {
  let { topic, partitions } = first
  const failing = new Set<number>()

  async function append(partition: number, records: readonly NewRecord[]): Promise<void> {
    try {
      await log.append(topic, partition, records)
    } catch (error) {
      // One line for each change, not for each of the requests that suffer from it.
      if (!failing.has(partition)) logger.warn({ err: error, partition }, 'the log takes no events')
      failing.add(partition)
      throw error
    }
    if (failing.delete(partition)) logger.info({ partition }, 'the log takes events again')
  }

  async function isReady(): Promise<boolean> {
    try {
      await log.bounds(topic, 0)
      return failing.size === 0
    } catch {
      return false
    }
  }

  return {
    get partitions() {
      return partitions
    },
    append,
    isFailing: partition => failing.has(partition),
    isReady,
    moveTo(nextTopic, nextPartitions) {
      topic = nextTopic
      partitions = nextPartitions
      failing.clear()
    },
  }
}
