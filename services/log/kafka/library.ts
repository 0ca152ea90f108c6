/**
 * The one door to kafkajs. What Ebb takes from it: connections, the wire format, the cluster's metadata. What it
 * leaves: the loops of its producer and consumer, where nearly all of its known failures live. A cluster comes out
 * by its API for partition assigners, which is given one.
 *
 * The library is no longer maintained, so what is typed here by hand and mended here stays true; any other
 * version than the one looked at is refused.
 */
import { createRequire } from 'node:module'
import { connect, type Socket } from 'node:net'
import kafkajs from 'kafkajs'
import type { Logger } from 'pino'
import { assert } from '../../base/errors.ts'
import { wallClock } from '../../base/time.ts'
import { zstdCodec } from './compression.ts'
import { settled } from './deadline.ts'
import type { Broker } from './wire.ts'

const { AssignerProtocol, CompressionCodecs, CompressionTypes, Kafka, logLevel } = kafkajs
const require = createRequire(import.meta.url)

const versionKnown = '2.2.4'
const connectTimeoutMs = 5_000
/** A request that is not answered by then has failed, except for those that wait by their nature. */
const requestTimeoutMs = 15_000
const metadataAgeMsMax = 60_000
/** Of kafkajs' own repetitions: enough to try each address. Those that matter are ours, and know when to end. */
const retry = { initialRetryTime: 50, maxRetryTime: 500 }
const closeMsMax = 2_000
const keepAliveMs = 60_000
/** Of the number before each answer that says how long it is. */
const sizeBytes = 4

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
  prepareLibrary()
  const sockets = new Set<Socket>()
  const kafka = new Kafka({
    clientId,
    brokers: [...brokers],
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
      const inOrder = await settled(cluster.disconnect(), closeMsMax)
      // Only an error makes kafkajs give up what still waits for an answer, and the timers that watch it.
      for (const socket of sockets)
        socket.destroy(inOrder ? undefined : new Error('The log is closing.'))
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

interface RequestQueue {
  readonly pending: readonly unknown[]
  readonly throttledUntil: number
  scheduleCheckPendingRequests(): void
}

interface Connection {
  readonly socket?: Socket
  /** What came in of an answer whose rest is waited for, and how long it will be. */
  chunks: Buffer[]
  bytesBuffered: number
  bytesNeeded: number
  isConnected(): boolean
  connect(): Promise<unknown>
}

let prepared = false

function prepareLibrary(): void {
  if (prepared) return
  const { version } = require('kafkajs/package.json') as { version: string }
  assert(version === versionKnown, `kafkajs is ${versionKnown}: ${version} has not been looked at`)
  const queue = require('kafkajs/src/network/requestQueue') as { prototype: RequestQueue }
  stopIdleSpin(queue.prototype)
  const connection = require('kafkajs/src/network/connection') as { prototype: Connection }
  beginAnew(connection.prototype)
  connectOnce(connection.prototype)
  CompressionCodecs[CompressionTypes.ZSTD] = () => zstdCodec
  prepared = true
}

/** As released, an idle connection looks every millisecond whether something waits to be sent. */
export function stopIdleSpin(queue: RequestQueue): void {
  const schedule = queue.scheduleCheckPendingRequests
  queue.scheduleCheckPendingRequests = function (this: RequestQueue) {
    if (this.pending.length > 0 || this.throttledUntil > wallClock()) schedule.call(this)
  }
}

/**
 * As released, the part of an answer that a broken connection brought is put before the first answer of the next
 * one, and a socket that was let go is heard beside the new: the process ends on what it reads there, or waits for
 * the end of an answer that is none.
 */
export function beginAnew(connection: Pick<Connection, 'connect'>): void {
  const { connect } = connection
  connection.connect = function (this: Connection) {
    if (!this.isConnected()) {
      for (const event of ['data', 'end', 'error', 'timeout'])
        this.socket?.removeAllListeners(event)
      this.socket?.destroy()
      this.chunks = []
      this.bytesBuffered = 0
      this.bytesNeeded = sizeBytes
    }
    return connect.call(this)
  }
}

/** As released, two that need a connection at once open two sockets, and the forgotten one's end ends both. */
export function connectOnce(connection: Pick<Connection, 'connect'>): void {
  const { connect } = connection
  const connecting = new WeakMap<object, Promise<unknown>>()
  connection.connect = function () {
    const running = connecting.get(this) ?? connect.call(this)
    connecting.set(this, running)
    const over = () => connecting.delete(this)
    running.then(over, over)
    return running
  }
}

export const memberMetadata = AssignerProtocol.MemberMetadata
export const memberAssignment = AssignerProtocol.MemberAssignment
export const compressionTypes = CompressionTypes
