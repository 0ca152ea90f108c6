/** One topic of a cluster, over connections of its own: kafkajs fails the metadata of all topics for one that is gone. */
import { EbbError } from '../../base/errors.ts'
import { steadyClock } from '../../base/time.ts'
import type { Bounds } from '../log.ts'
import { waiting } from './deadline.ts'
import { type Client, type Endpoint, openClient } from './library.ts'
import {
  type Broker,
  isPassing,
  isUnsure,
  refusalOf,
  rejected,
  toError,
  unreachable,
} from './wire.ts'

const retryDelayMs = 100
/** How long a question is repeated. */
const askMsMax = 15_000
/** Reads all that is replicated: Ebb's topics know no transactions. */
export const readUncommitted = 0
const earliest = -2
const latest = -1

export interface Topic {
  readonly name: string
  readonly client: Client
  partitions(): number
  /** Asks who leads which partition; throws `topicMissing` for a topic that is not there. */
  refresh(): Promise<void>
  /** Connects to the partition's leader, or throws without having asked it for anything. */
  leader(partition: number): Promise<Broker>
  /**
   * Asks the leader, again and again, until there is an answer, a refusal for good (`logRejected`) or no more time
   * (`logUnreachable`). So a question must do no more when asked twice.
   */
  ask<T>(partition: number, question: (leader: Broker) => Promise<T>): Promise<T>
  bounds(partition: number): Promise<Bounds>
  close(): Promise<void>
}

/** Throws `topicMissing`, and `logUnreachable` when no broker answers. */
export function openTopic(endpoint: Endpoint, name: string): Promise<Topic> {
  return openTopicOver(openClient(endpoint), name)
}

/** As `openTopic`, over a client that nobody else uses: it is closed with the topic. The simulator brings its own. */
export async function openTopicOver(client: Client, name: string): Promise<Topic> {
  const { cluster } = client
  const closing = new AbortController()

  const topic: Topic = {
    name,
    client,
    partitions: () => cluster.findTopicPartitionMetadata(name).length,
    async refresh() {
      try {
        await cluster.refreshMetadata()
      } catch (error) {
        throw metadataFailure(name, error)
      }
    },
    async leader(partition) {
      await cluster.refreshMetadataIfNecessary()
      const [nodeId] = Object.keys(cluster.findLeaderForPartitions(name, [partition]))
      if (nodeId === undefined)
        throw new EbbError('topicMissing', `Topic ${name} has no partition ${partition}.`)
      return cluster.findBroker({ nodeId })
    },
    async ask(partition, question) {
      const givenUpAtMs = steadyClock() + askMsMax
      for (let missing: EbbError | undefined; ; ) {
        try {
          return await question(await topic.leader(partition))
        } catch (error) {
          if (error instanceof EbbError) throw error
          const refusal = refusalOf(error)
          const what = `Topic ${name} partition ${partition}`
          if (!isPassing(refusal) && !isUnsure(refusal)) throw rejected(what, error)
          if (steadyClock() > givenUpAtMs) throw missing ?? unreachable(what, error)
          await waiting(retryDelayMs, closing.signal)
          if (closing.signal.aborted) throw missing ?? unreachable(what, error)
        }
        missing = await topic.refresh().then(nothing, missingOnly)
      }
    },
    async bounds(partition) {
      const [startOffset, endOffset] = await Promise.all(
        [earliest, latest].map(timestamp => offsetAt(topic, partition, timestamp)),
      )
      return { startOffset: startOffset!, endOffset: endOffset! }
    },
    close() {
      closing.abort()
      return client.close()
    },
  }
  try {
    await cluster.connect()
    await cluster.addTargetTopic(name)
  } catch (error) {
    await topic.close()
    throw metadataFailure(name, error)
  }
  return topic
}

function offsetAt(topic: Topic, partition: number, timestamp: number): Promise<number> {
  const topics = [{ topic: topic.name, partitions: [{ partition, timestamp }] }]
  const question = async (leader: Broker) => {
    const answer = await leader.listOffsets({ isolationLevel: readUncommitted, topics })
    return Number(answer.responses[0]!.partitions[0]!.offset)
  }
  return topic.ask(partition, question)
}

function metadataFailure(name: string, error: unknown): EbbError {
  const refusal = refusalOf(error)
  if (refusal === 'UNKNOWN_TOPIC_OR_PARTITION' || refusal === 'INVALID_TOPIC_EXCEPTION')
    return new EbbError('topicMissing', `There is no topic ${name}.`, { cause: error })
  return unreachable(`Topic ${name}`, toError(error))
}

function nothing(): undefined {
  return undefined
}

/** A broker that has just started knows few topics: missing is what stays so. */
function missingOnly(error: unknown): EbbError | undefined {
  return error instanceof EbbError && error.code === 'topicMissing' ? error : undefined
}
