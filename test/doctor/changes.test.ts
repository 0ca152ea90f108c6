/** Rules after a backup of the tables was put back: partitions hold later revisions than the table knows. */
import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { keepControl, keepRule, readBroadcasts } from '../../services/control/project.ts'
import { examineControls } from '../../services/doctor/partitions.ts'
import { openMemoryLog } from '../../services/log/memory.ts'
import { parseRule } from '../../services/processor/fold/rule.ts'
import { snapshotPartition } from '../../services/processor/fold/snapshot.ts'
import { createState } from '../../services/processor/fold/state.ts'
import { rowTime } from '../../services/store/rows.ts'
import { openMigrated } from '../store/fixture.ts'

const nowMs = Date.UTC(2026, 0, 1)
const rule = { id: 'quiet', when: { quiet_for: '3d' } }
const removal = { id: 'quiet', removed: true } as const
const store = await openMigrated({ after })

beforeEach(async () => {
  for (const table of ['rules', 'controls', 'progress'])
    await store.command(`TRUNCATE TABLE ${table}`)
})

/** One partition of two that has folded so many revisions. */
async function hold(revisions: readonly [string, number][]): Promise<void> {
  const state = createState('shop')
  for (const [key, revision] of revisions) state.revisions.set(key, revision)
  const progress = {
    topic: 'clicks',
    partition: 1,
    epoch: 0,
    next_offset: 9,
    clock: rowTime(nowMs),
    clock_day: 0,
    held: '',
    state: snapshotPartition(state),
    last_hash: '',
    version: 9,
    written_at: rowTime(nowMs),
  }
  await store.insert('progress', [progress])
}

const keep = () => keepRule(store, parseRule(rule), rule, nowMs)
const kept = async () =>
  (await readBroadcasts(store)).map(({ key, revision }) => `${key} ${revision}`)

test('a rule that partitions hold as of later is kept above that, though it reads the same', async () => {
  assert.equal(await keep(), true)
  assert.equal(await keep(), false)
  await hold([['rule:quiet', 5]])
  assert.equal(await keep(), true)
  assert.deepEqual(await kept(), ['rule:quiet 1', 'rule:quiet 6'])
  assert.equal(await keep(), false)
})

test('a rule that is in force and unknown to the table can be removed', async () => {
  await assert.rejects(keepRule(store, removal, removal, nowMs), /There is no rule quiet/)
  await hold([['rule:quiet', 2]])
  assert.equal(await keepRule(store, removal, removal, nowMs), true)
  assert.deepEqual(await kept(), ['rule:quiet 3'])
})

test('cutoffs are kept above those that partitions hold', async () => {
  await hold([['cutoffs', 7]])
  await keepControl(store, 'cutoffs', { high: '10', keep: '5' }, nowMs)
  assert.deepEqual(await kept(), ['cutoffs 8'])
})

test('the doctor says that the table knows less than is in force', async () => {
  await keep()
  await hold([['rule:quiet', 5]])
  const source = {
    log: openMemoryLog({ clock: () => nowMs }),
    store,
    clicksTopic: 'clicks',
    partitions: 1,
    clock: () => nowMs,
    wallClock: () => nowMs,
    replay: false,
  }
  const says = async () => (await examineControls(source)).map(check => check.says).join('\n')
  assert.match(
    await says(),
    /hold rule:quiet as of revision 5, the table knows 1: it is of an older/,
  )
  await keep()
  assert.doesNotMatch(await says(), /older backup/)
})
