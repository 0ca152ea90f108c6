/**
 * Two processors share the partitions of a real Kafka; one is killed with -9 under load and the other takes
 * over. No loss, no double, no second alert: the tables are what the pure fold makes of each partition's dump.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { brokersForTest } from '../../infra/kafka/broker.ts'
import { createLogger } from '../../services/base/logger.ts'
import { openKafkaLog } from '../../services/log/kafka.ts'
import { openServerStore } from '../../services/store/server.ts'
import { freePort } from '../control/ebb.ts'
import { shopLog } from '../processor/shop.ts'
import { assertExact, reached } from './compare.ts'
import { startService } from './services.ts'

const partitions = 4
const seed = 41

const brokers = await brokersForTest(1, { own: false })

if (typeof brokers === 'string') test('two processors', { skip: brokers }, () => {})
else
  test('one of two processors is killed under load, and nothing is lost, doubled or told twice', async t => {
    const cwd = mkdtempSync(join(tmpdir(), 'ebb-two-'))
    const sqlPort = await freePort()
    const clickhouse = startService(['clickhouse', '--data', 'ch', '--sql-port', `${sqlPort}`], cwd)
    await clickhouse.says(/runs/)
    const url = `http://127.0.0.1:${sqlPort}`
    const servers = ['--kafka', brokers.addresses.join(','), '--clickhouse', url]
    const processor = () =>
      startService(
        ['processor', ...servers, '--clickhouse-user', 'writer', '--health-port', '0'],
        cwd,
      )
    const [first, second] = [processor(), processor()]
    t.after(async () => {
      for (const { child, stop } of [first, second, clickhouse])
        if (child.exitCode === null && child.signalCode === null) await stop('SIGKILL')
      await brokers.stop()
      rmSync(cwd, { recursive: true, force: true })
    })
    await Promise.all([first.says(/runs/), second.says(/runs/)])
    const log = await openKafkaLog({ brokers: brokers.addresses, logger: createLogger() })
    const store = await openServerStore({ url, database: 'ebb', user: 'writer' })
    t.after(() => Promise.all([log.close(), store.close()]))

    const entries = shopLog({ seed, clicks: 40_000, users: 1_500, stepMs: 9_000 }, partitions)
    const most = Math.max(...entries.map(of => of.length))
    let killed = false
    for (let at = 0; at < most; at += 500) {
      await Promise.all(
        entries.map((of, partition) => {
          const records = of.slice(at, at + 500).map(entry => entry.record)
          return records.length > 0 ? log.append('ebb.clicks', partition, records) : 0
        }),
      )
      const { folded } = await reached(log, store)
      if (killed || folded < 8_000) continue
      killed = true
      await first.stop('SIGKILL')
    }
    assert.ok(killed, 'one was killed while there was work')
    for (;;) {
      const { folded, ends } = await reached(log, store)
      if (folded >= ends) break
      assert.equal(second.child.exitCode, null, second.output())
    }
    assert.equal(await second.stop('SIGTERM'), 0, second.output())

    await assertExact(log, store, 1000)
  })
