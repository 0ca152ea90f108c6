/**
 * `ebb grow` on a real Kafka while a collector takes clicks and two processors fold them: nothing is lost or
 * counted twice, what comes to the old topic behind its seals is carried over, and every silence is told once, on
 * whichever side of the growth it began.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { brokersForTest } from '../../infra/kafka/broker.ts'
import { createLogger } from '../../services/base/logger.ts'
import { partitionOf } from '../../services/base/slot.ts'
import { encodeRecord } from '../../services/log/codec.ts'
import { openKafkaLog } from '../../services/log/kafka.ts'
import { openServerStore } from '../../services/store/server.ts'
import type { Store } from '../../services/store/store.ts'
import { ebb, freePort } from '../control/ebb.ts'
import { appendRule } from '../soak/scene.ts'
import { alertBytes } from './compare.ts'
import { startLoad } from './load.ts'
import { startService } from './services.ts'

/** Each comes back after 1.25 s at the soonest, as the load waits 5 ms behind each click: that he was away is told. */
const users = 1_000
const settings = { gap: '500ms', disorder: '500ms', guards: 'off' }
const rule = { id: 'away', when: { quiet_for: '500ms' } }
const timeoutMs = 600_000
const pollIntervalMs = 200
/** Clicks that were acknowledged before the growth begins, and again after it ended. */
const clicksMin = 300
/** Alerts of the old epoch before the growth begins, and returns in the new one from silences of the old one. */
const alertsMin = 50

const brokers = await brokersForTest(1, { own: true })

async function until(isSo: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await isSo())) await wait(pollIntervalMs)
}

async function countClicks(store: Store) {
  const [row] = await store.query<Record<string, string>>(
    `SELECT countIf(verdict = 'accepted') AS accepted, uniqExactIf(event_id, verdict = 'accepted') AS ids,
            countIf(epoch = 0) AS old, uniqExactIf(partition, epoch = 1) AS partitions, uniqExact(user_id) AS users,
            countIf(startsWith(user_id, 'straggler') AND epoch = 1) AS stragglers FROM clicks FINAL`,
  )
  return row!
}

/** `across`: returns from silences of the old epoch; `last`: users of whose last click it was told that none followed. */
async function countAlerts(store: Store) {
  const [row] = await store.query<Record<string, string>>(
    `SELECT count() AS told, uniqExact(user_id, rule_id, since, due, status) AS distinct,
            countIf(epoch = 0 AND status = 'fired') AS old,
            countIf(epoch = 1 AND status = 'resolved' AND since < (SELECT max(clock) FROM clicks WHERE epoch = 0)) AS across,
            uniqExactIf(user_id, status = 'fired' AND (user_id, since) IN
              (SELECT user_id, max(timestamp) FROM clicks FINAL GROUP BY user_id)) AS last FROM alerts FINAL`,
  )
  return row!
}

if (typeof brokers === 'string') test('growth on servers', { skip: brokers }, () => {})
else
  test('from 4 to 16 partitions while clicks come in', { timeout: timeoutMs }, async t => {
    const cwd = mkdtempSync(join(tmpdir(), 'ebb-grow-'))
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
    const collector = service('collector', '--port', '0')
    await collector.says(/^ {2}topic {2}/m)
    const [, door] = /(http:\S+)\/v1\/track/.exec(collector.output())!
    const log = await openKafkaLog({ brokers: brokers.addresses, logger: createLogger() })
    const store = await openServerStore({ url, database: 'ebb', user: 'writer' })
    t.after(async () => {
      await Promise.all([log.close(), store.close()])
      for (const { child, stop } of [...processors, collector, clickhouse])
        if (child.exitCode === null && child.signalCode === null) await stop('SIGKILL')
      await brokers.stop()
      rmSync(cwd, { recursive: true, force: true })
    })

    await appendRule(log, { settings, rule })
    const load = startLoad(door!, users)
    t.after(() => load.stop())
    await until(() => load.acknowledged.size > clicksMin)
    await until(async () => Number((await countAlerts(store)).old) > alertsMin)
    const grown = await ebb(['grow', '16', ...servers], cwd)
    assert.equal(grown.status, 0, grown.stdout + grown.stderr)
    assert.match(grown.stdout, /16 partitions, in epoch 1/)

    // A collector that had not heard of it: behind the seals, one click with an id and one without.
    const nowMs = Date.now()
    for (const eventId of ['straggler', '']) {
      const userId = `straggler ${eventId}`
      const value = encodeRecord({
        ...{ kind: 'click', eventId, userId, anonymousId: null, type: 'track', name: 'page' },
        ...{ timestampMs: nowMs, receivedAtMs: nowMs, url: null, referrer: null, value: null },
        ...{ currency: null, orderId: null, properties: '', context: '', imported: false },
      })
      await log.append('ebb.clicks', partitionOf(userId, 4), [{ key: userId, value }])
    }
    const before = load.acknowledged.size
    await until(() => load.acknowledged.size > before + clicksMin)
    await until(async () => Number((await countAlerts(store)).across) > alertsMin)
    await load.stop()

    const expected = load.acknowledged.size + 2
    await until(async () => Number((await countClicks(store)).accepted) >= expected)
    const { accepted, ids, old, partitions, stragglers, ...clicks } = await countClicks(store)
    assert.deepEqual([Number(accepted), Number(ids)], [expected, expected])
    assert.ok(Number(old) > clicksMin, `${old} clicks were folded in the old epoch`)
    assert.equal(Number(partitions), 16)
    assert.equal(Number(stragglers), 2)
    // Time goes on behind the last click: in the end everybody is away.
    await until(async () => Number((await countAlerts(store)).last) >= Number(clicks.users))
    const { told, distinct } = await countAlerts(store)
    assert.equal(told, distinct)
    const messages = await alertBytes(log)
    assert.equal(messages.size, Number(told))
    for (const [id, bodies] of messages) assert.equal(bodies.size, 1, `message ${id} has one body`)
    t.diagnostic(`${expected} clicks, ${told} alerts`)
    const again = await ebb(['grow', '16', ...servers], cwd)
    assert.equal(again.status, 0, again.stderr)

    const audited = await ebb(['audit', ...servers], cwd)
    assert.equal(audited.status, 0, audited.stdout + audited.stderr)
    assert.match(audited.stdout, new RegExp(`^ *${clicks.users} users +agree$`, 'm'))
    // The pure fold of the logs of both epochs.
    assert.match(audited.stdout, new RegExp(`^ *${told} alerts +agree$`, 'm'))
    for (const running of [...processors, collector])
      assert.equal(await running.stop('SIGTERM'), 0, running.output())
  })
