/** What the doctor says of partitions that nobody folds: on a log in memory, with tables that know nothing of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { examinePartitions } from '../../services/doctor/partitions.ts'
import { openMemoryLog } from '../../services/log/memory.ts'
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
  assert.match(await lookAt(atMs + 5_000), /ok All 1 move, 1 records behind/)
  assert.match(
    await lookAt(atMs + 120_000),
    /wrong It stands still with 1 records not folded, for 2 min, nothing was ever folded/,
  )
})
