/**
 * A processor has a backlog, and the system takes its memory away until it is killed (fault 42); the one that comes
 * after it folds the rest with what a small machine has. Needs root and Linux's memory groups.
 *
 * $EBB_BACKLOG: clicks that wait; 10000000 in a full run.
 */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { brokersForTest } from '../../infra/kafka/broker.ts'
import { steadyClock } from '../../services/base/time.ts'
import { createTraffic } from '../proof/traffic.ts'
import { checkBooks } from '../soak/books.ts'
import { appendRule } from '../soak/scene.ts'
import { foldedIn } from './compare.ts'
import { memoryGroup } from './memory-group.ts'
import { beginScene, isWell, partitions, sceneMsMax, until } from './scene.ts'
import { startService } from './services.ts'

const backlog = Number(process.env.EBB_BACKLOG ?? 60_000)
/** As many visitors as make so many are on the site. */
const clicksPerSecond = 2_000
const enoughBytes = 512 * 2 ** 20
/** So much is folded before the first one's memory is taken away. */
const foldedMin = backlog / 20
/** None of the backlog: no client of this test counts what it sent. */
const unsent = { distinct: 0, future: 0, confirmed: 0, requests: 0, unconfirmed: 0 }

const brokers = await brokersForTest(1, { own: true })
after(() => (typeof brokers === 'string' ? undefined : brokers.stop()))
const group = memoryGroup()
after(() => group?.remove())

if (typeof brokers === 'string') test('little memory', { skip: brokers }, () => {})
else
  test('a processor is killed for want of memory under a backlog; the next one folds the rest in 512 MiB', {
    skip: group === undefined && 'Limiting memory needs root, on Linux.',
    timeout: sceneMsMax + backlog,
  }, async t => {
    const scene = await beginScene(t, brokers.addresses, { clicks: 0 })
    await appendRule(scene.log)
    const traffic = createTraffic(scene.log, partitions)
    traffic.setVisitorsFor(clicksPerSecond)
    await traffic.fill(backlog)
    group!.limit(enoughBytes)

    const first = group!.within(() => startService(['processor', ...scene.servers], scene.cwd))
    t.after(() => first.child.kill('SIGKILL'))
    await first.says(/runs/)
    await until(async () => (await foldedIn(scene.store)) > foldedMin)
    await until(() => {
      group!.squeeze()
      return first.child.exitCode !== null || first.child.signalCode !== null
    })
    assert.equal(first.child.signalCode, 'SIGKILL', first.output())
    const folded = await foldedIn(scene.store)
    assert.ok(folded < backlog, 'it had not folded all of it')

    group!.limit(enoughBytes)
    const fromMs = steadyClock()
    const second = await group!.within(() => scene.start('processor', ...scene.servers))
    await scene.folded()
    const perSecond = Math.round(((backlog - folded) * 1_000) / (steadyClock() - fromMs))
    t.diagnostic(`${perSecond} clicks/s of a backlog of ${backlog}, from its start on`)
    await isWell(second)
    assert.equal(await second.stop('SIGTERM'), 0, second.output())
    assert.deepEqual((await checkBooks(scene.log, scene.store, unsent)).faults, [])
  })
