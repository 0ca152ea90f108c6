/**
 * A replica that lacks records is made leader (fault 20): the log is shorter than what was folded, or goes on with
 * other records. The processor says how many are gone and stands still; nothing is passed over.
 */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import kafkajs from 'kafkajs'
import { brokersForTest } from '../../infra/kafka/broker.ts'
import { withAdmin } from '../log/kafka-fixture.ts'
import { alertsTopic, clicksTopic } from './compare.ts'
import { beginScene, complains, partitions, sceneMsMax, until } from './scene.ts'

/** Both replicas of the clicks; the third broker keeps the controllers' majority. */
const [behind, ahead] = [0, 1]
const answerMsMax = 2_000

const brokers = await brokersForTest(3, { own: true })
after(() => (typeof brokers === 'string' ? undefined : brokers.stop()))

/** Topics that may lose what was acknowledged, as Ebb itself never makes them. */
async function makeWeakTopics(addresses: readonly string[]): Promise<void> {
  const replicaAssignment = Array.from({ length: partitions }, (_, partition) => ({
    partition,
    replicas: [ahead, behind],
  }))
  const configEntries = Object.entries({
    'message.timestamp.type': 'LogAppendTime',
    'min.insync.replicas': '1',
    'unclean.leader.election.enable': 'true',
  }).map(([name, value]) => ({ name, value }))
  await withAdmin(addresses, admin =>
    admin.createTopics({
      waitForLeaders: true,
      topics: [
        { topic: clicksTopic, replicaAssignment, configEntries },
        { topic: alertsTopic, numPartitions: partitions, replicationFactor: 3, configEntries },
      ],
    }),
  )
}

/** Whether all partitions of the clicks are so; false as well where a halted broker was asked. */
async function areAll(
  addresses: readonly string[],
  condition: (partition: { readonly leader: number; readonly isr: readonly number[] }) => boolean,
): Promise<boolean> {
  const kafka = new kafkajs.Kafka({
    ...{ brokers: [...addresses], logLevel: kafkajs.logLevel.NOTHING, retry: { retries: 0 } },
    ...{ requestTimeout: answerMsMax, connectionTimeout: answerMsMax },
  })
  const admin = kafka.admin()
  try {
    await admin.connect()
    const { topics } = await admin.fetchTopicMetadata({ topics: [clicksTopic] })
    return topics[0]!.partitions.every(condition)
  } catch {
    return false
  } finally {
    await admin.disconnect()
  }
}

if (typeof brokers === 'string') test('unclean election', { skip: brokers }, () => {})
else
  test('a replica that lacks records becomes leader: how many are gone is said, and nothing is folded', {
    timeout: sceneMsMax,
  }, async t => {
    const { addresses } = brokers
    // Never halted; but whoever asks it is led to the others too.
    const third = [addresses[2]!]
    await makeWeakTopics(addresses)
    const scene = await beginScene(t, addresses, { weakTopics: true })
    t.after(() => brokers.signal(ahead, 'SIGCONT'))
    const first = await scene.start('processor', ...scene.servers)
    await scene.pour(0.5)
    await scene.folded()

    await brokers.signal(behind, 'SIGSTOP')
    await until(() => areAll(third, ({ isr }) => !isr.includes(behind)))
    await scene.pour(0.7)
    await scene.folded()
    assert.equal(await first.stop('SIGTERM'), 0, first.output())
    // At no moment are two of the three halted: the controllers would have no majority.
    await brokers.signal(ahead, 'SIGSTOP')
    await brokers.signal(behind, 'SIGCONT')
    await until(() => areAll(third, ({ leader }) => leader === behind))
    await brokers.signal(ahead, 'SIGCONT')

    const before = await scene.store.query('SELECT count() AS clicks FROM clicks FINAL')
    const second = await scene.start('processor', ...scene.servers)
    await complains(second, /\d+ records of ebb\.clicks partition \d/)
    assert.deepEqual(await scene.store.query('SELECT count() AS clicks FROM clicks FINAL'), before)
    assert.equal(await second.stop('SIGTERM'), 0, second.output())
  })
