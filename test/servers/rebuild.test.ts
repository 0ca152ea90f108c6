/**
 * `ebb rebuild` on a real Kafka, with a file of history, while a collector takes clicks, two processors fold them and
 * webhooks and page run; killed behind the seals and given again. Nothing is lost or counted twice.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { brokersForTest } from '../../infra/kafka/broker.ts'
import { openServerStore } from '../../services/store/server.ts'
import { ebb, freePort } from '../control/ebb.ts'
import { startLoad } from './load.ts'
import { until } from './scene.ts'
import { startService } from './services.ts'

const clickingUsers = 100
const timeoutMs = 600_000
/** Clicks that were acknowledged before the rebuild begins, and again after it ended. */
const clicksMin = 300

/** Purchases of the weeks before; some of people who never came since. */
const historyRows = 700
const dayMs = 86_400_000
const history = Array.from({ length: historyRows }, (_, at) => {
  const time = new Date(Date.now() - 2 * dayMs - at * (dayMs / 40)).toISOString()
  return `user ${at % 140},${time},purchase,h${at},${at % 50}`
})

const brokers = await brokersForTest(1, { own: true })

if (typeof brokers === 'string') test('a rebuild on servers', { skip: brokers }, () => {})
else
  test('with a file of history, while clicks come in', { timeout: timeoutMs }, async t => {
    const cwd = mkdtempSync(join(tmpdir(), 'ebb-rebuild-'))
    const file = join(cwd, 'history.csv')
    writeFileSync(file, ['userId,timestamp,event,messageId,revenue', ...history].join('\n'))
    const sqlPort = await freePort()
    const clickhouse = startService(['clickhouse', '--data', 'ch', '--sql-port', `${sqlPort}`], cwd)
    await clickhouse.says(/runs/)
    const url = `http://127.0.0.1:${sqlPort}`
    const servers = [
      ...['--kafka', brokers.addresses.join(','), '--clickhouse', url],
      ...['--clickhouse-user', 'writer'],
    ]
    const service = (...args: string[]) =>
      startService([...args, ...servers, '--health-port', '0', '--partitions', '4'], cwd)
    const processors = [service('processor'), service('processor')]
    for (const processor of processors) await processor.says(/^ {2}topic {2}/m)
    const others = [service('webhooks'), service('web', '--port', '0')]
    const collector = service('collector', '--port', '0')
    for (const running of [...others, collector]) await running.says(/^ {2}topic {2}/m)
    const [, door] = /(http:\S+)\/v1\/track/.exec(collector.output())!
    const store = await openServerStore({ url, database: 'ebb', user: 'writer' })
    t.after(async () => {
      await store.close()
      for (const { child, stop } of [...processors, ...others, collector, clickhouse])
        if (child.exitCode === null && child.signalCode === null) await stop('SIGKILL')
      await brokers.stop()
      rmSync(cwd, { recursive: true, force: true })
    })

    const load = startLoad(door!, clickingUsers)
    t.after(() => load.stop())
    await until(() => load.acknowledged.size > clicksMin)
    const refused = await ebb(['import', file, ...servers], cwd)
    assert.match(refused.stderr, /ebb rebuild/)
    const killed = startService(['rebuild', file, ...servers], cwd)
    await killed.says(/is sealed/)
    await killed.stop('SIGKILL')
    const doctor = await ebb(['doctor', ...servers], cwd)
    assert.equal(doctor.status, 1)
    assert.match(doctor.stdout, /run ebb rebuild, which goes on with it/)
    // These stand behind the seals.
    const atSeals = load.acknowledged.size
    await until(() => load.acknowledged.size > atSeals + clicksMin)

    const rebuilt = await ebb(['rebuild', ...servers], cwd)
    assert.equal(rebuilt.status, 0, rebuilt.stdout + rebuilt.stderr)
    assert.match(rebuilt.stdout, /rebuilt, and in epoch 1/)
    assert.match(rebuilt.stderr, /behind the seals are carried over/)
    const atEnd = load.acknowledged.size
    await until(() => load.acknowledged.size > atEnd + clicksMin)
    await load.stop()

    const expected = load.acknowledged.size + historyRows
    const count = async () => {
      const [row] = await store.query<Record<string, string>>(
        `SELECT countIf(verdict = 'accepted') AS accepted, uniqExactIf(event_id, verdict = 'accepted') AS ids,
                countIf(imported) AS imported, countIf(epoch != 1) AS others FROM clicks FINAL`,
      )
      return row!
    }
    const known = async () => {
      const [row] = await store.query<Record<string, string>>(
        'SELECT uniqExact(user_id) AS users, sum(clicks) AS clicks FROM users FINAL',
      )
      return row!
    }
    // The inserts of a flush go side by side: neither table is the last one.
    await until(async () => Number((await count()).accepted) >= expected)
    await until(async () => Number((await known()).clicks) >= expected)
    const { accepted, ids, imported, others: old } = await count()
    assert.deepEqual([accepted, ids, imported, old].map(Number), [expected, expected, 700, 0])
    const { users, clicks } = await known()
    assert.deepEqual([Number(users), Number(clicks)], [140, expected])

    const audited = await ebb(['audit', ...servers], cwd)
    assert.equal(audited.status, 0, audited.stdout + audited.stderr)
    assert.match(audited.stdout, /140 users +agree/)
    for (const running of [...processors, ...others, collector])
      assert.equal(await running.stop('SIGTERM'), 0, running.output())
  })
