/** Where a rebuild refuses or stops: it says why, the project is as it was, and what is mended lets it come to its end. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { EbbError } from '../../services/base/errors.ts'
import { slotOf } from '../../services/base/slot.ts'
import { keepControl, readBroadcasts } from '../../services/control/project.ts'
import { rebuildCalls } from '../../services/control/rebuild.ts'
import { encodeRecord } from '../../services/log/codec.ts'
import type { Log } from '../../services/log/log.ts'
import { drainEpoch } from '../../services/rebuild/drain.ts'
import { beginEpoch, makeTopic, readEpochs, readSealed } from '../../services/rebuild/epochs.ts'
import { beginRebuild, continueRebuild } from '../../services/rebuild/rebuild.ts'
import { shadowNameOf } from '../../services/rebuild/shadow.ts'
import { readOpenRebuild } from '../../services/rebuild/steps.ts'
import { shopLog, shopRules, shopStartMs } from '../processor/shop.ts'
import {
  append,
  auditFindsNothing,
  clickOf,
  createRebuilders,
  type Entry,
  foldAll,
  kept,
  messages,
  present,
  type Rebuilder,
  seen,
  siteOf,
  startFolding,
} from './rebuilder.ts'

const shop = { seed: 9, clicks: 400, users: 40, stepMs: 50_000 }
const shopEndMs = shopStartMs + shop.clicks * shop.stepMs
const hourMs = 3_600_000
const partitions = 2

const { openFolded } = createRebuilders()
const open = (database: string) => openFolded(database, shopRules, shopLog(shop, 1)[0]!, partitions)

/** As the command has them; each call opens the tables beside anew, which the end of a rebuild drops. */
function callsOf(project: Rebuilder, log: Log = project.log, told: string[] = []) {
  const { store } = project
  return rebuildCalls({
    ...{ store, clicksTopic: 'clicks' },
    async openRebuildPlace() {
      const shadow = await store.openBeside(shadowNameOf(store.database))
      const site = siteOf({ ...project, shadow }, sentence => told.push(sentence))
      const epoch = await present(project, partitions)
      return { site: { ...site, log }, present: epoch, close: () => shadow.close() }
    },
  })
}

async function rebuild(project: Rebuilder): Promise<void> {
  const calls = callsOf(project)
  await calls.beginRebuild({ files: false })
  await calls.rebuild()
}

/** All that a refusal must leave alone. */
async function stateOf(project: Rebuilder): Promise<unknown[]> {
  const ends = [0, 1].map(partition => project.log.bounds('clicks', partition))
  return [
    ...[await seen(project), await messages(project), await readEpochs(project.store)],
    await Promise.all(ends),
  ]
}

/** Refused it is as before, and mended it is rebuilt: the same to who looks, and by its log alone. */
async function refuses(
  project: Rebuilder,
  work: () => Promise<unknown>,
  sentence: RegExp,
  mend: () => Promise<unknown>,
): Promise<void> {
  const before = await stateOf(project)
  await assert.rejects(work(), error => {
    assert.ok(error instanceof EbbError && !error.retriable, String(error))
    assert.match(error.message, sentence)
    return true
  })
  assert.deepEqual(await stateOf(project), before)
  await mend()
  const mended = await seen(project)
  const folding = await startFolding(project, await present(project, partitions))
  await rebuild(project).finally(() => folding.stop())
  await isRebuilt(project, mended)
}

async function isRebuilt(project: Rebuilder, expected: Record<string, unknown[]>): Promise<void> {
  const last = await present(project, partitions)
  assert.ok(last.epoch > 0)
  const found = await seen(project)
  for (const name of Object.keys(expected)) assert.deepEqual(found[name], expected[name], name)
  await auditFindsNothing(project, last)
  assert.equal(await readOpenRebuild(project.store), undefined)
}

const nothing = async () => undefined

for (const [database, ttl, sentence] of [
  ['ebb_ttl', 'toDateTime(timestamp) + INTERVAL 50 YEAR', /keeps nothing before 19\d\d-.* TTL/],
  ['ebb_odd', 'toDateTime(received_at) + INTERVAL 50 YEAR', /The TTL of the table clicks is .*rec/],
] as const)
  test(`clicks have the TTL ${ttl}: what is gone cannot be made anew`, async () => {
    const project = await open(database)
    await project.store.command(`ALTER TABLE clicks MODIFY TTL ${ttl}`)
    await refuses(
      project,
      () => rebuild(project),
      sentence,
      () => project.store.command('ALTER TABLE clicks REMOVE TTL'),
    )
  })

test('the tables are replicated: they would not follow the exchange', async () => {
  const project = await open('ebb_replicas')
  const { store } = project
  const [row] = await store.query<{ sql: string }>(
    "SELECT create_table_query AS sql FROM system.tables WHERE database = currentDatabase() AND name = 'users'",
  )
  await store.command('RENAME TABLE users TO users_before')
  // Attached it asks for no Keeper, which dropped it would.
  await store.command(
    row!.sql
      .replace(
        /^CREATE TABLE \S+/,
        "ATTACH TABLE users UUID '00000000-0000-4000-8000-000000000001'",
      )
      .replace('ReplacingMergeTree(', "ReplicatedReplacingMergeTree('/users', 'one', "),
  )
  await refuses(
    project,
    () => rebuild(project),
    /The tables are replicated/,
    async () => {
      await store.command('EXCHANGE TABLES users AND users_before')
      await store.command('DETACH TABLE users_before')
    },
  )
})

test('a growth is not at its end', async () => {
  const project = await open('ebb_growing')
  const { log, store } = project
  const first = await present(project, partitions)
  await beginEpoch(store, first, 'clicks', 4, project.nowMs)
  const shared = { log, store, alertsTopic: 'alerts', alertsPartitions: 2, project: 'default' }
  await refuses(
    project,
    () => rebuild(project),
    /growth of the project is not at its end.* ebb grow/,
    async () => {
      await drainEpoch({ ...shared, ...first })
      const second = await present(project, partitions)
      const atMs = project.nowMs
      const facts = { userId: 'user 1', eventId: 'grown', timestampMs: atMs, receivedAtMs: atMs }
      await append(project, second, [{ atMs, record: clickOf(facts) }])
      await foldAll(project, second)
    },
  )
})

test('another one is behind the seals, and cannot be begun anew with files', async () => {
  const project = await open('ebb_sealed')
  const first = await present(project, partitions)
  const site = { ...siteOf(project), drain: () => Promise.reject(new Error('cut short')) }
  await assert.rejects(continueRebuild(site, first, await beginRebuild(site, first)), /cut short/)
  assert.equal((await readOpenRebuild(project.store))?.step, 'sealing')
  const begin = () => callsOf(project).beginRebuild({ files: true })
  await refuses(project, begin, /on its way and cannot be begun anew.* without files/, nothing)
})

test('there is none to go on with', async () => {
  const project = await open('ebb_none')
  await refuses(project, () => callsOf(project).rebuild(), /no rebuild to go on with/, nothing)
})

test('the project goes on in another epoch than the command began with', async () => {
  const project = await open('ebb_moved')
  const first = await present(project, partitions)
  const folding = await startFolding(project, first)
  await rebuild(project).finally(() => folding.stop())
  await refuses(project, () => beginRebuild(siteOf(project), first), /in epoch 1 now/, nothing)
})

test('files reach beyond the clock of a live project, and it is given up', async () => {
  const project = await open('ebb_ahead')
  const first = await present(project, partitions)
  const live = encodeRecord({ kind: 'live', atMs: project.nowMs })
  await append(project, first, [{ atMs: project.nowMs, record: { key: null, value: live } }])
  await foldAll(project, first)
  const calls = callsOf(project)
  const timestampMs = shopEndMs + hourMs
  const facts = { userId: 'user 1', eventId: 'ahead', timestampMs, receivedAtMs: timestampMs }
  const record = clickOf(facts).value!.toString('base64')
  const click = { ...facts, slot: slotOf('user 1'), partition: 0, order: 0, record }
  const load = async () => {
    await calls.beginRebuild({ files: true })
    await calls.addIncoming({ clicks: [click] })
  }
  await refuses(project, load, /reach to 2026-.*, beyond the clock/, async () => {
    await calls.giveUpRebuild()
    assert.equal(await readOpenRebuild(project.store), undefined)
    const sql = 'SELECT name FROM system.databases WHERE name = {name:String}'
    const name = shadowNameOf(project.store.database)
    assert.deepEqual(await project.store.query(sql, { name }), [])
  })
})

for (const [database, what, inIt] of [
  ['ebb_wide', 'has 4 partitions', { partitions: 4, records: 0 }],
  ['ebb_full', 'holds records of a rebuild', { partitions: 2, records: 1 }],
] as const)
  test(`the topic of the new epoch ${what}: the tables know nothing of it`, async () => {
    const project = await open(database)
    const { log } = project
    await log.ensure('e1.clicks', { ...kept, partitions: inIt.partitions })
    const value = encodeRecord({ kind: 'live', atMs: shopStartMs })
    for (let record = 0; record < inIt.records; record++)
      await log.append('e1.clicks', 1, [{ key: null, value }])
    assert.equal(await makeTopic(log, 'e1.clicks', { ...kept, partitions: 2 }), false)
    // Given again it takes the next number.
    await refuses(project, () => rebuild(project), /e1\.clicks is there already/, nothing)
    assert.equal((await present(project, partitions)).topic, 'e2.clicks')
  })

test('the log takes no more for a moment: it says so, and goes on', async () => {
  const project = await open('ebb_busy')
  const before = await seen(project)
  const told: string[] = []
  let refusals = 2
  const log: Log = {
    ...project.log,
    async append(topic, partition, records) {
      if (topic === 'e1.clicks' && refusals-- > 0)
        throw new EbbError('logFull', 'The disk of the log is full.')
      return project.log.append(topic, partition, records)
    },
  }
  const calls = callsOf(project, log, told)
  const folding = await startFolding(project, await present(project, partitions))
  await calls.beginRebuild({ files: false })
  await calls.rebuild().finally(() => folding.stop())
  const sentences = told.filter(sentence => sentence.includes('disk'))
  assert.deepEqual(sentences, Array(2).fill('The disk of the log is full. It is tried again.'))
  await isRebuilt(project, before)
})

describe('alerts wait for a hole in the clicks', () => {
  const minuteMs = 60_000

  /** So many minutes in which nobody clicks but one, and only at their end. */
  const clickAfter = (project: Rebuilder, minutes: number): Entry[] => {
    const atMs = project.nowMs + minutes * minuteMs
    const facts = { userId: 'user 1', eventId: `${atMs}`, timestampMs: atMs, receivedAtMs: atMs }
    return [{ atMs, record: clickOf(facts) }]
  }

  async function openGuarded(database: string): Promise<Rebuilder> {
    const project = await open(database)
    await keepControl(project.store, 'settings', { guards: 'on' }, 0)
    const settings = (await readBroadcasts(project.store)).find(
      ({ record }) => record.kind === 'settings',
    )
    const record = { key: null, value: encodeRecord(settings!.record) }
    const first = await present(project, partitions)
    await append(project, first, [{ atMs: project.nowMs, record }])
    await foldAll(project, first)
    return project
  }

  /** Clicks come again, until alerts wait no longer. */
  async function pass(project: Rebuilder): Promise<void> {
    const first = await present(project, partitions)
    for (let minute = 0; minute <= 61; minute++)
      await append(project, first, clickAfter(project, 1))
    await foldAll(project, first)
  }

  test('when it is begun', async () => {
    const project = await openGuarded('ebb_hole')
    const first = await present(project, partitions)
    await append(project, first, clickAfter(project, 90))
    await foldAll(project, first)
    await refuses(
      project,
      () => callsOf(project).beginRebuild({ files: false }),
      /No click could come in .* give the same command again/,
      async () => {
        assert.equal(await readOpenRebuild(project.store), undefined)
        await pass(project)
      },
    )
  })

  test('when it was begun, and its clicks are still to be put in order', async () => {
    const project = await openGuarded('ebb_hole_behind')
    const first = await present(project, partitions)
    const calls = callsOf(project)
    await calls.beginRebuild({ files: false })
    await append(project, first, clickAfter(project, 90))
    await foldAll(project, first)
    await refuses(
      project,
      () => calls.rebuild(),
      /No click could come in/,
      async () => {
        assert.equal((await readOpenRebuild(project.store))?.step, 'staging')
        await pass(project)
      },
    )
  })

  test('when it is folded and would seal: it goes on later', async () => {
    const project = await openGuarded('ebb_late_hole')
    const first = await present(project, partitions)
    const folding = await startFolding(project, first)
    let isOpen = true
    const log: Log = {
      ...project.log,
      async append(topic, partition, records) {
        if (isOpen) {
          isOpen = false
          await append(project, first, clickAfter(project, 90))
          await folding.caughtUp()
        }
        return project.log.append(topic, partition, records)
      },
    }
    const calls = callsOf(project, log)
    await calls.beginRebuild({ files: false })
    await assert.rejects(calls.rebuild(), /No click could come in/)
    assert.equal((await readOpenRebuild(project.store))?.step, 'folding')
    assert.deepEqual(await readSealed(project.store, 'clicks'), new Set())
    await folding.stop()
    await pass(project)
    const before = await seen(project)
    const again = await startFolding(project, first)
    await rebuild(project).finally(() => again.stop())
    assert.equal((await present(project, partitions)).epoch, 1, 'it went on')
    await isRebuilt(project, before)
  })
})

test('no processor folds the old epoch up to its seals: it says so, and goes on with one', async () => {
  const project = await open('ebb_away')
  const first = await present(project, partitions)
  await assert.rejects(rebuild(project), error => {
    assert.ok(error instanceof EbbError && error.code === 'processorAway', String(error))
    assert.match(error.message, /2 of 2 old partitions are not drained yet, and no processor/)
    return true
  })
  assert.equal((await readOpenRebuild(project.store))?.step, 'sealing')
  // What a collector acknowledges meanwhile stands behind the seals.
  const atMs = project.nowMs
  const facts = { userId: 'user 1', eventId: 'behind', timestampMs: atMs, receivedAtMs: atMs }
  await append(project, first, [{ atMs, record: clickOf(facts) }])
  const before = await seen(project)
  const folding = await startFolding(project, first)
  await rebuild(project).finally(() => folding.stop())
  const { clicks } = await seen(project)
  assert.equal(clicks!.length, before.clicks!.length + 1)
  assert.equal(await readOpenRebuild(project.store), undefined)
})
