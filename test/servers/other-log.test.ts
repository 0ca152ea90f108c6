/** The topic of clicks is gone, or another one: nobody makes it anew, and no collector takes clicks for it. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { brokersForTest } from '../../infra/kafka/broker.ts'
import { retentionMsDefault } from '../../services/control/system.ts'
import { newLog, withAdmin } from '../log/kafka-fixture.ts'
import { clicksTopic } from './compare.ts'
import { beginScene, complains, partitions, sceneMsMax } from './scene.ts'
import { startService } from './services.ts'

const brokers = await brokersForTest(1, { own: true })
after(() => (typeof brokers === 'string' ? undefined : brokers.stop()))

if (typeof brokers === 'string') test('another log', { skip: brokers }, () => {})
else
  test('a topic that the tables know is not made anew, and takes no clicks when somebody else did', {
    timeout: sceneMsMax,
  }, async t => {
    const scene = await beginScene(t, brokers.addresses, { clicks: 400 })
    const processor = await scene.start('processor', ...scene.servers)
    await scene.pour(1)
    await scene.folded()
    assert.equal(await processor.stop('SIGTERM'), 0, processor.output())
    const topics = (work: 'delete' | 'list') =>
      withAdmin(brokers.addresses, async admin => {
        if (work === 'delete') await admin.deleteTopics({ topics: [clicksTopic] })
        return admin.listTopics()
      })
    await topics('delete')

    const collector = startService(['collector', ...scene.servers, '--port', '0'], scene.cwd)
    try {
      await collector.says(/health/)
      await complains(
        collector,
        /There is no topic ebb\.clicks, though the tables hold .* is not made anew/,
      )
      assert.ok(!(await topics('list')).includes(clicksTopic))

      const log = await newLog(t, brokers.addresses)
      const retentionBytes = Number.POSITIVE_INFINITY
      await log.ensure(clicksTopic, { partitions, retentionMs: retentionMsDefault, retentionBytes })
      await complains(collector, /records of ebb\.clicks partition \d are gone that were folded/)
      assert.doesNotMatch(collector.output(), /Clicks go to/)
      for (let partition = 0; partition < partitions; partition++)
        assert.equal((await log.bounds(clicksTopic, partition)).endOffset, 0)
    } finally {
      assert.equal(await collector.stop('SIGTERM'), 0, collector.output())
    }
  })
