/**
 * A processor stands still in the middle of an insert for so long that another takes over, and wakes (fault 15): what
 * it still writes changes nothing, and it takes its share again.
 */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { brokersForTest } from '../../infra/kafka/broker.ts'
import { assertExact } from './compare.ts'
import { insertsInto, startProxy } from './proxy.ts'
import { beginScene, groupChanges, isWell, sceneMsMax, until } from './scene.ts'

const alertsMin = 300
/** Of these it stands in an insert; what comes behind it is written late. */
const tables = ['clicks', 'users', 'progress']

const brokers = await brokersForTest(1, { own: true })
after(() => (typeof brokers === 'string' ? undefined : brokers.stop()))

if (typeof brokers === 'string') test('a frozen processor', { skip: brokers }, () => {})
else
  test('a processor frozen in the middle of an insert wakes when another has taken over', {
    timeout: sceneMsMax,
  }, async t => {
    const scene = await beginScene(t, brokers.addresses)
    const way = await startProxy({ host: '127.0.0.1', port: scene.sqlPort })
    t.after(() => way.stop())
    const kafka = brokers.addresses.join(',')
    const frozen = await scene.start('processor', ...scene.serversBy(kafka, way.url))
    t.after(() => frozen.child.kill('SIGCONT'))
    const other = await scene.start('processor', ...scene.servers)
    await until(() => groupChanges(other) > 0)
    for (const [nth, table] of tables.entries()) {
      const changes = [frozen, other].map(groupChanges)
      const inserting = way.strikes()
      await way.suffer({ kind: 'slow', delayMs: 0, request: insertsInto(table) }, 1)
      const poured = scene.pour((nth + 1) / (tables.length + 1))
      await inserting
      frozen.child.kill('SIGSTOP')
      await poured
      // The other has all of it, once the group has given up waiting.
      await scene.folded()
      assert.ok(groupChanges(other) > changes[1]!, 'the other took over')
      frozen.child.kill('SIGCONT')
      await until(() => groupChanges(frozen) > changes[0]!)
      await isWell(frozen)
    }
    await scene.pour(1)
    await scene.folded()
    for (const processor of [frozen, other])
      assert.equal(await processor.stop('SIGTERM'), 0, processor.output())
    await assertExact(scene.log, scene.store, alertsMin)
  })
