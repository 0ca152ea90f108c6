/**
 * Two `ebb grow` at once on servers. The first stands still right before it says where the project goes on; the second
 * goes on in its place, to another number of partitions, and when the first wakes it changes nothing any more.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, test } from 'node:test'
import { brokersForTest } from '../../infra/kafka/broker.ts'
import { readEpochs } from '../../services/rebuild/epochs.ts'
import { ebb, freePort } from '../control/ebb.ts'
import { startLoad } from './load.ts'
import { startProxy } from './proxy.ts'
import { beginScene, sceneMsMax, until } from './scene.ts'
import { type Service, startService } from './services.ts'

const users = 50
/** Clicks that were acknowledged before the growths, and again after them. */
const clicksMin = 300
/** Longer than it takes to stop a process that waits for the answer. */
const delayMs = 3_000
/** The last that a growth asks for before it makes its topic. */
const lastQuestion = /rebuilds(\+|%20| )FINAL/

const brokers = await brokersForTest(1, { own: true })
after(() => (typeof brokers === 'string' ? undefined : brokers.stop()))

test('the first stands still, the second goes on, and what the first wanted does not happen', {
  skip: typeof brokers === 'string' && brokers,
  timeout: sceneMsMax,
}, async t => {
  assert.ok(typeof brokers !== 'string')
  const scene = await beginScene(t, brokers.addresses, { clicks: 0 })
  const slow = await startProxy({ host: '127.0.0.1', port: scene.sqlPort })
  t.after(() => slow.stop())
  let first: Service | undefined
  t.after(() => first?.child.kill('SIGKILL'))
  await scene.start('processor', ...scene.servers)
  const port = await freePort()
  const collector = await scene.start('collector', ...scene.servers, '--port', `${port}`)
  const load = startLoad(`http://127.0.0.1:${port}`, users)
  t.after(() => load.stop())
  await until(() => load.acknowledged.size > clicksMin)

  await slow.suffer({ kind: 'slow', delayMs, request: lastQuestion }, 1)
  const serversBy = (url: string) => [
    ...['--kafka', brokers.addresses.join(','), '--clickhouse', url],
    ...['--clickhouse-user', 'writer'],
  ]
  const struck = slow.strikes()
  first = startService(['grow', '8', ...serversBy(slow.url)], scene.cwd)
  await struck
  first.child.kill('SIGSTOP')
  const servers = serversBy(scene.proxy.url)
  const second = await ebb(['grow', '16', ...servers], scene.cwd)
  assert.equal(second.status, 0, second.stdout + second.stderr)
  assert.match(second.stderr, /ebb grow on .* was at work on the project a moment ago/)
  assert.match(second.stdout, /16 partitions, in epoch 1/)
  const ended = once(first.child, 'exit')
  first.child.kill('SIGCONT')
  const [status] = await ended
  assert.equal(status, 1, first.output())
  assert.match(first.output(), /gave no sign of life for 20 s/)
  const epochs = (await readEpochs(scene.store)).map(({ epoch, partitions }) => [epoch, partitions])
  assert.deepEqual(epochs, [
    [0, 4],
    [1, 16],
  ])

  const before = load.acknowledged.size
  await until(() => load.acknowledged.size > before + clicksMin)
  await load.stop()
  const counted = async () => {
    const [row] = await scene.store.query<Record<'clicks' | 'ids', string>>(
      `SELECT count() AS clicks, uniqExact(event_id) AS ids FROM clicks FINAL WHERE verdict = 'accepted'`,
    )
    return [Number(row!.clicks), Number(row!.ids)]
  }
  const expected = load.acknowledged.size
  await until(async () => (await counted())[0]! >= expected)
  assert.deepEqual(await counted(), [expected, expected])
  assert.equal(await collector.stop('SIGTERM'), 0, collector.output())
})
