/** A growth that stopped before its end is named, with what to do. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { examineGrowth } from '../../services/doctor/growth.ts'
import { examineRebuild } from '../../services/doctor/rebuild.ts'
import { openMemoryLog } from '../../services/log/memory.ts'
import { drainEpoch } from '../../services/rebuild/drain.ts'
import { beginEpoch } from '../../services/rebuild/epochs.ts'
import { openPresent } from '../../services/rebuild/present.ts'
import { keepRebuild, steps } from '../../services/rebuild/steps.ts'
import { openMigrated } from '../store/fixture.ts'
import { kept } from './rebuilder.ts'

test('the doctor tells a growth that was begun from one that came to its end', async t => {
  const store = await openMigrated(t)
  const log = openMemoryLog({ clock: () => 0 })
  t.after(() => log.close())
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

test('the doctor names a rebuild that is open, and what it holds up', async t => {
  const store = await openMigrated(t)
  assert.deepEqual(await examineRebuild(store), [])
  const rebuild = { epoch: 1, topic: 'e1.clicks', partitions: 1, from: 0, points: [], tables: {} }
  const levels: string[] = []
  for (const step of steps) {
    await keepRebuild(store, { ...rebuild, step }, 0)
    levels.push((await examineRebuild(store))[0]?.level ?? 'nothing')
  }
  assert.deepEqual(levels.slice(0, 3), ['warn', 'warn', 'wrong'])
  assert.deepEqual(new Set(levels.slice(2, -2)), new Set(['wrong']))
  assert.deepEqual(levels.slice(-2), ['nothing', 'nothing'])
  await keepRebuild(store, { ...rebuild, epoch: 2, step: 'sealing' }, 0)
  const [open] = await examineRebuild(store)
  assert.match(open!.says, /e1.clicks is in its step sealing.* run ebb rebuild/)
  const first = { epoch: 0, topic: 'clicks', partitions: 1 }
  await assert.rejects(beginEpoch(store, first, 'clicks', 2, 0), /A rebuild of the project/)
})
