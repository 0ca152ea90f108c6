/** What is mended in kafkajs, and what it is told. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { createLogger } from '../../services/base/logger.ts'
import { openClient } from '../../services/log/kafka/library.ts'
import {
  beginAnew,
  connectOnce,
  endSilent,
  endUnreadable,
  stopIdleSpin,
} from '../../services/log/kafka/mended.ts'

interface Queue {
  pending: unknown[]
  throttledUntil: number
  throttleCheckTimeoutId: NodeJS.Timeout | null
  scheduleCheckPendingRequests(): void
}

const require = createRequire(import.meta.url)
const nobody = { brokers: ['127.0.0.1:1'], clientId: 'ebb', logger: createLogger() }

function idleQueue(): Queue {
  const { prototype } = require('kafkajs/src/network/requestQueue') as { prototype: object }
  const idle = { pending: [], throttledUntil: -1, throttleCheckTimeoutId: null }
  return Object.assign(Object.create(prototype), idle) as Queue
}

test('an idle connection sets no timer; one that waits, or is told to, does', async context => {
  await openClient(nobody).close()
  const timers: Queue[] = [idleQueue(), idleQueue(), idleQueue()]
  const [idle, waiting, throttled] = timers as [Queue, Queue, Queue]
  waiting.pending.push('a request')
  throttled.throttledUntil = Date.now() + 10_000
  for (const queue of timers) queue.scheduleCheckPendingRequests()
  context.after(() => {
    for (const { throttleCheckTimeoutId } of timers) clearTimeout(throttleCheckTimeoutId!)
  })
  assert.equal(idle.throttleCheckTimeoutId, null)
  assert.ok(waiting.throttleCheckTimeoutId)
  assert.ok(throttled.throttleCheckTimeoutId)
})

/** A module of the library as released, whatever of it is mended in this process. */
function released<T>(name: string): T {
  const path = require.resolve(name)
  const cached = require.cache[path]
  delete require.cache[path]
  const module = require(path) as T
  require.cache[path] = cached
  return module
}

test('what is mended in the library is what it does when not mended', context => {
  // If this fails, a newer kafkajs needs no mending.
  const { prototype } = released<{ prototype: Queue }>('kafkajs/src/network/requestQueue')
  const idle = { pending: [], throttledUntil: -1, throttleCheckTimeoutId: null }
  const queue = Object.assign(Object.create(prototype), idle) as Queue
  context.after(() => clearTimeout(queue.throttleCheckTimeoutId!))
  context.mock.timers.enable({ apis: ['setTimeout'] })
  queue.scheduleCheckPendingRequests()
  assert.notEqual(queue.throttleCheckTimeoutId, null)
  const mended = Object.create(prototype) as Queue
  stopIdleSpin(mended)
  Object.assign(mended, idle).scheduleCheckPendingRequests()
  assert.equal(mended.throttleCheckTimeoutId, null)
})

test('a connection that two need at once is one', async () => {
  let connects = 0
  class Connection {
    async connect(): Promise<void> {
      connects++
    }
  }
  const [one, other] = [new Connection(), new Connection()]
  connectOnce(Connection.prototype)
  await Promise.all([one.connect(), one.connect(), other.connect()])
  assert.equal(connects, 2)
  await one.connect()
  assert.equal(connects, 3)
})

type Library = Connection & Parameters<typeof endSilent>[0] & Parameters<typeof endUnreadable>[0]

interface Connection {
  connect(): Promise<unknown>
  disconnect(): Promise<unknown>
  send(request: object): Promise<string>
}

type Answer = (socket: Socket, correlationId: number) => void

/** The library's connection, mended, to a server that answers the nth request with the nth of these. */
async function connectTo(context: TestContext, answers: readonly Answer[]): Promise<Connection> {
  let requests = 0
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', request => answers[requests++]!(socket, request.readInt32BE(8)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const Mended = released<new (options: object) => Library>('kafkajs/src/network/connection')
  beginAnew(Mended.prototype)
  endUnreadable(Mended.prototype)
  endSilent(Mended.prototype)
  const silent = { debug() {}, error() {}, warn() {}, namespace: () => silent }
  const socketFactory = (of: { host: string; port: number; onConnect(): void }) =>
    connect({ host: of.host, port: of.port }, of.onConnect)
  const at = { host: '127.0.0.1', port, connectionTimeout: 5_000, requestTimeout: 500 }
  const connection = new Mended({ ...at, logger: silent, socketFactory })
  context.after(async () => {
    server.close()
    await connection.disconnect()
    for (const socket of sockets) socket.destroy()
  })
  return connection
}

/** What Kafka answers to a request, in the frame of its protocol. */
function framed(correlationId: number, text: string): Buffer {
  const frame = Buffer.alloc(8 + text.length)
  frame.writeInt32BE(4 + text.length, 0)
  frame.writeInt32BE(correlationId, 4)
  frame.write(text, 8, 'latin1')
  return frame
}

const Encoder = require('kafkajs/src/protocol/encoder') as new () => object
const question = {
  request: { apiKey: 3, apiVersion: 1, apiName: 'Question', encode: async () => new Encoder() },
  response: { decode: async (payload: Buffer) => payload, parse: async (of: Buffer) => `${of}` },
}
const whole: Answer = (socket, id) => socket.write(framed(id, 'the answer'))

test('what a broken connection left of an answer is not read as the beginning of the next', async context => {
  const half: Answer = (socket, id) =>
    socket.write(framed(id, 'cut in the middle').subarray(0, 13), () => {
      setTimeout(() => socket.resetAndDestroy(), 50)
    })
  const connection = await connectTo(context, [whole, half, whole, whole])
  await connection.connect()
  assert.equal(await connection.send(question), 'the answer')
  await assert.rejects(connection.send(question), /ECONNRESET/)
  await connection.connect()
  assert.equal(await connection.send(question), 'the answer')
  assert.equal(await connection.send(question), 'the answer')
})

test('a socket that was let go is not heard when it speaks late', async context => {
  const sockets: Socket[] = []
  const kept: Answer = (socket, id) => {
    sockets.push(socket)
    whole(socket, id)
  }
  let isWritten = false
  const late: Answer = (socket, id) =>
    sockets[0]!.write(framed(99, 'too late').subarray(0, 10), error => {
      isWritten = !error
      setTimeout(() => whole(socket, id), 50)
    })
  const connection = await connectTo(context, [kept, late, whole])
  await connection.connect()
  assert.equal(await connection.send(question), 'the answer')
  await connection.disconnect()
  await connection.connect()
  assert.equal(await connection.send(question), 'the answer')
  assert.equal(await connection.send(question), 'the answer')
  assert.ok(isWritten)
})

test('an answer that is none of Kafka’s ends the connection, and nothing else', async context => {
  const foreign: Answer = socket => socket.write(Buffer.alloc(5))
  const connection = await connectTo(context, [foreign, whole])
  await connection.connect()
  await assert.rejects(connection.send(question), /outside buffer bounds/)
  await connection.connect()
  assert.equal(await connection.send(question), 'the answer')
})

test('a connection on which nothing is answered in time is given up', async context => {
  const silent: Answer = () => {}
  const connection = await connectTo(context, [silent, whole])
  await connection.connect()
  await assert.rejects(connection.send(question), /timed out/)
  // What came before that was known fails with it.
  await assert.rejects(connection.send(question), /timed out/)
  await connection.connect()
  assert.equal(await connection.send(question), 'the answer')
})

test('a client that was closed opens no connection any more', async context => {
  let connections = 0
  const server = createServer(() => connections++)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  context.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const { cluster, close } = openClient({ ...nobody, brokers: [`127.0.0.1:${port}`] })
  await close()
  await assert.rejects(cluster.connect(), /The log is closed/)
  assert.equal(connections, 0)
})

test('a connection is given 5 s, and not the one second of the library', async context => {
  const armed = context.mock.method(globalThis, 'setTimeout')
  const { cluster, close } = openClient(nobody)
  await assert.rejects(cluster.connect())
  const delaysMs = armed.mock.calls.map(call => call.arguments[1])
  await close()
  assert.ok(delaysMs.includes(5_000))
  assert.ok(!delaysMs.includes(1_000))
})
