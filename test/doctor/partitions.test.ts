/** What the doctor says of partitions that nobody folds: on a log in memory, with tables that know nothing of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { examinePartitions } from '../../services/doctor/partitions.ts'
import { openMemoryLog } from '../../services/log/memory.ts'
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
