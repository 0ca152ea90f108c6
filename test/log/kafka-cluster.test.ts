/** Three brokers, each of which goes away in turn, under load. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import kafkajs from 'kafkajs'
import { brokersForTest } from '../../infra/kafka/broker.ts'
import { EbbError } from '../../services/base/errors.ts'
import { pause } from '../../services/base/time.ts'
import { texts } from './fixture.ts'
import { from, journalOwner, newJournal, newLog, newTopic, withAdmin } from './kafka-fixture.ts'

const timeout = 90_000
const partitions = [0, 1, 2, 3]
const brokers = await brokersForTest(3, { own: true })

if (typeof brokers === 'string') {
  test('kafka, three brokers', { skip: brokers }, () => {})
} else {
  after(() => brokers.stop())
  const { addresses } = brokers

  test('a topic has three replicas, of which two must have a record', {
    timeout,
  }, async context => {
    const log = await newLog(context, addresses)
    const topic = await newTopic(log)
    await withAdmin(addresses, async admin => {
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
      for (const { replicas } of topics[0]!.partitions) assert.equal(replicas.length, 3)
      const configNames = ['min.insync.replicas']
      const type = kafkajs.ConfigResourceTypes.TOPIC
      const described = await admin.describeConfigs({
        includeSynonyms: false,
        resources: [{ type, name: topic, configNames }],
      })
      assert.equal(described.resources[0]!.configEntries[0]!.configValue, '2')
    })
  })

  test('brokers killed and restarted under load: what was acknowledged is there, once, in order', {
    timeout,
  }, async context => {
    const warnings: Error[] = []
    process.on('warning', warning => warnings.push(warning))
    // A coordinator that dies is missed for longer than a short session.
    const log = await newLog(context, addresses, { sessionMsMax: 20_000 })
    const topic = await newTopic(log, { partitions: partitions.length })
    const journal = newJournal()
    /** By partition: offset to text, as acknowledged. */
    const acknowledged = partitions.map(() => new Map<number, string>())
    const taken = partitions.map(() => [] as string[])
    const refused: unknown[] = []
    let number = 0

    async function load(partition: number, signal: AbortSignal): Promise<void> {
      while (!signal.aborted) {
        const text = `${partition}.${number++}`
        try {
          acknowledged[partition]!.set(await log.append(topic, partition, texts(text)), text)
          journal.write(`acknowledged ${partition}`)
        } catch (error) {
          refused.push(error)
        }
        await pause(5, signal)
      }
    }

    /** Resolves when every partition has taken and given so many records more. */
    async function progress(count: number): Promise<void> {
      const goals = partitions.map(p => journal.next(p) + count)
      const sizes = partitions.map(p => acknowledged[p]!.size + count)
      await journal.until(() =>
        partitions.every(p => journal.next(p) >= goals[p]! && acknowledged[p]!.size >= sizes[p]!),
      )
    }

    const owner = journalOwner('a', journal, {
      records: (partition, _, batch) => {
        taken[partition]!.push(...batch.map(({ value }) => String(value)))
      },
    })
    await log.own(topic, `${topic}.group`, owner)
    const loading = new AbortController()
    context.after(() => loading.abort())
    const loads = partitions.map(partition => load(partition, loading.signal))
    await progress(50)
    await brokers.signal(0, 'SIGKILL')
    await progress(50)
    await brokers.restarted(0)
    await brokers.signal(1, 'SIGTERM') // Its partitions move, and are refused meanwhile.
    await progress(50)
    loading.abort()
    await Promise.all(loads)
    const ends = await Promise.all(partitions.map(p => log.bounds(topic, p)))
    await journal.until(() => ends.every(({ endOffset }, p) => journal.next(p) === endOffset))

    for (const p of partitions) {
      assert.deepEqual(journal.offsets('a', p), from(0, ends[p]!.endOffset))
      for (const [offset, text] of acknowledged[p]!) assert.equal(taken[p]![offset], text)
      // An append whose answer was lost, or whose leader moved, was sent again: it is there once.
      assert.equal(new Set(taken[p]).size, taken[p]!.length)
    }
    for (const error of refused)
      assert.ok(error instanceof EbbError && error.retriable, String(error))
    assert.deepEqual(warnings, [])
    const opened = journal.lines.filter(line => line.startsWith('a open'))
    assert.equal(opened.length, partitions.length, 'no partition was lost meanwhile')
  })
}
