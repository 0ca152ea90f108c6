/**
 * Partitions go from one processor to another on a real Kafka and come back, once in order and once by kill -9:
 * the first goes on from memory, and the tables are what the pure fold makes of each partition's dump.
 */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { brokersForTest } from '../../infra/kafka/broker.ts'
import { assertExact } from './compare.ts'
import { metricsOnce } from './metrics.ts'
import { beginScene, partitions } from './scene.ts'

const timeoutMs = 300_000
const pourMs = 3_000
const fromMemory = 'ebb_partition_restores_total{from="memory"}'
const fromTables = 'ebb_partition_restores_total{from="tables"}'

// Its own: a scene uses the usual project's topics.
const brokers = await brokersForTest(1, { own: true })

if (typeof brokers === 'string') test('kept state', { skip: brokers }, () => {})
else {
  after(() => brokers.stop())

  test('a partition that comes back goes on from memory', { timeout: timeoutMs }, async t => {
    const scene = await beginScene(t, brokers.addresses)
    const processor = () => scene.start('processor', ...scene.servers)
    const first = await processor()
    const owns = (count: number) =>
      metricsOnce(first, figures => figures.get('ebb_partitions_owned') === count)
    assert.equal((await owns(partitions)).get(fromTables), partitions)
    await scene.pour(0.3)
    await scene.folded()

    const second = await processor()
    await owns(partitions / 2)
    await scene.pour(0.5)
    await scene.folded()
    assert.equal(await second.stop('SIGTERM'), 0, second.output())
    const inOrder = await owns(partitions)
    assert.equal(inOrder.get(fromMemory), partitions / 2)

    const third = await processor()
    await owns(partitions / 2)
    const pouring = scene.pour(1, pourMs)
    await metricsOnce(third, figures => figures.get('ebb_records_folded_total')! > 0)
    await third.stop('SIGKILL')
    await pouring
    await scene.folded()
    const atLast = await owns(partitions)
    assert.equal(atLast.get(fromMemory), partitions)
    assert.equal(atLast.get(fromTables), partitions, 'nothing was read back')
    assert.equal(await first.stop('SIGTERM'), 0, first.output())
    await assertExact(scene.log, scene.store, 300)
  })
}
