/** What the doctor says of partitions that nobody folds, or can: on a log in memory, beside tables in the engine. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { examinePartitions } from '../../services/doctor/partitions.ts'
import type { LocalLog } from '../../services/log/local.ts'
import { openMemoryLog } from '../../services/log/memory.ts'
import { recordHash } from '../../services/processor/folded.ts'
import { rowTime } from '../../services/store/rows.ts'
import { openMigrated } from '../store/fixture.ts'

test('a partition stands from when there was something to fold, not from when it was idle', async t => {
  const store = await openMigrated(t)
  const atMs = Date.UTC(2026, 0, 1)
  const log = openMemoryLog({ clock: () => atMs })
  const limits = { retentionMs: Number.POSITIVE_INFINITY, retentionBytes: Number.POSITIVE_INFINITY }
  await log.ensure('clicks', { partitions: 1, ...limits })
  await log.append('clicks', 0, [{ key: 'ada', value: Buffer.from('{}') }])
  const lookAt = async (nowMs: number) => {
    const wallClock = () => nowMs
    const source = { log, store, clicksTopic: 'clicks', partitions: 1, replay: false }
    const checks = await examinePartitions({ ...source, clock: wallClock, wallClock })
    return checks.map(({ level, says }) => `${level} ${says}`).join('\n')
  }
  assert.match(
    await lookAt(atMs + 5_000),
    /ok 1 partition, and none stands still; 1 record to be folded/,
  )
  assert.match(
    await lookAt(atMs + 120_000),
    /wrong It stands still with 1 record not folded, for 2 min, nothing was ever folded/,
  )
})

test('only imports that were begun are said not to be over: a replay has none', async t => {
  const store = await openMigrated(t)
  const atMs = Date.UTC(2026, 0, 1)
  const log = openMemoryLog({ clock: () => atMs })
  const limits = { retentionMs: Number.POSITIVE_INFINITY, retentionBytes: Number.POSITIVE_INFINITY }
  await log.ensure('clicks', { partitions: 1, ...limits })
  const saidOfTime = async (version: number, imports: string, held: string) => {
    await store.insert('progress', [
      {
        ...{ topic: 'clicks', partition: 0, epoch: 0, next_offset: 0, clock: rowTime(atMs) },
        ...{ clock_day: 20_454, held, state: JSON.stringify({ imports }), last_hash: '' },
        ...{ version, written_at: rowTime(atMs) },
      },
    ])
    const clock = () => atMs
    const source = { log, store, clicksTopic: 'clicks', partitions: 1, replay: true }
    const checks = await examinePartitions({ ...source, clock, wallClock: clock })
    return checks.find(({ area }) => area === 'time')!.says
  }
  assert.match(await saidOfTime(1, 'running', 'import'), /^Imports are not over: .* ebb live\.$/)
  assert.equal(await saidOfTime(2, 'none', ''), 'By the clicks it is 2026-01-01T00:00:00.000Z.')
  assert.match(await saidOfTime(3, 'none', 'hole'), /^Alerts wait on partition 0, because/)
})

const atMs = Date.UTC(2026, 0, 1)

/** A partition of a log that keeps a record for one second of its clock. */
async function openScene(t: TestContext) {
  const store = await openMigrated(t)
  let nowMs = atMs
  const clock = () => nowMs
  return {
    async logOf(count: number, word: string): Promise<LocalLog> {
      const log = openMemoryLog({ clock })
      const retentionBytes = Number.POSITIVE_INFINITY
      await log.ensure('clicks', { partitions: 1, retentionMs: 1_000, retentionBytes })
      const records = Array.from({ length: count }, (_, at) => Buffer.from(`${word} ${at}`))
      for (const value of records) await log.append('clicks', 0, [{ key: 'ada', value }])
      return log
    },
    /** Retention takes all that is there. */
    async dropAll(log: LocalLog): Promise<void> {
      nowMs += 10_000
      await log.retain()
    },
    /** The tables hold what stands before. */
    async folded(log: LocalLog, nextOffset: number): Promise<void> {
      const [last] = await log.read('clicks', 0, nextOffset - 1, 1)
      await store.insert('progress', [
        {
          ...{ topic: 'clicks', partition: 0, epoch: 0, next_offset: nextOffset },
          ...{ clock: rowTime(nowMs), clock_day: 20_454, held: '', state: '{"imports":"none"}' },
          ...{ last_hash: recordHash(last!), version: 1, written_at: rowTime(nowMs) },
        },
      ])
    },
    async says(log: LocalLog): Promise<string> {
      const source = { log, store, clicksTopic: 'clicks', partitions: 1, replay: true }
      const [check] = await examinePartitions({ ...source, clock, wallClock: clock })
      return `${check!.level} ${check!.area}: ${check!.says}`
    },
  }
}

test('the log that was folded is well at its end and before it', async t => {
  const { logOf, folded, says } = await openScene(t)
  const log = await logOf(8, 'click')
  await folded(log, 5)
  assert.match(await says(log), /^ok partitions: 1 partition, .*; 3 records to be folded\.$/)
})

for (const [name, count, sentence] of [
  [
    'ends before what was folded',
    3,
    /^wrong partition 0: 2 records of clicks partition 0 are gone that were folded: the log ends at 3, .*before 5\..* restore a backup .* that reaches to 3 at most/,
  ],
  [
    'ends exactly there',
    5,
    /^wrong partition 0: clicks partition 0 holds another record at 4 .*up to 5 records .* are gone .*Look at the addresses/,
  ],
  [
    'goes on behind it',
    8,
    /^wrong partition 0: clicks partition 0 holds another record at 4 .*up to 5 records .* are gone .*Look at the addresses/,
  ],
] as const)
  test(`a log made anew that ${name} is wrong, with what is gone and what to do`, async t => {
    const { logOf, folded, says } = await openScene(t)
    await folded(await logOf(5, 'click'), 5)
    assert.match(await says(await logOf(count, 'another')), sentence)
  })

test('records that retention took unfolded are wrong, with how many and what to do', async t => {
  const { logOf, folded, dropAll, says } = await openScene(t)
  const log = await logOf(8, 'click')
  await dropAll(log)
  assert.match(
    await says(log),
    /^wrong partition 0: The first 8 records of clicks partition 0 are gone, .* give ebb log begin/,
  )
  const second = await logOf(8, 'click')
  await folded(second, 5)
  await dropAll(second)
  assert.match(
    await says(second),
    /^wrong partition 0: 3 records of clicks partition 0 are gone that were never folded: .* Restore a backup/,
  )
})

test('a partition that is far behind is a warning', async t => {
  const { logOf, says } = await openScene(t)
  const log = await logOf(1, 'click')
  const record = { key: 'ada', value: Buffer.from('click') }
  await log.append('clicks', 0, new Array(50_000).fill(record))
  assert.equal(
    await says(log),
    'warn partition 0: 50001 records are not folded yet: start processors.',
  )
})
