/**
 * Two `ebb rebuild` at once on servers. The second is refused while the first is alive; the first stands still, the
 * second goes on in its place, and when the first wakes it changes nothing any more.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { after, test } from 'node:test'
import { brokersForTest } from '../../infra/kafka/broker.ts'
import { readEpochs } from '../../services/rebuild/epochs.ts'
import { door, ebb, freePort } from '../control/ebb.ts'
import { startLoad } from './load.ts'
import { beginScene, sceneMsMax, until } from './scene.ts'

const users = 50
/** Clicks that were acknowledged before the first rebuild, and again after the last. */
const clicksMin = 300
const history = `userId,timestamp,event,messageId
user 1,2026-01-05T10:00:00Z,page,from the file`

const brokers = await brokersForTest(1, { own: true })
after(() => (typeof brokers === 'string' ? undefined : brokers.stop()))

test('the second is refused while the first is alive, and goes on when it stands still', {
  skip: typeof brokers === 'string' && brokers,
  timeout: sceneMsMax,
}, async t => {
  assert.ok(typeof brokers !== 'string')
  const scene = await beginScene(t, brokers.addresses, { clicks: 0 })
  const where = ['--kafka', brokers.addresses.join(','), '--clickhouse', scene.proxy.url]
  const rebuild = [...where, '--clickhouse-user', 'writer']
  await scene.start('processor', ...scene.servers)
  const port = await freePort()
  const collector = await scene.start('collector', ...scene.servers, '--port', `${port}`)
  const load = startLoad(`http://127.0.0.1:${port}`, users)
  t.after(() => load.stop())
  await until(() => load.acknowledged.size > clicksMin)

  // It waits for its file as long as the test wants.
  const first = spawn(process.execPath, [door, 'rebuild', '-', ...rebuild], {
    cwd: scene.cwd,
    stdio: ['pipe', 'ignore', 'pipe'],
  })
  t.after(() => first.kill('SIGKILL'))
  let said = ''
  first.stderr.on('data', chunk => {
    said += chunk
  })
  const open = async () => {
    const rows = await scene.store.query<{ step: string }>('SELECT step FROM rebuilds FINAL')
    return rows.map(({ step }) => step)
  }
  await until(async () => (await open()).length > 0)
  const refused = await ebb(['rebuild', ...rebuild], scene.cwd)
  assert.equal(refused.status, 1)
  assert.match(refused.stderr, /ebb rebuild on .*, process \d+, is at work on the project/)
  const growth = await ebb(['grow', '8', ...rebuild], scene.cwd)
  assert.match(growth.stderr, /is at work on the project/)
  assert.deepEqual(await open(), ['staging'])

  first.kill('SIGSTOP')
  const second = await ebb(['rebuild', ...rebuild], scene.cwd)
  assert.equal(second.status, 0, second.stdout + second.stderr)
  assert.match(second.stderr, /was at work on the project a moment ago/)
  assert.match(second.stdout, /rebuilt, and in epoch 2/)

  first.kill('SIGCONT')
  first.stdin.end(history)
  const [status] = await once(first, 'exit')
  assert.equal(status, 1, said)
  assert.match(said, /gave no sign of life for 20 s/)
  assert.deepEqual(await open(), ['given up', 'done'])

  const before = load.acknowledged.size
  await until(() => load.acknowledged.size > before + clicksMin)
  await load.stop()
  const counted = async () => {
    const [row] = await scene.store.query<Record<'clicks' | 'ids' | 'others', string>>(
      `SELECT count() AS clicks, uniqExact(event_id) AS ids, countIf(epoch != 2) AS others
       FROM clicks FINAL WHERE verdict = 'accepted'`,
    )
    return [Number(row!.clicks), Number(row!.ids), Number(row!.others)]
  }
  const expected = load.acknowledged.size
  await until(async () => (await counted())[0]! >= expected)
  assert.deepEqual(await counted(), [expected, expected, 0])
  assert.deepEqual(
    (await readEpochs(scene.store)).map(({ epoch }) => epoch),
    [0, 2],
  )
  const audited = await ebb(['audit', ...rebuild], scene.cwd)
  assert.equal(audited.status, 0, audited.stdout + audited.stderr)
  assert.equal(await collector.stop('SIGTERM'), 0, collector.output())
})
