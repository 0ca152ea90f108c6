/**
 * A processor stands still in the middle of an insert for so long that another takes over, and wakes (faults 15 and 41):
 * what it still writes changes nothing, it takes its share again, and a metric tells how long its event loop stood.
 *
 * $EBB_FAULT_MS: so long it stands, 40 s at most; those in a full run.
 */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { brokersForTest } from '../../infra/kafka/broker.ts'
import { assertExact } from './compare.ts'
import { insertsInto, startProxy } from './proxy.ts'
import { beginScene, faultMs, figure, groupChanges, isWell, sceneMsMax, until } from './scene.ts'

const alertsMin = 300
/** Of these it stands in an insert; what comes behind it is written late. */
const tables = ['clicks', 'users', 'progress']
const standingMs = Math.min(faultMs, 40_000)

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
      const stood = wait(standingMs)
      await poured
      // The other has all of it, once the group has given up waiting.
      await scene.folded()
      assert.ok(groupChanges(other) > changes[1]!, 'the other took over')
      await stood
      frozen.child.kill('SIGCONT')
      await until(() => groupChanges(frozen) > changes[0]!)
      await isWell(frozen)
      const lagSeconds = await figure(frozen, 'nodejs_eventloop_lag_max_seconds')
      assert.ok(lagSeconds > (0.9 * standingMs) / 1_000, `${lagSeconds} s by its own metric`)
    }
    await scene.pour(1)
    await scene.folded()
    for (const processor of [frozen, other])
      assert.equal(await processor.stop('SIGTERM'), 0, processor.output())
    await assertExact(scene.log, scene.store, alertsMin)
  })
