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
import { decodeAlert } from '../../services/log/codec.ts'
import { type KafkaLog, openKafkaLog } from '../../services/log/kafka.ts'
import { dumpPartition } from '../../services/processor/dump.ts'
import { runPipe } from '../../services/processor/pipe/run.ts'
import { openServerStore } from '../../services/store/server.ts'
import type { Store } from '../../services/store/store.ts'
import { freePort } from '../control/ebb.ts'
import { shopLog } from '../processor/shop.ts'
import { startService } from './services.ts'

const partitions = 4
const seed = 41
const readBytes = 1 << 20

/** What the fold alone makes of the log as it stands. */
async function expectedOf(log: KafkaLog) {
  const sessions = new Map<string, string>()
  const alerts = new Set<string>()
  let accepted = 0
  for (let partition = 0; partition < partitions; partition++) {
    const lines: string[] = []
    const count = { lines: 0, dead: 0 }
    for await (const line of dumpPartition(log, 'ebb.clicks', partition, 0, count)) lines.push(line)
    for (const line of runPipe(lines, ['--clock', 'log', '--no-flush', '--summary'])) {
      const { session, alert, summary } = JSON.parse(line)
      if (session)
        sessions.set(`${session.id} ${session.part}`, `${session.userId} ${session.clicks}`)
      if (alert) alerts.add(alert.message)
      if (summary) accepted += summary.accepted
    }
  }
  return { sessions, alerts, accepted }
}

async function foundIn(store: Store) {
  const sessions = new Map<string, string>()
  const rows = await store.query<Record<'session_id' | 'part' | 'user_id' | 'clicks', string>>(
    'SELECT session_id, part, user_id, clicks FROM sessions FINAL WHERE final',
  )
  for (const row of rows)
    sessions.set(`${row.session_id} ${row.part}`, `${row.user_id} ${row.clicks}`)
  const alerts = await store.query<{ message_id: string }>('SELECT message_id FROM alerts FINAL')
  const [clicks] = await store.query<{ accepted: string }>(
    "SELECT countIf(verdict = 'accepted') AS accepted FROM clicks FINAL",
  )
  return {
    sessions,
    alerts: new Set(alerts.map(row => row.message_id)),
    accepted: Number(clicks!.accepted),
  }
}

/** All bytes that stand on the alerts topic, by message id. */
async function alertBytes(log: KafkaLog): Promise<Map<string, Set<string>>> {
  const messages = new Map<string, Set<string>>()
  for (let partition = 0; partition < partitions; partition++) {
    const { startOffset, endOffset } = await log.bounds('ebb.alerts', partition)
    for (let offset = startOffset; offset < endOffset; ) {
      const records = await log.read('ebb.alerts', partition, offset, readBytes)
      for (const record of records) {
        const alert = decodeAlert(record.value)
        assert.ok('messageId' in alert)
        const bytes = messages.get(alert.messageId) ?? new Set()
        messages.set(alert.messageId, bytes.add(record.value!.toString('base64')))
        offset = record.offset + 1
      }
    }
  }
  return messages
}

/** How many records the tables' progress covers, and how many there are. */
async function reached(log: KafkaLog, store: Store): Promise<{ folded: number; ends: number }> {
  const [row] = await store.query<{ folded: string }>(
    "SELECT sum(next_offset) AS folded FROM progress FINAL WHERE topic = 'ebb.clicks'",
  )
  let ends = 0
  for (let partition = 0; partition < partitions; partition++)
    ends += (await log.bounds('ebb.clicks', partition)).endOffset
  return { folded: Number(row!.folded), ends }
}

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

    const expected = await expectedOf(log)
    const found = await foundIn(store)
    assert.deepEqual(found.sessions, expected.sessions)
    assert.deepEqual(found.alerts, expected.alerts)
    assert.equal(found.accepted, expected.accepted)
    assert.ok(expected.alerts.size > 1000, 'there were alerts to lose')
    const bytes = await alertBytes(log)
    assert.deepEqual(new Set(bytes.keys()), expected.alerts)
    for (const [id, bodies] of bytes) assert.equal(bodies.size, 1, `message ${id} has one body`)
  })
