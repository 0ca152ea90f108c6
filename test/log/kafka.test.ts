/** The contract of the log port on a real broker, and what else can stand on its topics. */
import assert from 'node:assert/strict'
import { after, describe, type TestContext, test } from 'node:test'
import kafkajs from 'kafkajs'
import { brokersForTest } from '../../infra/kafka/broker.ts'
import { createLogger } from '../../services/base/logger.ts'
import { nextTurn } from '../../services/base/time.ts'
import { zstdCodec } from '../../services/log/kafka/compression.ts'
import { openTopic } from '../../services/log/kafka/topic.ts'
import { openKafkaLog } from '../../services/log/kafka.ts'
import { logContract } from './contract.ts'
import { fails, keepAll, type LogFixture, texts, textsOf } from './fixture.ts'
import {
  from,
  journalOwner,
  newJournal,
  newLog,
  newTopic,
  rawKafka,
  withAdmin,
  withProducer,
} from './kafka-fixture.ts'
import { gate } from './owners.ts'

const timeout = 60_000
const bytesMax = 1024 * 1024
const brokers = await brokersForTest(1, { own: false })

if (typeof brokers === 'string') {
  test('kafka', { skip: brokers }, () => {})
} else {
  after(() => brokers.stop())
  const { addresses } = brokers

  async function open(): Promise<LogFixture> {
    const opened = () => openKafkaLog({ brokers: addresses, logger: createLogger() })
    let log = await opened()
    return {
      log,
      async reopen() {
        await log.close()
        log = await opened()
        return log
      },
      release: () => log.close(),
    }
  }

  // Kafka drops what is due in its own time: retention is the broker's, and tested by its makers.
  logContract('kafka', { durable: true, retains: false, open })

  async function prepared(context: TestContext, partitions = 2) {
    const log = await newLog(context, addresses)
    const topic = await newTopic(log, { partitions })
    return { log, topic, journal: newJournal() }
  }

  describe('kafka: topics', { concurrency: 4 }, () => {
    test('a topic is made as Ebb needs it', { timeout }, async context => {
      const log = await newLog(context, addresses)
      const topic = await newTopic(log, { retentionMs: 3_600_000, retentionBytes: 1e9 })
      const described = await withAdmin(addresses, admin =>
        admin.describeConfigs({
          includeSynonyms: false,
          resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic }],
        }),
      )
      const settings = Object.fromEntries(
        described.resources[0]!.configEntries.map(entry => [entry.configName, entry.configValue]),
      )
      const expected = {
        'message.timestamp.type': 'LogAppendTime',
        'cleanup.policy': 'delete',
        'retention.ms': '3600000',
        'retention.bytes': '1000000000',
        'max.message.bytes': String(8 * 1024 * 1024),
        'min.insync.replicas': '1',
        'unclean.leader.election.enable': 'false',
      }
      assert.deepEqual(
        Object.fromEntries(Object.keys(expected).map(name => [name, settings[name]])),
        expected,
      )
    })

    test('several that ensure a new topic at once all get it', { timeout }, async context => {
      const logs = await Promise.all([1, 2, 3].map(() => newLog(context, addresses)))
      const topic = `together-${process.pid}`
      const counts = await Promise.all(logs.map(log => log.ensure(topic, keepAll)))
      assert.deepEqual(counts, [2, 2, 2])
    })

    test('a topic that would give other answers is refused', { timeout }, async context => {
      const log = await newLog(context, addresses)
      const time = { name: 'message.timestamp.type', value: 'LogAppendTime' }
      const compact = { name: 'cleanup.policy', value: 'compact' }
      const wrong = [
        { topic: `producers-time-${process.pid}`, numPartitions: 2 },
        { topic: `three-${process.pid}`, numPartitions: 3, configEntries: [time] },
        { topic: `compacted-${process.pid}`, numPartitions: 2, configEntries: [time, compact] },
      ]
      await withAdmin(addresses, admin => admin.createTopics({ topics: wrong }))
      for (const { topic } of wrong) await fails(log.ensure(topic, keepAll), 'topicMismatch')
    })

    test('asking for a topic does not make it', { timeout }, async context => {
      const log = await newLog(context, addresses)
      const topic = `never-made-${process.pid}`
      await fails(log.append(topic, 0, texts('a')), 'topicMissing')
      await fails(log.own(topic, 'group', journalOwner('a', newJournal())), 'topicMissing')
      const next = await newTopic(log) // By then the broker would have made the other one.
      const all = await withAdmin(addresses, admin => admin.listTopics())
      assert.deepEqual([all.includes(topic), all.includes(next)], [false, true])
    })

    test('a partition that there is not is told so', { timeout }, async context => {
      const { log, topic } = await prepared(context)
      await fails(log.append(topic, 2, texts('a')), 'topicMissing')
    })

    test('a topic that has grown stops its owners', { timeout }, async context => {
      const { log, topic, journal } = await prepared(context)
      await log.own(topic, `${topic}.group`, journalOwner('a', journal))
      await journal.until(() => journal.has('a open 0') && journal.has('a open 1'))
      const topicPartitions = [{ topic, count: 4 }]
      await withAdmin(addresses, admin => admin.createPartitions({ topicPartitions }))
      const other = await newLog(context, addresses)
      await other.own(topic, `${topic}.group`, journalOwner('b', journal))
      await journal.until(() => journal.has('a failed 0 topicMismatch'))
    })

    test('no broker: opening says so', { timeout }, async () => {
      const options = { brokers: ['127.0.0.1:1'], logger: createLogger() }
      await fails(openKafkaLog(options), 'logUnreachable')
    })
  })

  describe('kafka: what stands on the log', { concurrency: 4 }, () => {
    test('what others write with zstd, with gzip or without is read', {
      timeout,
    }, async context => {
      const { log, topic } = await prepared(context)
      const { ZSTD, GZIP, None } = kafkajs.CompressionTypes
      await withProducer(addresses, {}, async producer => {
        for (const compression of [ZSTD, GZIP, None]) {
          const messages = [1, 2].map(n => ({
            partition: 0,
            key: 'k',
            value: `${compression}.${n}`,
          }))
          await producer.send({ topic, compression, messages })
        }
      })
      const written = [ZSTD, GZIP, None].flatMap(codec => [`${codec}.1`, `${codec}.2`])
      assert.deepEqual(textsOf(await log.read(topic, 0, 0, bytesMax)), written)
    })

    test('what Ebb writes is zstd, and kafkajs reads it', { timeout }, async context => {
      const { log, topic } = await prepared(context, 1)
      await log.append(topic, 0, texts('a', 'b'))
      const codecs: number[] = []
      kafkajs.CompressionCodecs[kafkajs.CompressionTypes.ZSTD] = () => {
        codecs.push(kafkajs.CompressionTypes.ZSTD)
        return zstdCodec
      }
      const consumer = rawKafka(addresses).consumer({ groupId: `${topic}.raw` })
      await consumer.connect()
      await consumer.subscribe({ topic, fromBeginning: true })
      const read: string[] = []
      const both = gate()
      await consumer.run({
        async eachMessage({ message }) {
          read.push(String(message.value))
          if (read.length === 2) both.open()
        },
      })
      await both.passed
      await consumer.disconnect()
      assert.deepEqual(read, ['a', 'b'])
      // kafkajs may read a batch again when its group settles: how often is not the point.
      assert.deepEqual([...new Set(codecs)], [kafkajs.CompressionTypes.ZSTD])
    })

    test('the broker’s time counts, not the writer’s', { timeout }, async context => {
      const { log, topic } = await prepared(context)
      const beforeMs = Date.now()
      await withProducer(addresses, {}, producer =>
        producer.send({ topic, messages: [{ partition: 0, value: 'a', timestamp: '1000' }] }),
      )
      await log.append(topic, 0, texts('b'))
      for (const { appendMs } of await log.read(topic, 0, 0, bytesMax))
        assert.ok(appendMs >= beforeMs && appendMs <= Date.now())
    })

    test('a transaction’s end mark is a tombstone; offsets stay whole', {
      timeout,
    }, async context => {
      const { log, topic, journal } = await prepared(context, 1)
      await log.own(topic, `${topic}.group`, journalOwner('a', journal))
      for (const [count, end] of (['commit', 'abort'] as const).entries()) {
        const transactionalId = `${topic}.${end}`
        const settings = { transactionalId, idempotent: true, maxInFlightRequests: 1 }
        await withProducer(addresses, settings, async producer => {
          const transaction = await producer.transaction()
          await transaction.send({ topic, messages: [{ value: end }] })
          await transaction[end]()
        })
        // The broker writes the mark in its own time.
        await journal.until(() => journal.next(0) === 2 * count + 2)
      }
      await log.append(topic, 0, texts('after'))
      await journal.until(() => journal.next(0) === 5)
      assert.deepEqual(journal.offsets('a', 0), from(0, 5))
      const read = await log.read(topic, 0, 0, bytesMax)
      assert.deepEqual(textsOf(read), ['commit', 'null', 'abort', 'null', 'after'])
    })

    test('a batch that cannot be read stops its partition; the others go on', {
      timeout,
    }, async context => {
      const { log, topic, journal } = await prepared(context)
      for (const partition of [0, 1]) await log.append(topic, partition, texts('a'))
      await log.own(topic, `${topic}.group`, journalOwner('a', journal))
      await journal.until(() => journal.next(0) === 1 && journal.next(1) === 1)
      const bomb = { partition: 0, value: Buffer.alloc(65 * 1024 * 1024) }
      const compression = kafkajs.CompressionTypes.GZIP
      await withProducer(addresses, {}, producer =>
        producer.send({ topic, compression, messages: [bomb] }),
      )
      await log.append(topic, 0, texts('behind it'))
      await journal.until(() => journal.has('a failed 0 batchUnreadable'))
      await log.append(topic, 1, texts('b'))
      await journal.until(() => journal.next(1) === 2)
      await fails(log.read(topic, 0, 1, bytesMax), 'batchUnreadable')
    })

    test('records deleted under a slow owner: offsetGone, no jump', { timeout }, async context => {
      const { log, topic, journal } = await prepared(context)
      const noise = Buffer.from(crypto.getRandomValues(new Uint8Array(60_000)))
      for (let count = 0; count < 10; count++)
        await log.append(topic, 0, Array(10).fill({ key: null, value: noise }))
      const release = gate()
      const records = (partition: number) => (partition === 0 ? release.passed : undefined)
      await log.own(topic, `${topic}.group`, journalOwner('a', journal, { records }))
      await journal.until(() => journal.has('a open 0') && journal.has('a open 1'))
      const partitions = [{ partition: 0, offset: '100' }]
      await withAdmin(addresses, async admin => {
        await admin.fetchTopicOffsets(topic) // Or it does not know who leads.
        await admin.deleteTopicRecords({ topic, partitions })
      })
      await log.append(topic, 0, texts('after'))
      release.open()
      await journal.until(() => journal.has('a failed 0 offsetGone'))
      const taken = journal.offsets('a', 0)
      assert.deepEqual(taken, from(0, taken.length))
      assert.ok(taken.length < 100)
      await log.append(topic, 1, texts('b'))
      await journal.until(() => journal.next(1) === 1)
    })

    test('a topic made anew: owners stop, appends and reads are refused', {
      timeout,
    }, async context => {
      const { log, topic, journal } = await prepared(context, 1)
      await log.append(topic, 0, texts('a', 'b', 'c'))
      await log.own(topic, `${topic}.group`, journalOwner('a', journal))
      await journal.until(() => journal.next(0) === 3)
      await withAdmin(addresses, admin => admin.deleteTopics({ topics: [topic] }))
      const other = await newLog(context, addresses)
      await other.ensure(topic, { ...keepAll, partitions: 1 })
      await journal.until(() => journal.has('a failed 0 offsetGone'))
      await fails(log.append(topic, 0, texts('d')), 'topicMismatch')
      // Else its end would pass the old one some time, and what is appended there would be taken for well.
      for (const text of ['e', 'f', 'g', 'h'])
        await fails(log.append(topic, 0, texts(text)), 'topicMismatch')
      assert.equal((await other.bounds(topic, 0)).endOffset, 1)
      await fails(log.read(topic, 0, 3, bytesMax), 'offsetGone')
    })

    test('a record that no broker takes is logRejected; the next is taken', {
      timeout,
    }, async context => {
      const { log, topic } = await prepared(context)
      const value = Buffer.from(crypto.getRandomValues(new Uint8Array(65_536)))
      const noise = Buffer.concat(
        Array.from({ length: 160 }, (_, n) => Buffer.from(value).fill(n, 0, 9)),
      )
      for (let at = 0; at < noise.length; at++) noise[at]! ^= (at >>> 16) * (at & 0xff)
      await fails(log.append(topic, 0, [{ key: null, value: noise }]), 'logRejected')
      assert.equal(await log.append(topic, 0, texts('a')), 0)
    })

    test('many appends of several logs at once are each whole', { timeout }, async context => {
      const { log, topic } = await prepared(context, 4)
      const logs = [log, await newLog(context, addresses)]
      const appends = Array.from({ length: 400 }, async (_, n) => {
        const name = String(n)
        const offset = await logs[n % 2]!.append(topic, n % 4, texts(`${name}a`, `${name}b`))
        return { name, partition: n % 4, offset }
      })
      const written = await Promise.all(appends)
      for (const partition of [0, 1, 2, 3]) {
        const read = textsOf(await log.read(topic, partition, 0, bytesMax))
        assert.equal(read.length, 200)
        for (const { name, offset } of written.filter(entry => entry.partition === partition))
          assert.deepEqual(read.slice(offset, offset + 2), [`${name}a`, `${name}b`])
      }
    })
  })

  // These move the clock of the whole process.

  test('who leads, and how many partitions there are, is asked anew each minute', {
    timeout,
  }, async context => {
    const log = await newLog(context, addresses)
    const name = await newTopic(log, { partitions: 1 })
    const topic = await openTopic(
      { brokers: addresses, clientId: 'ebb', logger: createLogger() },
      name,
    )
    context.after(() => topic.close())
    const topicPartitions = [{ topic: name, count: 2 }]
    await withAdmin(addresses, admin => admin.createPartitions({ topicPartitions }))
    const realNow = Date.now.bind(Date)
    for (const [passedMs, count] of [
      [0, 1],
      [61_000, 2],
    ] as const) {
      const now = context.mock.method(Date, 'now', () => realNow() + passedMs)
      await topic.leader(0)
      now.mock.restore()
      assert.equal(topic.partitions(), count)
    }
  })

  test('a partition that does not move for a minute is told', { timeout }, async context => {
    const { log, topic, journal } = await prepared(context, 1)
    const entered = gate()
    const release = gate()
    const records = () => {
      entered.open()
      return release.passed
    }
    await log.append(topic, 0, texts('a', 'b'))
    await log.own(topic, `${topic}.group`, journalOwner('a', journal, { records }))
    await entered.passed
    assert.deepEqual(log.standing(), [])
    const realNow = performance.now.bind(performance)
    const now = context.mock.method(performance, 'now', () => realNow() + 61_000)
    const [standing] = log.standing()
    now.mock.restore()
    release.open()
    assert.deepEqual(
      { topic: standing?.topic, partition: standing?.partition, behind: standing?.behind },
      { topic, partition: 0, behind: 2 },
    )
    await journal.until(() => journal.next(0) === 2)
    assert.deepEqual(log.standing(), [])
  })

  test('the first record after a minute of silence is not told as a partition that stands', {
    timeout,
  }, async context => {
    // A session that outlasts the minute.
    const log = await newLog(context, addresses, { sessionMsMax: 300_000 })
    const topic = await newTopic(log, { partitions: 1 })
    const journal = newJournal()
    const standing: unknown[] = []
    const records = () => void standing.push(log.standing())
    await log.own(topic, `${topic}.group`, journalOwner('a', journal, { records }))
    await log.append(topic, 0, texts('a'))
    await journal.until(() => journal.next(0) === 1)
    await nextTurn() // The owner has returned.
    const realNow = performance.now.bind(performance)
    context.mock.method(performance, 'now', () => realNow() + 61_000)
    await log.append(topic, 0, texts('b'))
    await journal.until(() => journal.next(0) === 2)
    assert.deepEqual(standing, [[], []])
  })
}
