/** A broker that is halted: it takes connections, says nothing, and nobody is told. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { after, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { brokersForTest } from '../../infra/kafka/broker.ts'
import { EbbError } from '../../services/base/errors.ts'
import { keepAll, texts } from './fixture.ts'
import { newLog, newTopic, withAdmin } from './kafka-fixture.ts'

const timeout = 300_000
/**
 * Kafka looks for other leaders 9 s after it last heard of one; a request to it fails after 12 s. As released, kafkajs
 * has not come so far by then, or looks at no other address at all.
 */
const goesOnMsMax = 60_000
const brokers = await brokersForTest(3, { own: true })

/** Resolves to what came of it, tried again for as long as it is refused. */
async function inTheEnd<T>(work: () => Promise<T>): Promise<T> {
  for (const untilMs = performance.now() + goesOnMsMax; ; await wait(200))
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof EbbError && error.retriable) || performance.now() > untilMs)
        throw error
    }
}

/** A topic whose first partition is on that broker alone, the second one on another. */
async function madeLopsided(name: string, addresses: readonly string[], broker: string) {
  await withAdmin(addresses, async admin => {
    const nodes = (await admin.describeCluster()).brokers
    const alone = nodes.find(({ host, port }) => `${host}:${port}` === broker)!.nodeId
    const other = nodes.find(({ nodeId }) => nodeId !== alone)!.nodeId
    const replicaAssignment = [
      { partition: 0, replicas: [alone] },
      { partition: 1, replicas: [other] },
    ]
    const configEntries = [{ name: 'min.insync.replicas', value: '1' }]
    await admin.createTopics({ topics: [{ topic: name, replicaAssignment, configEntries }] })
  })
}

if (typeof brokers === 'string') {
  test('kafka, a halted broker', { skip: brokers }, () => {})
} else {
  after(() => brokers.stop())

  test('an address that takes connections and is no broker is given up for the next', {
    timeout,
  }, async context => {
    const ways: ((socket: Socket) => unknown)[] = [
      socket => socket.resetAndDestroy(),
      socket => socket.end(),
      socket => socket.write(Buffer.alloc(5)),
    ]
    for (const end of ways) {
      const server = createServer(socket => {
        socket.on('error', () => {})
        socket.once('data', () => end(socket))
      })
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      context.after(() => server.close())
      const { port } = server.address() as AddressInfo
      // With a zero before it, as nobody would write it: it is the same port.
      const log = await newLog(context, [`127.0.0.1:0${port}`, ...brokers.addresses])
      await log.append(await newTopic(log), 0, texts('a'))
    }
  })

  test('what a halted broker led goes on with another, whoever asked it last, and whoever begins with it', {
    timeout,
  }, async context => {
    const [halted, ...others] = brokers.addresses
    const log = await newLog(context, brokers.addresses)
    const topic = await newTopic(log, { partitions: 4 })
    const lopsided = `${topic}-lopsided`
    await madeLopsided(lopsided, others, halted!)
    const partitions = [0, 1, 2, 3]
    for (const partition of partitions) await log.append(topic, partition, texts('before'))
    for (const partition of [0, 1]) await log.append(lopsided, partition, texts('before'))

    await brokers.signal(0, 'SIGSTOP')
    context.after(() => brokers.signal(0, 'SIGCONT'))
    // By a name under which nothing has been missed yet: as for a process that begins now.
    const unknown = halted!.replace('127.0.0.1', 'localhost')
    assert.notEqual(unknown, halted)
    const begun = inTheEnd(async () => {
      const newcomer = await newLog(context, [unknown, ...others])
      await newcomer.append(topic, 0, texts('by a newcomer'))
      return newcomer
    })
    await Promise.all(partitions.map(p => inTheEnd(() => log.append(topic, p, texts('meanwhile')))))
    const newcomer = await begun

    // Nobody leads the first of these now: the others are not held up by it.
    await assert.rejects(newcomer.bounds(lopsided, 0), { code: 'logUnreachable' })
    assert.equal(await newcomer.append(lopsided, 1, texts('meanwhile')), 1)
    await assert.rejects(log.append(lopsided, 0, texts('nowhere')), { code: 'logUnreachable' })
    assert.equal(await log.append(lopsided, 1, texts('again')), 2)
    await inTheEnd(() => newcomer.ensure(`${topic}-new`, keepAll))

    await brokers.signal(0, 'SIGCONT')
    await inTheEnd(() => newcomer.append(lopsided, 0, texts('after')))
  })
}
