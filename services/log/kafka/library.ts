/**
 * The one door to kafkajs. What Ebb takes from it: connections, the wire format, the cluster's metadata. What it
 * leaves: the loops of its producer and consumer, where nearly all of its known failures live. A cluster comes out
 * by its API for partition assigners, which is given one.
 *
 * The library is no longer maintained, so what is typed here by hand stays true, and what is mended in mended.ts; any
 * other version than the one looked at is refused.
 */
import { connect, type Socket } from 'node:net'
import kafkajs from 'kafkajs'
import type { Logger } from 'pino'
import { assert } from '../../base/errors.ts'
import { zstdCodec } from './compression.ts'
import { settled } from './deadline.ts'
import { bestOf, mend } from './mended.ts'
import type { Broker } from './wire.ts'

const { AssignerProtocol, CompressionCodecs, CompressionTypes, Kafka, logLevel } = kafkajs

CompressionCodecs[CompressionTypes.ZSTD] = () => zstdCodec

const connectTimeoutMs = 5_000
/** A request that is not answered by then has failed, except for those that wait by their nature. */
const requestTimeoutMs = 12_000
const metadataAgeMsMax = 60_000
/** Of kafkajs' own repetitions: enough to try each address. Those that matter are ours, and know when to end. */
const retry = { initialRetryTime: 50, maxRetryTime: 500 }
const closeMsMax = 2_000
const keepAliveMs = 60_000
const closedMessage = 'The log is closed.'

export interface Cluster {
  connect(): Promise<void>
  disconnect(): Promise<void>
  addTargetTopic(topic: string): Promise<void>
  refreshMetadata(): Promise<void>
  refreshMetadataIfNecessary(): Promise<void>
  findBroker(node: { nodeId: string }): Promise<Broker>
  findControllerBroker(): Promise<Broker>
  findTopicPartitionMetadata(topic: string): readonly {
    readonly partitionId: number
    readonly replicas: readonly number[]
    /** Those of the replicas that are in sync. */
    readonly isr: readonly number[]
  }[]
  findLeaderForPartitions(topic: string, partitions: readonly number[]): Record<string, number[]>
  findGroupCoordinator(group: { groupId: string }): Promise<Broker>
  getNodeIds(): readonly string[]
}

/** A cluster of its own connections: two to each broker, one of them for fetches alone. */
export interface Client {
  readonly cluster: Cluster
  /** Within seconds, whatever the brokers do; every socket is gone afterwards. */
  close(): Promise<void>
}

export interface Endpoint {
  readonly brokers: readonly string[]
  readonly clientId: string
  readonly logger: Logger
}

export function openClient({ brokers, clientId, logger }: Endpoint): Client {
  mend()
  const sockets = new Set<Socket>()
  let closed = false
  const kafka = new Kafka({
    clientId,
    // One at a time: the next is asked for when that one has failed.
    brokers: () => [bestOf(brokers)],
    connectionTimeout: connectTimeoutMs,
    requestTimeout: requestTimeoutMs,
    enforceRequestTimeout: true,
    retry: { ...retry, retries: brokers.length },
    // What of it matters comes back as an error, and is told by whoever asked.
    logLevel: logLevel.ERROR,
    logCreator:
      () =>
      ({ namespace, log }) =>
        logger.debug({ namespace, ...log }, `kafkajs: ${log.message}`),
    socketFactory({ host, port, onConnect }) {
      if (closed) throw new Error(closedMessage)
      const socket = connect({ host, port, noDelay: true }, onConnect)
      socket.setKeepAlive(true, keepAliveMs)
      forgetful(socket)
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
      return socket
    },
  })
  const cluster = clusterOf(kafka)
  return {
    cluster,
    async close() {
      closed = true
      await settled(cluster.disconnect(), closeMsMax)
      // Only an error makes kafkajs give up what still waits for an answer, and the timers that watch it.
      for (const socket of sockets) socket.destroy(new Error(closedMessage))
    },
  }
}

/**
 * As long as a broker is away, kafkajs lets go of the same dead socket again and again; each time Node would note
 * to do so when it connects.
 */
function forgetful(socket: Socket): void {
  const { unref } = socket
  socket.unref = () => (socket.destroyed ? socket : unref.call(socket))
}

function clusterOf(kafka: InstanceType<typeof Kafka>): Cluster {
  let captured: unknown
  kafka.consumer({
    groupId: 'none',
    allowAutoTopicCreation: false,
    metadataMaxAge: metadataAgeMsMax,
    partitionAssigners: [
      ({ cluster }) => {
        captured = cluster
        return {
          name: 'none',
          version: 0,
          assign: async () => [],
          protocol: () => ({ name: 'none', metadata: Buffer.alloc(0) }),
        }
      },
    ],
  })
  assert(captured, 'kafkajs gives an assigner its cluster')
  return captured as Cluster
}

export const memberMetadata = AssignerProtocol.MemberMetadata
export const memberAssignment = AssignerProtocol.MemberAssignment
export const compressionTypes = CompressionTypes
