/** History gone, on a real Kafka: records deleted, the topic made anew. */
import { after, type TestContext, test } from 'node:test'
import { brokersForTest } from '../../infra/kafka/broker.ts'
import { newLog, withAdmin } from '../log/kafka-fixture.ts'
import { makeTopics } from '../processor/fold-all.ts'
import { historyGone } from '../processor/history-gone.ts'

// Its own: the topics are called clicks and alerts.
const brokers = await brokersForTest(1, { own: true })

if (typeof brokers === 'string') test('history gone', { skip: brokers }, () => {})
else {
  after(() => brokers.stop())
  const { addresses } = brokers
  const begin = async (t: TestContext) => {
    await withAdmin(addresses, async admin => {
      const topics = (await admin.listTopics()).filter(
        name => name === 'clicks' || name === 'alerts',
      )
      if (topics.length > 0) await admin.deleteTopics({ topics })
    })
    const log = await newLog(t, addresses)
    await makeTopics(log, 1)
    return log
  }
  historyGone(async t => {
    let log = await begin(t)
    return {
      log: () => log,
      dropBefore: offset =>
        withAdmin(addresses, async admin => {
          // Or this client does not know where the partition is.
          await admin.fetchTopicOffsets('clicks')
          const partitions = [{ partition: 0, offset: String(offset) }]
          await admin.deleteTopicRecords({ topic: 'clicks', partitions })
        }),
      // By a client that has never seen the old one, as after a restart.
      async makeAnew() {
        log = await begin(t)
      },
    }
  })
}
