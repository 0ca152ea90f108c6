/**
 * Two processors share the partitions of a real Kafka; one is killed with -9 under load and the other takes
 * over. No loss, no double, no second alert: the tables are what the pure fold makes of each partition's dump.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { brokersForTest } from '../../infra/kafka/broker.ts'
import { createLogger } from '../../services/base/logger.ts'
import { openKafkaLog } from '../../services/log/kafka.ts'
import { openServerStore } from '../../services/store/server.ts'
import { freePort } from '../control/ebb.ts'
import { shopLog } from '../processor/shop.ts'
import { assertExact, reached } from './compare.ts'
import { metricsOnce } from './metrics.ts'
import { startService } from './services.ts'

const partitions = 4
const seed = 41
const timeoutMs = 300_000
const pieceRecords = 500
const pollIntervalMs = 100
/** What the tables hold when one is killed; the rest of the first third may still be on its way. */
const foldedMin = 8_000

// Its own: it uses the usual project's topics, as the pure fold counts in that project.
const brokers = await brokersForTest(1, { own: true })

if (typeof brokers === 'string') test('two processors', { skip: brokers }, () => {})
else
  test('one of two processors is killed under load, and nothing is lost, doubled or told twice', {
    timeout: timeoutMs,
  }, async t => {
    const cwd = mkdtempSync(join(tmpdir(), 'ebb-two-'))
    const sqlPort = await freePort()
    const clickhouse = startService(['clickhouse', '--data', 'ch', '--sql-port', `${sqlPort}`], cwd)
    await clickhouse.says(/runs/)
    const url = `http://127.0.0.1:${sqlPort}`
    const servers = ['--kafka', brokers.addresses.join(','), '--clickhouse', url]
    const processor = () =>
      startService(
        [
          ...['processor', ...servers, '--clickhouse-user', 'writer', '--health-port', '0'],
          ...['--partitions', `${partitions}`],
        ],
        cwd,
      )
    const [first, second] = [processor(), processor()]
    t.after(async () => {
      for (const { child, stop } of [first, second, clickhouse])
        if (child.exitCode === null && child.signalCode === null) await stop('SIGKILL')
      await brokers.stop()
      rmSync(cwd, { recursive: true, force: true })
    })
    for (const service of [first, second]) {
      await service.says(/^ {2}topic {2}/m)
      const share = partitions / 2
      await metricsOnce(service, figures => figures.get('ebb_partitions_owned') === share)
    }
    const log = await openKafkaLog({ brokers: brokers.addresses, logger: createLogger() })
    const store = await openServerStore({ url, database: 'ebb', user: 'writer' })
    t.after(() => Promise.all([log.close(), store.close()]))

    const entries = shopLog({ seed, clicks: 40_000, users: 1_500, stepMs: 9_000 }, partitions)
    const most = Math.max(...entries.map(of => of.length))
    const pour = async (from: number, end: number) => {
      for (let at = from; at < end; at += pieceRecords)
        await Promise.all(
          entries.map(async (of, partition) => {
            const piece = of.slice(at, Math.min(end, at + pieceRecords))
            const records = piece.map(entry => entry.record)
            if (records.length > 0) await log.append('ebb.clicks', partition, records)
          }),
        )
    }
    const foldedOnce = async (isEnough: (folded: number, ends: number) => boolean) => {
      for (;;) {
        const { folded, ends } = await reached(log, store)
        if (isEnough(folded, ends)) return
        assert.equal(second.child.exitCode, null, second.output())
        await wait(pollIntervalMs)
      }
    }
    const beforeDeath = Math.ceil(most / 3)
    await pour(0, beforeDeath)
    await foldedOnce(folded => folded >= foldedMin)
    // Two thirds of the load come while it dies and afterwards.
    const pouring = pour(beforeDeath, most)
    await first.stop('SIGKILL')
    await pouring
    await foldedOnce((folded, ends) => folded >= ends)
    assert.equal(await second.stop('SIGTERM'), 0, second.output())

    await assertExact(log, store, 1000)
  })
