/** What is mended in kafkajs, and what it is told. */
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { createLogger } from '../../services/base/logger.ts'
import { connectOnce, openClient, stopIdleSpin } from '../../services/log/kafka/library.ts'

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

test('what is mended in the library is what it does when not mended', context => {
  // If this fails, a newer kafkajs needs no mending.
  const path = require.resolve('kafkajs/src/network/requestQueue')
  const cached = require.cache[path]
  delete require.cache[path]
  const { prototype } = require(path) as { prototype: Queue }
  require.cache[path] = cached
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

test('a connection is given 5 s, and not the one second of the library', async context => {
  const armed = context.mock.method(globalThis, 'setTimeout')
  const { cluster, close } = openClient(nobody)
  await assert.rejects(cluster.connect())
  const delaysMs = armed.mock.calls.map(call => call.arguments[1])
  await close()
  assert.ok(delaysMs.includes(5_000))
  assert.ok(!delaysMs.includes(1_000))
})
