/**
 * What kafkajs 2.2.4 does wrong between here and a broker, and what it does instead: each a change of one of its
 * classes, all made once, by `mend`.
 *
 * Most of them are about brokers that are silent: halted, or cut off without anybody being told. The library takes a
 * connection for good until the system says otherwise, which may take a quarter of an hour.
 */
import { createRequire } from 'node:module'
import type { Socket } from 'node:net'
import kafkajs from 'kafkajs'
import { assert } from '../../base/errors.ts'
import { steadyClock, wallClock } from '../../base/time.ts'

const require = createRequire(import.meta.url)
const versionKnown = '2.2.4'
/** Of the number before each answer that says how long it is. */
const sizeBytes = 4

interface RequestQueue {
  readonly pending: readonly unknown[]
  readonly throttledUntil: number
  scheduleCheckPendingRequests(): void
}

interface Connection {
  /** Of its broker, `host:port`. */
  readonly broker: string
  readonly socket?: Socket
  /** What came in of an answer whose rest is waited for, and how long it will be. */
  chunks: Buffer[]
  bytesBuffered: number
  bytesNeeded: number
  isConnected(): boolean
  connect(): Promise<unknown>
  send(request: object): Promise<unknown>
  processData(bytes: Buffer): void
}

interface Broker {
  readonly brokerAddress: string
  isConnected(): boolean
  connect(): Promise<void>
  disconnect(): Promise<void>
}

interface BrokerPool {
  readonly brokers: Readonly<Record<string, Broker>>
  readonly seedBroker: Broker
  connect(): Promise<void>
  findBroker(node: { nodeId: string }): Promise<Broker>
  findConnectedBroker(): Promise<Broker>
}

interface Metadata {
  readonly topicMetadata: readonly {
    readonly partitionMetadata: readonly { readonly partitionErrorCode: number }[]
  }[]
}

let mended = false

export function mend(): void {
  if (mended) return
  const { version } = require('kafkajs/package.json') as { version: string }
  assert(version === versionKnown, `kafkajs is ${versionKnown}: ${version} has not been looked at`)
  const classOf = <T>(path: string) =>
    (require(`kafkajs/src/${path}`) as { prototype: T }).prototype
  stopIdleSpin(classOf('network/requestQueue'))
  const connection = classOf<Connection>('network/connection')
  beginAnew(connection)
  connectOnce(connection)
  endUnreadable(connection)
  endSilent(connection)
  failToConnect(classOf('broker'))
  askWhoAnswers(classOf('cluster/brokerPool'))
  leavePartitionsOut(require('kafkajs/src/protocol/requests/metadata/v0/response'))
  mended = true
}

/** By address: when the latest attempt to hear from that broker failed, ms of the steady clock. */
const failedAtMs = new Map<string, number>()

/** Of those addresses, `host:port`, the one from which nothing was missed, or not for the longest time. */
export function bestOf(addresses: readonly string[]): string {
  const failure = (address: string) => {
    const [host, port] = address.split(':')
    return failureOf(`${host}:${Number(port)}`)
  }
  return addresses.reduce((best, other) => (failure(other) < failure(best) ? other : best))
}

function failureOf(address: string): number {
  return failedAtMs.get(address) ?? Number.NEGATIVE_INFINITY
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
      if (this.socket) letGo(this.socket)
      this.chunks = []
      this.bytesBuffered = 0
      this.bytesNeeded = sizeBytes
    }
    return connect.call(this)
  }
}

function letGo(socket: Socket): void {
  for (const event of ['data', 'end', 'error', 'timeout']) socket.removeAllListeners(event)
  // One that was under way when it ended has nobody else to hear it.
  socket.on('error', () => undefined)
  socket.destroy()
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

/** As released, an answer that is none of Kafka's, as of another program at that address, ends the process. */
export function endUnreadable(connection: Pick<Connection, 'processData'>): void {
  const { processData } = connection
  connection.processData = function (this: Connection, bytes: Buffer) {
    try {
      processData.call(this, bytes)
    } catch (error) {
      this.socket?.destroy(error as Error)
    }
  }
}

/** As released, a connection on which requests are not answered in time is used for the next ones. */
export function endSilent(connection: Pick<Connection, 'send'>): void {
  const { send } = connection
  connection.send = async function (this: Connection, request: object) {
    const { socket } = this
    try {
      const answer = await send.call(this, request)
      failedAtMs.delete(this.broker)
      return answer
    } catch (error) {
      if ((error as Error).name === 'KafkaJSRequestTimeoutError') {
        failedAtMs.set(this.broker, steadyClock())
        socket?.destroy(error as Error)
      }
      throw error
    }
  }
}

const saidNothing = new Set(['KafkaJSRequestTimeoutError', 'KafkaJSConnectionClosedError'])

/** As released, one that takes the connection and says nothing more is not given up for the next address. */
export function failToConnect(broker: Pick<Broker, 'connect'>): void {
  const { connect } = broker
  broker.connect = async function (this: Broker) {
    try {
      await connect.call(this)
    } catch (error) {
      failedAtMs.set(this.brokerAddress, steadyClock())
      const { name, message } = error as Error
      if (!saidNothing.has(name)) throw error
      // Else it would pass for connected, with nothing known of what it understands.
      await this.disconnect()
      throw new kafkajs.KafkaJSConnectionError(message, { broker: this.brokerAddress })
    }
  }
}

/** As released, who leads is asked of any broker with a connection, were it the one that no longer leads or answers. */
export function askWhoAnswers(pool: Pick<BrokerPool, 'findConnectedBroker'>): void {
  pool.findConnectedBroker = async function (this: BrokerPool) {
    for (const nodeId of inOrder(this.brokers))
      try {
        return await this.findBroker({ nodeId })
      } catch {
        // The next one may know.
      }
    await this.connect()
    return this.seedBroker
  }
}

/** Whoever failed last comes last; of those that never did, first whoever has a connection. */
function inOrder(brokers: BrokerPool['brokers']): string[] {
  const known = Object.entries(brokers).map(([nodeId, broker]) => {
    return { nodeId, failure: failureOf(broker.brokerAddress), isOpen: broker.isConnected() }
  })
  known.sort((one, other) => {
    if (one.failure !== other.failure) return one.failure < other.failure ? -1 : 1
    return Number(other.isOpen) - Number(one.isOpen)
  })
  return known.map(({ nodeId }) => nodeId)
}

/** As released, one partition without a leader hides who leads all others. */
export function leavePartitionsOut(response: { parse(data: Metadata): Promise<Metadata> }): void {
  const { parse } = response
  response.parse = data => {
    for (const { partitionMetadata } of data.topicMetadata)
      for (const partition of partitionMetadata) Object.assign(partition, { partitionErrorCode: 0 })
    return parse(data)
  }
}
