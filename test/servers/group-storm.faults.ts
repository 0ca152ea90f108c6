/**
 * Processors come and go every 2 s under load, in order and by kill -9 (fault 16): work may be done again, effects not.
 *
 * $EBB_STORM_MS: for how long; 300000 in a full run.
 */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { brokersForTest } from '../../infra/kafka/broker.ts'
import { steadyClock } from '../../services/base/time.ts'
import { changes, startCrew } from '../proof/crew.ts'
import { assertExact } from './compare.ts'
import { beginScene, groupChanges, isWell, sceneMsMax } from './scene.ts'

const stormMs = Number(process.env.EBB_STORM_MS ?? 20_000)
const periodMs = 2_000
const alertsMin = 300

const brokers = await brokersForTest(1, { own: true })
after(() => (typeof brokers === 'string' ? undefined : brokers.stop()))

if (typeof brokers === 'string') test('a storm in the group', { skip: brokers }, () => {})
else
  test('processors join and leave every 2 s, and one of them is killed each time around', {
    timeout: sceneMsMax + 3 * stormMs,
  }, async t => {
    const scene = await beginScene(t, brokers.addresses)
    const start = () => scene.start('processor', ...scene.servers)
    const stays = await start()
    const crew = await startCrew(start, 2)
    const pouring = scene.pour(0.9, stormMs)
    const fromMs = steadyClock()
    for (let nth = 0; steadyClock() < fromMs + stormMs || nth < changes.length; nth++) {
      await crew.change(changes[nth % changes.length]!)
      await wait(Math.max(0, fromMs + (nth + 1) * periodMs - steadyClock()))
      crew.check()
    }
    await pouring
    await crew.stop()
    assert.ok(groupChanges(stays) >= changes.length, 'the group changed')
    await scene.pour(1)
    await scene.folded()
    await isWell(stays)
    assert.equal(await stays.stop('SIGTERM'), 0, stays.output())
    await assertExact(scene.log, scene.store, alertsMin)
  })
