/**
 * Brokers as one process sees them through kafkajs: enough of a client for the Kafka adapter's own topics and appends.
 * A broker takes a batch of a producer whole and once, and refuses what it does not lead; whoever asks knows who leads
 * from the last time that he looked.
 */
import type { Client, Cluster } from '../../../services/log/kafka/library.ts'
import type { Broker } from '../../../services/log/kafka/wire.ts'
import type { Calls, Fate } from '../calls.ts'
import type { Life } from '../scheduler.ts'
import { Refused } from './coordinator.ts'
import { brokerCount, checkLeads, meetMove } from './leaders.ts'
import type { LogFates } from './log-port.ts'
import type { Topics } from './topics.ts'

/** A broker knows so many batches of a producer. */
const batchesKnown = 5
const earliest = -2

export interface BrokersWorld {
  readonly calls: Calls
  readonly topics: Topics
  readonly fates: LogFates
}

type ProduceRequest = Parameters<Broker['produce']>[0]

export function clientOf(
  { calls, topics, fates }: BrokersWorld,
  life: Life,
  topic: string,
): Client {
  /** By partition, as of the last look. */
  let leaders: readonly number[] = []

  function lookUp(): Promise<void> {
    const fate = overWire(fates.read(life, topic, 0))
    const looking = calls.read(life, `metadata of ${topic}`, fate, () => {
      if (!topics.names().includes(topic)) throw new Refused('UNKNOWN_TOPIC_OR_PARTITION')
      return Array.from({ length: topics.count(topic) }, (_, partition) => {
        const { named } = topics.at(topic, partition).leadership
        // As kafkajs has it: then it says nothing of the other partitions either.
        if (named === null) throw new Refused('LEADER_NOT_AVAILABLE')
        return named
      })
    })
    return looking.then(found => {
      leaders = found
    })
  }

  async function produce(broker: number, request: ProduceRequest) {
    const { partition, firstSequence, messages } = request.topicData[0]!.partitions[0]!
    const { leadership } = topics.at(topic, partition)
    const label = `append ${messages.length} to ${topic} ${partition}`
    const fate = overWire(fates.append(life, topic, partition))
    const offset = await calls.call(life, label, fate, () => {
      meetMove(leadership, 'before')
      checkLeads(leadership, broker)
      const offset = takeBatch(topics, topic, partition, {
        producerId: request.producerId,
        sequence: firstSequence,
        messages,
      })
      meetMove(leadership, 'behind')
      checkLeads(leadership, broker)
      return offset
    })
    const partitions = [{ partition, baseOffset: String(offset), logAppendTime: '0' }]
    return { topics: [{ topicName: topic, partitions }] }
  }

  function newProducer() {
    const fate = overWire(fates.read(life, topic, 0))
    return calls.read(life, 'new producer', fate, () => {
      return { producerId: topics.nextProducerId(), producerEpoch: 0 }
    })
  }

  async function listOffsets(
    broker: number,
    { topics: asked }: Parameters<Broker['listOffsets']>[0],
  ) {
    const { partition, timestamp } = asked[0]!.partitions[0]!
    const fate = overWire(fates.read(life, topic, partition))
    const offset = await calls.read(life, `bounds ${topic} ${partition}`, fate, () => {
      checkLeads(topics.at(topic, partition).leadership, broker)
      const { startOffset, endOffset } = topics.bounds(topic, partition)
      return timestamp === earliest ? startOffset : endOffset
    })
    return { responses: [{ partitions: [{ offset: String(offset) }] }] }
  }

  function brokerOf(number: number): Broker {
    const broker: Pick<Broker, 'nodeId' | 'produce' | 'initProducerId' | 'listOffsets'> = {
      nodeId: number,
      produce: request => produce(number, request),
      initProducerId: newProducer,
      listOffsets: request => listOffsets(number, request),
    }
    return broker as Broker
  }

  const cluster: Omit<Cluster, 'findControllerBroker' | 'findGroupCoordinator'> = {
    connect: async () => {},
    disconnect: async () => {},
    addTargetTopic: lookUp,
    refreshMetadata: lookUp,
    // Its minute is longer than what happens here between two looks.
    refreshMetadataIfNecessary: async () => {},
    findBroker: async ({ nodeId }) => brokerOf(Number(nodeId)),
    findTopicPartitionMetadata: () =>
      leaders.map((_, partitionId) => ({ partitionId, replicas: brokers, isr: brokers })),
    findLeaderForPartitions(_, [partition]) {
      const leader = leaders[partition!]
      return leader === undefined ? {} : { [leader]: [partition!] }
    },
    getNodeIds: () => brokers.map(String),
  }
  return { cluster: cluster as Cluster, close: async () => {} }
}

const brokers: readonly number[] = Array.from({ length: brokerCount }, (_, broker) => broker)

/** What the world does to a call is no refusal of a broker's: the connection fails. */
export function overWire(fate: Fate): Fate {
  return fate.error ? { ...fate, error: new Error('The connection was closed.') } : fate
}

/** The offset of its first record, also of one that was taken before. */
function takeBatch(
  topics: Topics,
  topic: string,
  partition: number,
  batch: {
    readonly producerId: string
    readonly sequence: number
    readonly messages: ProduceRequest['topicData'][number]['partitions'][number]['messages']
  },
): number {
  const { producerId, sequence, messages } = batch
  const { batches } = topics.at(topic, partition)
  const known = batches.get(producerId) ?? []
  const count = messages.length
  const taken = known.find(one => one.sequence === sequence && one.count === count)
  if (taken) return taken.offset
  const last = known.at(-1)
  if (sequence !== (last ? last.sequence + last.count : 0))
    throw new Refused('OUT_OF_ORDER_SEQUENCE_NUMBER')
  const offset = topics.append(topic, partition, messages)
  batches.set(producerId, [...known, { sequence, count, offset }].slice(-batchesKnown))
  return offset
}
