/** What the doctor says of alerts that webhooks cannot read on: on a log in memory, beside tables in the engine. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { examineAlerts, examineDeliveries } from '../../services/doctor/deliveries.ts'
import type { LocalLog } from '../../services/log/local.ts'
import { openMemoryLog } from '../../services/log/memory.ts'
import { addEndpoint, disableEndpoint, openSecretKey } from '../../services/webhooks/endpoints.ts'
import { recordHash, writeProgress } from '../../services/webhooks/progress.ts'
import { openMigrated } from '../store/fixture.ts'
import { newDirectory, removeDirectory } from '../webhooks/fixture.ts'

const topic = 'alerts'

/** One endpoint, and an alerts topic of one partition that keeps a record for one second of its clock. */
async function openScene(t: TestContext) {
  const store = await openMigrated(t)
  const directory = newDirectory()
  t.after(() => removeDirectory(directory))
  let nowMs = Date.UTC(2026, 0, 1)
  const clock = () => nowMs
  const key = await openSecretKey(store, directory)
  const endpoint = await addEndpoint(store, key, 'http://127.0.0.1:9/', nowMs)
  return {
    store,
    clock,
    endpoint,
    async logOf(count: number, word: string): Promise<LocalLog> {
      const log = openMemoryLog({ clock })
      const retentionBytes = Number.POSITIVE_INFINITY
      await log.ensure(topic, { partitions: 1, retentionMs: 1_000, retentionBytes })
      const records = Array.from({ length: count }, (_, at) => Buffer.from(`${word} ${at}`))
      for (const value of records) await log.append(topic, 0, [{ key: 'ada', value }])
      return log
    },
    /** Retention takes all that is there. */
    async dropAll(log: LocalLog): Promise<void> {
      nowMs += 10_000
      await log.retain()
    },
    /** Webhooks have read what stands before. */
    async read(log: LocalLog, seenOffset: number): Promise<void> {
      const [last] = await log.read(topic, 0, seenOffset - 1, 1)
      const seen = { nextOffset: seenOffset, seenOffset, seenHash: recordHash(last!.value) }
      const version = seenOffset
      await writeProgress(store, topic, 0, { ...seen, triedBelow: null, version }, nowMs)
    },
    async says(log: LocalLog): Promise<string> {
      const checks = await examineAlerts({ log, store, alertsTopic: topic, clock })
      return checks.map(({ level, area, says }) => `${level} ${area}: ${says}`).join('\n')
    },
  }
}

test('alerts that stand unread are wrong, and nothing is said once they are read', async t => {
  const { logOf, read, says } = await openScene(t)
  const log = await logOf(5, 'alert')
  assert.match(await says(log), /^wrong deliveries: Alerts of partition 0 are not read by the/)
  await read(log, 3)
  assert.match(await says(log), /^wrong deliveries: Alerts of partition 0 are not read by the/)
  await read(log, 5)
  assert.equal(await says(log), '')
})

for (const [name, count, sentence] of [
  [
    'ends before what was read',
    3,
    /^wrong deliveries: 2 records are gone from alerts partition 0 that webhooks had read: the log ends at 3, .* before 5\..* "ALTER TABLE progress/,
  ],
  [
    'ends exactly there',
    5,
    /^wrong deliveries: alerts partition 0 holds another record at 4 .*up to 5 of its records .* "ALTER TABLE progress/,
  ],
  [
    'goes on behind it',
    8,
    /^wrong deliveries: alerts partition 0 holds another record at 4 .*up to 5 of its records .* "ALTER TABLE progress/,
  ],
] as const)
  test(`an alerts topic made anew that ${name} is wrong, with what is gone and what to do`, async t => {
    const { logOf, read, says } = await openScene(t)
    await read(await logOf(5, 'alert'), 5)
    assert.match(await says(await logOf(count, 'another')), sentence)
  })

test('alerts that retention took unread are wrong, those that it took later are not', async t => {
  const { logOf, read, dropAll, says } = await openScene(t)
  const log = await logOf(5, 'alert')
  await read(log, 4)
  await dropAll(log)
  assert.match(
    await says(log),
    /^wrong deliveries: 1 record is gone from alerts partition 0 that webhooks never read: the log keeps what stands at 5 and later, .* before 4\..* "ALTER TABLE progress/,
  )
  const second = await logOf(5, 'alert')
  await read(second, 5)
  await dropAll(second)
  assert.equal(await says(second), '')
})

test('an endpoint that answered 410 is a warning', async t => {
  const { store, clock, endpoint } = await openScene(t)
  await disableEndpoint(store, endpoint.id, clock())
  const [check] = await examineDeliveries({ store, clock })
  assert.equal(check!.level, 'warn')
  assert.match(check!.says, /answered 410 Gone and gets nothing more: remove it, or add it anew/)
})
