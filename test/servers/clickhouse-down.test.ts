/**
 * ClickHouse does not answer, answers late, or says no (faults 5 to 8 and 10). Processors keep their partitions, say
 * why they wait, and go on; at the end the tables are what the pure fold makes of the log.
 *
 * $EBB_FAULT_MS: how long it is down; 600000 in a full run, where each slow insert takes 20 s.
 */
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { brokersForTest } from '../../infra/kafka/broker.ts'
import { assertExact, reached } from './compare.ts'
import { exceptionAnswer, type Fault, inserts, insertsInto } from './proxy.ts'
import {
  beginScene,
  complains,
  faultMs,
  figure,
  groupChanges,
  isWell,
  type Scene,
  sceneMsMax,
  until,
} from './scene.ts'
import type { Service } from './services.ts'

const slowMs = Math.min(20_000, faultMs / 8)
/** Below these there was nothing to lose. */
const alertsMin = 300
/** Held back records must not gather in memory. */
const residentBytesMax = 600 * 2 ** 20
const tables = ['clicks', 'sessions', 'users', 'progress']

// Its own: a scene uses the usual project's topics.
const brokers = await brokersForTest(1, { own: true })

const processors = (scene: Scene, count: number): Promise<Service[]> =>
  Promise.all(Array.from({ length: count }, () => scene.start('processor', ...scene.servers)))

const copied = (from: string, to: string) => `INSERT INTO ${to} SELECT * FROM ${from}`

/** All is folded, everybody is well and leaves in order, and nothing is lost, doubled or told twice. */
async function endsExact(scene: Scene, running: readonly Service[]): Promise<void> {
  await scene.pour(1)
  await scene.folded()
  for (const processor of running) await isWell(processor)
  for (const processor of running)
    assert.equal(await processor.stop('SIGTERM'), 0, processor.output())
  await assertExact(scene.log, scene.store, alertsMin)
}

if (typeof brokers === 'string') test('ClickHouse down', { skip: brokers }, () => {})
else
  describe('ClickHouse', () => {
    after(() => brokers.stop())

    test('stores an insert whose answer is lost, and does not get another: each is there once', {
      timeout: sceneMsMax,
    }, async t => {
      const scene = await beginScene(t, brokers.addresses)
      const [processor] = await processors(scene, 1)
      const faults: ((request: RegExp) => Fault)[] = [
        request => ({ kind: 'cut', of: 'answer', bytes: 0, request }),
        request => ({ kind: 'cut', of: 'answer', bytes: 40, request }),
        request => ({ kind: 'cut', of: 'request', bytes: 600, request }),
      ]
      let share = 0
      for (const fault of faults)
        for (const table of tables) {
          await scene.proxy.suffer(fault(insertsInto(table)), 2)
          share += 0.07
          await scene.pour(share)
          await until(() => scene.proxy.struck() === 2)
        }
      await endsExact(scene, [processor!])
      assert.equal(groupChanges(processor!), 1, 'no rebalance')
    })

    test('has no room for an insert: that passes, and is told meanwhile', {
      timeout: sceneMsMax,
    }, async t => {
      const scene = await beginScene(t, brokers.addresses)
      const [processor] = await processors(scene, 1)
      await scene.pour(0.1)
      await scene.folded()
      const parts = (limit: number) =>
        scene.store.command(
          `ALTER TABLE sessions MODIFY SETTING parts_to_delay_insert = ${limit}, parts_to_throw_insert = ${limit}`,
        )
      await parts(1)
      await scene.pour(0.3)
      await complains(processor!, /Partition \d .*rows of sessions \(252 TOO_MANY_PARTS\)/)
      await parts(3_000)
      await scene.folded()
      await isWell(processor!)
      for (const [at, [code, name]] of [
        [241, 'MEMORY_LIMIT_EXCEEDED'],
        [242, 'TABLE_IS_READ_ONLY'],
        [243, 'NOT_ENOUGH_SPACE'],
      ].entries()) {
        const answer = exceptionAnswer(Number(code), String(name))
        await scene.proxy.suffer({ kind: 'answered', answer, request: inserts })
        await scene.pour(0.4 + 0.1 * at)
        await complains(processor!, new RegExp(`Partition \\d .*\\(${code} ${name}\\)`))
        assert.ok((await figure(processor!, 'ebb_faults')) > 0)
        await scene.proxy.suffer({ kind: 'none' })
        await scene.folded()
        await isWell(processor!)
      }
      await endsExact(scene, [processor!])
    })

    test('is down, then slow, under load: two processors keep their partitions, say why, and go on', {
      timeout: sceneMsMax,
    }, async t => {
      const scene = await beginScene(t, brokers.addresses)
      const both = await processors(scene, 2)
      await scene.pour(0.3)
      await scene.folded()
      const changes = both.map(groupChanges)
      await scene.stopClickHouse('SIGTERM')
      await scene.pour(0.6, faultMs)
      for (const processor of both) {
        await complains(processor, /Partition \d .*ClickHouse refused .*(ECONN|socket hang up)/)
        assert.ok((await figure(processor, 'process_resident_memory_bytes')) < residentBytesMax)
      }
      await scene.startClickHouse()
      await scene.folded()
      await scene.proxy.suffer({ kind: 'slow', delayMs: slowMs, request: inserts })
      await scene.pour(0.8)
      await scene.folded()
      assert.ok(scene.proxy.struck() >= 8, 'inserts were slow')
      assert.deepEqual(both.map(groupChanges), changes, 'no rebalance')
      await scene.proxy.suffer({ kind: 'none' })
      await endsExact(scene, both)
    })

    test('is away while processors die, come and are stopped: state is read back when it is there', {
      timeout: sceneMsMax,
    }, async t => {
      const scene = await beginScene(t, brokers.addresses)
      const [first, second] = await processors(scene, 2)
      await scene.pour(0.3)
      await scene.folded()
      await scene.proxy.suffer({ kind: 'refused' })
      await scene.pour(0.5)
      await second!.stop('SIGKILL')
      await complains(first!, /Partition \d .*ClickHouse refused a query: .*ECONNREFUSED/)
      assert.equal(await first!.stop('SIGTERM'), 0, first!.output())
      await scene.proxy.suffer({ kind: 'none' })
      assert.ok((await reached(scene.log, scene.store)).folded > 0)
      await endsExact(scene, await processors(scene, 1))
    })

    test('has lost a table, or lets nobody write: a partition waits, says so, and goes on when it is mended', {
      timeout: sceneMsMax,
    }, async t => {
      const scene = await beginScene(t, brokers.addresses)
      const [processor] = await processors(scene, 1)
      const run = async (...commands: string[]) => {
        for (const command of commands) await scene.store.command(command)
      }
      const denied = exceptionAnswer(497, 'ACCESS_DENIED', 403)
      const faults = [
        {
          said: '60 UNKNOWN_TABLE',
          // It is dropped, and made anew from a backup.
          breaks: () =>
            run(
              'CREATE TABLE backup AS sessions',
              copied('sessions', 'backup'),
              'DROP TABLE sessions',
            ),
          mends: () => run('CREATE TABLE sessions AS backup', copied('backup', 'sessions')),
        },
        {
          said: '774 TABLE_IS_PERMANENTLY_READ_ONLY',
          breaks: () => run('ALTER TABLE users MODIFY SETTING table_readonly = 1'),
          mends: () => run('ALTER TABLE users MODIFY SETTING table_readonly = 0'),
        },
        {
          // Users of the engine that is served here have no grants: the answer is the proxy's.
          said: '497 ACCESS_DENIED',
          breaks: () => scene.proxy.suffer({ kind: 'answered', answer: denied, request: inserts }),
          mends: () => scene.proxy.suffer({ kind: 'none' }),
        },
      ]
      let share = 0.2
      for (const { said, breaks, mends } of faults) {
        await scene.pour(share)
        await scene.folded()
        await breaks()
        share += 0.2
        await scene.pour(share)
        const waits = `Partition \\d waits: .*${said}.*, since \\d{4}-.*Z\\. Ebb keeps its place .* every 30 s`
        await complains(processor!, new RegExp(waits))
        const { folded, ends } = await reached(scene.log, scene.store)
        assert.ok(folded < ends, 'nothing is left out')
        await mends()
        await scene.folded()
        await isWell(processor!)
      }
      assert.equal(groupChanges(processor!), 1, 'no rebalance')
      await endsExact(scene, [processor!])
    })
  })
