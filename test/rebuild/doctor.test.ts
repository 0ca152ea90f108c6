/** A growth that stopped before its end is named, with what to do. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { examineGrowth } from '../../services/doctor/growth.ts'
import { openMemoryLog } from '../../services/log/memory.ts'
import { drainEpoch } from '../../services/rebuild/drain.ts'
import { beginEpoch } from '../../services/rebuild/epochs.ts'
import { openPresent } from '../../services/rebuild/present.ts'
import { openEmbeddedStore } from '../../services/store/embedded.ts'
import { migrate } from '../../services/store/migrate.ts'

const kept = { retentionMs: Number.POSITIVE_INFINITY, retentionBytes: Number.POSITIVE_INFINITY }

test('the doctor tells a growth that was begun from one that came to its end', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'ebb-doctor-'))
  const store = await openEmbeddedStore({ directory, database: 'ebb' })
  const log = openMemoryLog({ clock: () => 0 })
  t.after(async () => {
    await log.close()
    await store.close()
    rmSync(directory, { recursive: true, force: true })
  })
  await migrate(store)
  await log.ensure('alerts', { partitions: 1, ...kept })
  const first = await openPresent({ log, store }, 'clicks', { partitions: 1, ...kept })
  assert.deepEqual(await examineGrowth(store), [])
  await beginEpoch(store, first, 'clicks', 2, 0)
  const [begun] = await examineGrowth(store)
  assert.equal(begun!.level, 'wrong')
  assert.match(begun!.says, /^clicks is not folded up to its seals.* run ebb grow 2 again\.$/)
  const parts = { log, store, alertsTopic: 'alerts', alertsPartitions: 1, project: 'default' }
  await drainEpoch({ ...parts, ...first })
  assert.deepEqual(
    (await examineGrowth(store)).map(({ level }) => level),
    ['ok'],
  )
})
