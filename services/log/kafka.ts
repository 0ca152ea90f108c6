/**
 * The log port over Apache Kafka, by kafkajs. Several processes share a log; a group's owners share its partitions.
 *
 *   append    kafka/appends.ts     one batch, one partition, one request; acknowledged means replicated
 *   read      kafka/read.ts
 *   own       kafka/ownership.ts   membership.ts says which partitions, feed.ts brings their records,
 *                                  held.ts takes one partition from open to close
 *   ensure    kafka/admin.ts
 *
 * Two things differ from the logs of one process. A broker's clock stamps the records, and a new leader's may be
 * behind its forerunner's, so appendMs can fall within a partition; it is the same for every reader. And an append of
 * more than 4 MiB is not whole: it goes in pieces.
 */
import type { Logger } from 'pino'
import { EbbError } from '../base/errors.ts'
import { ensureTopic } from './kafka/admin.ts'
import { type Appends, type Load, openAppends } from './kafka/appends.ts'
import { settled } from './kafka/deadline.ts'
import { type Endpoint, openClient } from './kafka/library.ts'
import { ownShare, type SharedOwnership, type Standing, type Unseen } from './kafka/ownership.ts'
import { readSome } from './kafka/read.ts'
import { openTopic, type Topic } from './kafka/topic.ts'
import { unreachable } from './kafka/wire.ts'
import type { Log } from './log.ts'

export interface KafkaLog extends Log {
  /** Owned partitions that should move and have not for a minute: a reason to be unhealthy. */
  standing(): Standing[]
  /** What of Kafka does not answer who owns partitions; of who owns none, nobody asks. */
  unseen(): Unseen[]
}

export interface KafkaOptions {
  /** `host:port` of some; the others are found through them. */
  readonly brokers: readonly string[]
  readonly logger: Logger
  readonly clientId?: string
  /** A process not heard of for so long loses its partitions: how long a pause is borne, and a death unnoticed. */
  readonly sessionMsMax?: number
}

/**
 * The least that a broker grants as it comes. A member that is dead is missed for so long, and its partitions with
 * it; one that was only halted for longer loses them, and goes on from what it has kept of them in memory.
 */
const sessionMsMaxUsual = 6_000
/** How long closing waits for appends. */
const drainMsMax = 5_000

interface OpenTopic {
  readonly topic: Topic
  readonly appends: Appends
}

/** Throws `logUnreachable` when no broker answers. */
export async function openKafkaLog(options: KafkaOptions): Promise<KafkaLog> {
  const { brokers, logger, clientId = 'ebb', sessionMsMax = sessionMsMaxUsual } = options
  const endpoint: Endpoint = { brokers, clientId, logger }
  await checkReachable(endpoint)
  const topics = new Map<string, Promise<OpenTopic>>()
  const owned = new Set<SharedOwnership>()
  const load: Load = { waitingBytes: 0 }
  let closing: Promise<void> | null = null
  let closed = false

  /** Opened once, and again after it failed. */
  function opened(name: string, open: () => Promise<Topic>): Promise<OpenTopic> {
    if (closed) throw new EbbError('logClosed', 'The log is closed.')
    let opening = topics.get(name)
    if (!opening) {
      opening = open().then(topic => ({ topic, appends: openAppends(topic, load) }))
      topics.set(name, opening)
      opening.catch(() => topics.delete(name))
    }
    return opening
  }

  function named(name: string): Promise<OpenTopic> {
    return opened(name, () => openTopic(endpoint, name))
  }

  async function closeOnce(): Promise<void> {
    await Promise.all([...owned].map(ownership => ownership.stop()))
    closed = true
    const open = await Promise.allSettled(topics.values())
    const known = open.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []))
    // What is not through by then is rejected by the close.
    await settled(Promise.all(known.map(({ appends }) => appends.drained())), drainMsMax)
    await Promise.all(known.map(({ topic }) => topic.close()))
  }

  return {
    async ensure(name, settings) {
      const { topic } = await opened(name, () => ensureTopic(endpoint, name, settings))
      return topic.partitions()
    },
    async partitions(name) {
      return (await named(name)).topic.partitions()
    },
    async append(name, partition, records) {
      return (await named(name)).appends.append(partition, records)
    },
    async bounds(name, partition) {
      return (await named(name)).topic.bounds(partition)
    },
    async read(name, partition, offset, bytesMax) {
      return readSome((await named(name)).topic, partition, offset, bytesMax)
    },
    async own(name, group, owner) {
      if (closing) throw new EbbError('logClosed', 'The log is closing.')
      const open = () => openTopic(endpoint, name)
      const ownership = await ownShare({ open, group, owner, sessionMsMax, logger })
      owned.add(ownership)
      return {
        async stop() {
          await ownership.stop()
          owned.delete(ownership)
        },
      }
    },
    standing: () => [...owned].flatMap(ownership => ownership.standing()),
    unseen: () => [...owned].flatMap(ownership => ownership.unseen()),
    close() {
      closing ??= closeOnce()
      return closing
    },
  }
}

async function checkReachable(endpoint: Endpoint): Promise<void> {
  const { cluster, close } = openClient(endpoint)
  try {
    await cluster.connect()
  } catch (error) {
    throw unreachable(`No Kafka at ${endpoint.brokers.join(', ')}`, error)
  } finally {
    await close()
  }
}
