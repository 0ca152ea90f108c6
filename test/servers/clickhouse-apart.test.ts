/**
 * The network comes apart (fault 44): one of two processors sees Kafka and not ClickHouse, then ClickHouse and not
 * Kafka, while the other sees both. Nothing is lost, doubled or told twice, and both go on by themselves.
 */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { brokersForTest } from '../../infra/kafka/broker.ts'
import { assertExact } from './compare.ts'
import { startKafkaProxy, startProxy } from './proxy.ts'
import {
  askHealth,
  beginScene,
  complains,
  groupChanges,
  isWell,
  sceneMsMax,
  until,
} from './scene.ts'

const alertsMin = 300

const brokers = await brokersForTest(1, { own: true })
after(() => (typeof brokers === 'string' ? undefined : brokers.stop()))

if (typeof brokers === 'string') test('apart', { skip: brokers }, () => {})
else
  test('a processor loses sight of ClickHouse, then of Kafka, and comes back', {
    timeout: sceneMsMax,
  }, async t => {
    const scene = await beginScene(t, brokers.addresses)
    const kafka = await startKafkaProxy(brokers.addresses)
    const clickhouse = await startProxy({ host: '127.0.0.1', port: scene.sqlPort })
    t.after(() => Promise.all([kafka.stop(), clickhouse.stop()]))
    const apart = await scene.start(
      'processor',
      ...scene.serversBy(kafka.addresses, clickhouse.url),
    )
    const other = await scene.start('processor', ...scene.servers)
    await scene.pour(0.3)
    await scene.folded()
    const changes = [apart, other].map(groupChanges)

    await clickhouse.suffer({ kind: 'silent' })
    await scene.pour(0.5)
    await complains(apart, /ClickHouse has not answered rows of \w+ for \d+ s/)
    assert.equal((await askHealth(other, 'readyz')).status, 200)
    assert.deepEqual([apart, other].map(groupChanges), changes, 'no rebalance')
    await clickhouse.suffer({ kind: 'none' })
    await scene.folded()
    await isWell(apart)
    assert.deepEqual([apart, other].map(groupChanges), changes, 'no rebalance afterwards')

    await kafka.suffer({ kind: 'silent' })
    await scene.pour(0.7)
    await complains(apart, /group ebb.clicks.processor does not answer/)
    // The other has all of it, once the group has given up waiting.
    await scene.folded()
    assert.ok(groupChanges(other) > changes[1]!)
    await kafka.suffer({ kind: 'none' })
    await until(() => groupChanges(apart) > changes[0]!)
    await scene.pour(0.8)
    await scene.folded()
    for (const processor of [apart, other]) await isWell(processor)

    await clickhouse.suffer({ kind: 'silent' })
    await scene.pour(1)
    assert.equal(await apart.stop('SIGTERM'), 0, apart.output())
    await scene.folded()
    assert.equal(await other.stop('SIGTERM'), 0, other.output())
    await assertExact(scene.log, scene.store, alertsMin)
  })
