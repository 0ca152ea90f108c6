/**
 * `ebb doctor` on servers: each thing is broken on a real Kafka and `ebb clickhouse`, and named. What would take
 * minutes to show is looked at by a clock that is two minutes ahead.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { pino } from 'pino'
import { brokersForTest } from '../../infra/kafka/broker.ts'
import { wallClock } from '../../services/base/time.ts'
import { keepRule } from '../../services/control/project.ts'
import { showChecks } from '../../services/doctor/check.ts'
import { diskCheck } from '../../services/doctor/disk.ts'
import { examineProject } from '../../services/doctor/doctor.ts'
import { examineKafka } from '../../services/doctor/kafka.ts'
import { encodeRecord } from '../../services/log/codec.ts'
import { type KafkaLog, openKafkaLog } from '../../services/log/kafka.ts'
import { rowTime } from '../../services/store/rows.ts'
import { openServerStore } from '../../services/store/server.ts'
import type { Store } from '../../services/store/store.ts'
import { addEndpoint, openSecretKey } from '../../services/webhooks/endpoints.ts'
import { ebb, freePort } from '../control/ebb.ts'
import { withAdmin } from '../log/kafka-fixture.ts'
import { type Service, startService } from './services.ts'

const project = `doctor${process.pid}`
const clicksTopic = `${project}.clicks`
const alertsTopic = `${project}.alerts`
const aheadMs = 120_000
const logger = pino({ level: 'silent' })
const brokers = await brokersForTest(1, { own: false })
const skip = typeof brokers === 'string' ? brokers : false

let cwd: string
let sqlPort: number
let addresses: string[]
let flags: string[]
let clickhouse: Service
let log: KafkaLog
let store: Store
const running: Service[] = []

async function start(...args: string[]): Promise<Service> {
  const service = startService(args, cwd)
  running.push(service)
  await service.says(/topic {2}|runs: http/)
  return service
}

/** All that it says of a project that two services have begun, by a clock that is ahead. */
async function examined(clock = () => wallClock() + aheadMs): Promise<string> {
  const places = { log, store, clicksTopic, alertsTopic, partitions: 4 }
  return showChecks(await examineProject({ ...places, clock, wallClock: clock, replay: false }))
}

before(async () => {
  if (typeof brokers === 'string') return
  cwd = mkdtempSync(join(tmpdir(), 'ebb-doctor-'))
  sqlPort = await freePort()
  addresses = [...brokers.addresses]
  const url = `http://127.0.0.1:${sqlPort}`
  flags = ['--kafka', addresses.join(','), '--clickhouse', url, '--clickhouse-user', 'writer']
  clickhouse = await start('clickhouse', '--data', 'ch', '--sql-port', `${sqlPort}`)
  log = await openKafkaLog({ brokers: addresses, logger })
})

after(async () => {
  if (typeof brokers === 'string') return
  for (const { child, stop } of running.reverse())
    if (child.exitCode === null && child.signalCode === null) await stop('SIGTERM')
  await log.close()
  await store?.close()
  await brokers.stop()
  rmSync(cwd, { recursive: true, force: true })
})

test('status 2 where nothing answers, 1 where nobody has begun the project', { skip }, async () => {
  const nowhere = ['--kafka', '127.0.0.1:1', '--clickhouse', 'http://127.0.0.1:1']
  const away = await ebb(['doctor', ...nowhere], cwd)
  assert.equal(away.status, 2, away.stdout + away.stderr)
  const [kafka, clickhouse, ...more] = away.stdout.trim().split('\n')
  assert.match(kafka!, /^wrong {2}Kafka .* Look whether Kafka runs at 127.0.0.1:1, and is reached/)
  assert.match(clickhouse!, /^wrong {2}ClickHouse .* Look whether ClickHouse runs at 127.0.0.1:1, /)
  assert.deepEqual(more, [])
  for (const _ of ['looking', 'begins no project']) {
    const unknown = await ebb(['doctor', ...flags, '--project', project], cwd)
    assert.equal(unknown.status, 1, unknown.stdout + unknown.stderr)
    assert.match(unknown.stdout, new RegExp(`wrong .* There is no topic ${clicksTopic}`))
    assert.match(unknown.stdout, new RegExp(`wrong .* There is no database ${project}`))
  }
})

test('status 0 where all is well', { skip }, async () => {
  const apart = [...flags, '--project', project, '--health-port', '0', '--partitions', '4']
  const processor = await start('processor', ...apart)
  const collector = await start('collector', ...apart, '--port', '0')
  const [, url] = /Clicks go to (\S+)/.exec(collector.output())!
  const headers = { 'content-type': 'application/json' }
  const body = JSON.stringify({ type: 'track', userId: 'ada', event: 'home' })
  assert.equal(
    (await fetch(url!.replace(/\.$/, ''), { method: 'POST', headers, body })).status,
    200,
  )
  for (;;) {
    const { status, stdout } = await ebb(['doctor', ...flags, '--project', project], cwd)
    if (/changes .* yet/.test(stdout)) continue
    assert.equal(status, 0, stdout)
    assert.equal(/^warn .*one replica/m.test(stdout), addresses.length === 1, stdout)
    assert.match(stdout, /^ok .*Clicks or ticks come on every partition/m)
    assert.match(stdout, /^ok .*4 partitions, and none stands still/m)
    assert.match(stdout, /^ok .*In force on every partition/m)
    break
  }
  assert.equal(await collector.stop('SIGTERM'), 0)
  assert.equal(await processor.stop('SIGTERM'), 0)
  const at = { url: `http://127.0.0.1:${sqlPort}`, database: project, user: 'writer' }
  store = await openServerStore(at)
})

test('clocks that differ, and time that stands still', { skip }, async () => {
  const says = await examined()
  assert.match(says, /wrong +clocks +ClickHouse's clock is 2 min behind ours/)
  assert.match(says, /wrong +time +No click and no tick reached partitions 0, 1, 2, 3 for/)
  const behind = await examined(() => wallClock() - aheadMs)
  assert.match(behind, /The log's clock is \d+ s ahead of ours/)
  const tick = encodeRecord({ kind: 'tick', atMs: wallClock() - 3_600_000, writer: 'x' })
  await log.append(clicksTopic, 3, [{ key: null, value: tick }])
  assert.match(await examined(), /A collector's clock \(x\) is 60 min behind the log's/)
})

test('a partition that stands still, and changes that are not in force', { skip }, async () => {
  const rule = { id: 'week', when: { quiet_for: '7d' } }
  await keepRule(store, { id: 'week', removed: false } as never, rule, wallClock())
  const says = await examined()
  assert.match(says, /wrong +partition 3 +It stands still with 1 record not folded, for 2 min/)
  assert.match(
    says,
    /wrong +changes +rule:week, revision 1, .* not in force on partitions 0, 1, 2, 3/,
  )
  assert.match(await examined(wallClock), /warn +changes +rule:week.* yet/)
})

test('alerts that nobody reads, and deliveries that are overdue or given up', {
  skip,
}, async () => {
  const key = await openSecretKey(store, cwd)
  await addEndpoint(store, key, 'http://127.0.0.1:9/', wallClock())
  const row = (message: string, status: string, next: number | null) => ({
    message_id: message,
    ...{ endpoint_id: 'e', attempt: 1, user_id: 'ada', alert_id: 'a', status, code: 500 },
    ...{ error: '', duration_ms: 1, at: rowTime(wallClock()), next_at: next, version: 1 },
  })
  await store.insert('deliveries', [
    row('m1', 'dead', null),
    row('m2', 'failed', rowTime(wallClock() - 600_000)),
  ])
  await log.append(alertsTopic, 2, [{ key: 'ada', value: Buffer.from('an alert') }])
  const says = await examined()
  assert.match(says, /wrong +deliveries +Alerts of partition 2 are not read/)
  assert.match(says, /wrong +deliveries +1 attempt is overdue/)
  assert.match(says, /warn +deliveries +1 was given up/)
})

test('a schema that is older or newer, and an audit that found something', { skip }, async () => {
  await store.command(
    "ALTER TABLE migrations DELETE WHERE name = '011_controls.sql' SETTINGS mutations_sync = 1",
  )
  const newer = { number: 999, name: '999_new.sql', sha256: '0'.repeat(64) }
  await store.insert('migrations', [newer])
  const at = rowTime(wallClock())
  await store.insert('audits', [
    {
      ...{ kind: 'sessions', checked: 7, differences: 2, examples: ['session s: is 1'], notes: [] },
      ...{ started_at: at, finished_at: at },
    },
  ])
  const says = await examined()
  assert.match(says, /wrong +schema +The store lacks 011_controls.sql/)
  assert.match(says, /wrong +schema +.*999_new.sql, which this Ebb does not know/)
  assert.match(says, /wrong +audit +2 differences in sessions, .*session s: is 1/)
})

test('records that are gone unfolded, and a topic with the wrong settings', { skip }, async () => {
  const isLone = addresses.length === 1
  const { endOffset } = await log.bounds(clicksTopic, 3)
  await log.append(clicksTopic, 3, [{ key: 'x', value: Buffer.from('{}') }])
  await withAdmin(addresses, async admin => {
    // Or this client does not know where the partition is.
    await admin.fetchTopicOffsets(clicksTopic)
    const partitions = [{ partition: 3, offset: String(endOffset + 1) }]
    await admin.deleteTopicRecords({ topic: clicksTopic, partitions })
    const configEntries = Object.entries({
      'message.timestamp.type': 'CreateTime',
      'cleanup.policy': 'compact',
      'retention.ms': '3600000',
      'retention.bytes': '1000000000',
      // Two of one replica can never be in sync; one of three is too few to wait for.
      'min.insync.replicas': isLone ? '2' : '1',
      'unclean.leader.election.enable': 'true',
    }).map(([name, value]) => ({ name, value }))
    const resources = [{ type: 2, name: clicksTopic, configEntries }]
    await admin.alterConfigs({ validateOnly: false, resources })
    await admin.createPartitions({ topicPartitions: [{ topic: clicksTopic, count: 5 }] })
  })
  assert.match(
    await examined(),
    /wrong +partition 3 +2 records of \S+ partition 3 are gone that were never folded/,
  )
  const checks = showChecks(
    await examineKafka({ brokers: addresses, clicksTopic, alertsTopic, logger }),
  )
  assert.match(checks, /message.timestamp.type=CreateTime: set it to LogAppendTime/)
  assert.match(checks, /cleanup.policy=compact: set it to delete/)
  assert.match(checks, /keeps records for 60 min only/)
  assert.match(checks, /warn +topics +\S+ has retention.bytes=1000000000: .* set it to -1/)
  assert.match(
    checks,
    isLone
      ? /wrong +topics +.*too few replicas are in sync, and no click is taken/
      : /wrong +topics +.*min.insync.replicas=1: set it to 2/,
  )
  assert.match(checks, /unclean.leader.election.enable=true: set it to false/)
  assert.match(checks, /5 partitions, which is no power of two/)
  const lone = new RegExp(`warn +topics +${alertsTopic} has one replica: with its broker alerts`)
  assert.equal(lone.test(checks), isLone, checks)
  // Three brokers are asked, as they stop, whether topics were kept well.
  const configEntries = [{ name: 'min.insync.replicas', value: '2' }]
  const resources = [{ type: 2, name: clicksTopic, configEntries }]
  await withAdmin(addresses, admin => admin.alterConfigs({ validateOnly: false, resources }))
})

test('Kafka that is away is wrong, and what stands in the tables is looked at all the same', {
  skip,
}, async () => {
  const away = [...flags.slice(2), '--kafka', '127.0.0.1:1', '--project', project]
  const { status, stdout } = await ebb(['doctor', ...away], cwd)
  assert.equal(status, 1, stdout)
  assert.match(stdout, /^wrong +Kafka +.*Look whether Kafka runs/m)
  assert.match(stdout, /^wrong +deliveries +1 attempt is overdue/m)
  assert.match(stdout, /^wrong +audit +2 differences in sessions/m)
})

test('ClickHouse that is away is wrong, and Kafka is looked at all the same', {
  skip,
}, async () => {
  await clickhouse.stop('SIGKILL')
  const { status, stdout } = await ebb(['doctor', ...flags, '--project', project], cwd)
  assert.equal(status, 1)
  assert.match(stdout, /^wrong +ClickHouse /m)
  assert.match(stdout, /^ok +Kafka +\d brokers? answers?\./m)
})

test('a disk that is nearly full is a warning, a full one is wrong', () => {
  const gib = 2 ** 30
  assert.equal(diskCheck('d', 50 * gib, 100 * gib).level, 'ok')
  assert.equal(diskCheck('d', 14 * gib, 100 * gib).level, 'warn')
  assert.equal(diskCheck('d', 4 * gib, 100 * gib).level, 'wrong')
  assert.equal(diskCheck('d', gib / 2, gib).level, 'wrong')
})
