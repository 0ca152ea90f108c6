/** Tables of a backup from before a growth or a rebuild go on where the log did, and nothing is lost. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { partitionOf } from '../../services/base/slot.ts'
import { rebuildCalls } from '../../services/control/rebuild.ts'
import { examineEnd } from '../../services/doctor/growth.ts'
import { encodeRecord } from '../../services/log/codec.ts'
import { openMemoryLog } from '../../services/log/memory.ts'
import { findAhead, whyEnded } from '../../services/rebuild/ahead.ts'
import { drainEpoch } from '../../services/rebuild/drain.ts'
import { beginEpoch, makeTopic, readEpochs } from '../../services/rebuild/epochs.ts'
import { acceptLosses } from '../../services/rebuild/losses.ts'
import { openPresent, type Present } from '../../services/rebuild/present.ts'
import { beginRebuild, continueRebuild, giveUpRebuild } from '../../services/rebuild/rebuild.ts'
import { shopLog, shopRules } from '../processor/shop.ts'
import { backUp } from './backup.ts'
import {
  append,
  auditFindsNothing,
  clickOf,
  createRebuilders,
  type Entry,
  foldAll,
  keepRules,
  kept,
  messages,
  present,
  type Rebuilder,
  seen,
  siteOf,
  startFolding,
} from './rebuilder.ts'

const entries: readonly Entry[] = shopLog(
  { seed: 31, clicks: 1_600, users: 80, stepMs: 300_000 },
  1,
)[0]!
const part = entries.length / 4
const partitions = 2
const grownTo = 4
const tick = { key: null, value: encodeRecord({ kind: 'tick', atMs: 0, writer: 'test' }) }

const { open } = createRebuilders()

const drain = ({ log, store }: Rebuilder, epoch: Present) =>
  drainEpoch({
    ...{ log, store, alertsTopic: 'alerts', alertsPartitions: 2, project: 'default' },
    ...epoch,
  })

async function foldOn(project: Rebuilder, epoch: Present, from: number, to: number): Promise<void> {
  await append(project, epoch, entries.slice(from * part, to * part))
  await foldAll(project, epoch)
}

const make = ({ log }: Rebuilder, count: number) => {
  return (topic: string) => makeTopic(log, topic, { ...kept, partitions: count })
}

async function grow(project: Rebuilder, before: Present, to: number): Promise<Present> {
  await beginEpoch(project.store, before, 'clicks', to, project.nowMs, make(project, to))
  await drain(project, before)
  return present(project, partitions)
}

async function rebuild(project: Rebuilder, before: Present): Promise<Present> {
  const old = await startFolding(project, before)
  const site = siteOf(project)
  await continueRebuild(site, before, await beginRebuild(site, before))
  await old.stop()
  return present(project, partitions)
}

/** One quarter folded in the first epoch and kept as a backup, one more behind it. */
async function begin(database: string) {
  const project = await open(database)
  await keepRules(project, shopRules)
  const first = await present(project, partitions)
  await foldOn(project, first, 0, 1)
  const restore = await backUp(project.store)
  await foldOn(project, first, 1, 2)
  return { project, first, restore }
}

/** What a person sees, and every alert with its bodies. */
async function all(project: Rebuilder) {
  const found = { ...(await seen(project)), messages: await messages(project) }
  assert.ok(found.messages.size > 50, `${found.messages.size} alerts to tell twice`)
  return found
}

test('of a growth: whoever opens the project writes down where it went on', async () => {
  const { project, first, restore } = await begin('ebb_grown')
  const second = await grow(project, first, grownTo)
  await foldOn(project, second, 2, 3)
  const third = await grow(project, second, 2 * grownTo)
  await foldOn(project, third, 3, 4)
  const [whole, epochs] = [await all(project), await readEpochs(project.store)]

  await restore()
  assert.deepEqual(await readEpochs(project.store), [])
  const { log, store } = project
  const [check] = await examineEnd({
    ...{ log, store, clicksTopic: 'clicks', partitions, replay: false },
    ...{ clock: () => 0, wallClock: () => 0 },
  })
  assert.equal(check!.level, 'wrong')
  assert.match(
    check!.says,
    /^The project went on from clicks in e1\.clicks, by a growth,.* delete nothing, and run ebb grow 4/,
  )
  const told: string[] = []
  const now = await openPresent({ log, store }, 'clicks', { partitions, ...kept }, sentence =>
    told.push(sentence),
  )
  assert.deepEqual(now, third)
  assert.deepEqual(await readEpochs(store), epochs)
  assert.deepEqual(
    told.map(sentence => /nothing of (\S+),/.exec(sentence)?.[1]),
    ['e1.clicks', 'e2.clicks'],
  )
  assert.equal(await whyEnded({ log, store }, now), undefined)
  await drain(project, first)
  await drain(project, second)
  await foldAll(project, third)
  assert.deepEqual(await all(project), whole)
  await auditFindsNothing(project, third)
})

test('of a growth that was killed before its seals: its clicks are found by their topic', async () => {
  const { project, first, restore } = await begin('ebb_unsealed')
  await beginEpoch(project.store, first, 'clicks', grownTo, 0, make(project, grownTo))
  const second = await present(project, partitions)
  const until = project.nowMs + 1
  const facts = { userId: 'user 1', eventId: 'taken', timestampMs: until, receivedAtMs: until }
  await project.log.append(second.topic, 3, [clickOf(facts)])
  await restore()
  assert.deepEqual(await present(project, partitions), second)
})

test('tables that are lost altogether: the logs of all epochs give them again', async () => {
  const { project, first } = await begin('ebb_whole')
  const second = await grow(project, first, grownTo)
  await foldOn(project, second, 2, 3)
  const whole = await all(project)
  const fresh = { ...(await open('ebb_fresh')), log: project.log }
  await keepRules(fresh, shopRules)
  assert.deepEqual(await present(fresh, partitions), second)
  await drain(fresh, first)
  await foldAll(fresh, second)
  assert.deepEqual(await all(fresh), whole)
})

describe('of a rebuild', () => {
  const callsOf = (project: Rebuilder) => {
    const { store } = project
    return rebuildCalls({
      ...{ store, clicksTopic: 'clicks' },
      async openRebuildPlace() {
        const shadow = await store.openBeside(`${store.database}_rebuild`)
        const epoch = await present(project, partitions)
        const site = siteOf({ ...project, shadow })
        return { site, present: epoch, close: () => shadow.close() }
      },
    })
  }

  test('that came to its end: nobody takes clicks until its topic is folded again', async () => {
    const { project, first, restore } = await begin('ebb_rebuilt')
    // Behind the backup; he clicks on.
    const userId = entries.slice(2 * part).find(({ record }) => record.key !== null)!.record.key!
    const erase = { key: userId, value: encodeRecord({ kind: 'erase', userId }) }
    await project.log.append('clicks', partitionOf(userId, partitions), [erase])
    await foldAll(project, first)
    const second = await rebuild(project, first)
    await foldOn(project, second, 2, 4)
    const ranks = () =>
      project.store.query(
        'SELECT user_id, event_id, precedence FROM clicks FINAL WHERE user_id = {userId:String} ORDER BY ALL',
        { userId },
      )
    const [whole, epochs, ranked] = [
      await all(project),
      await readEpochs(project.store),
      await ranks(),
    ]
    assert.ok(ranked.length > 0)

    await restore()
    assert.deepEqual(await present(project, partitions), first)
    const why = await whyEnded(project, first)
    assert.match(why!.message, /in e1\.clicks, by a rebuild.* delete nothing, and run ebb rebuild/)
    const calls = callsOf(project)
    await assert.rejects(calls.beginRebuild({ files: true }), /ebb rebuild without files first/)
    const folding = await startFolding(project, first)
    assert.equal(await calls.beginRebuild({ files: false }), false)
    await calls.rebuild().finally(() => folding.stop())
    assert.deepEqual(await present(project, partitions), second)
    assert.deepEqual(await readEpochs(project.store), epochs)
    assert.deepEqual(await all(project), whole)
    assert.deepEqual(await ranks(), ranked)
    await auditFindsNothing(project, second)
  })

  test('whose seals retention took: the old epoch ends behind what an operator gave up', async () => {
    const { project, first } = await begin('ebb_unsealable')
    const second = await rebuild(project, first)
    await foldOn(project, second, 2, 4)
    const [whole, epochs] = [await seen(project), await readEpochs(project.store)]
    const { log } = project
    await log.ensure('clicks', { ...kept, partitions, retentionMs: -1 })
    await log.retain()
    const fresh = { ...(await open('ebb_unsealed_fresh')), log, nowMs: project.nowMs }
    await keepRules(fresh, shopRules)
    await assert.rejects(foldAll(fresh, first), { code: 'offsetGone' })
    const loss = { log, store: fresh.store, project: 'default', newest: first }
    await acceptLosses(
      loss,
      () => project.nowMs,
      () => undefined,
    )
    const calls = callsOf(fresh)
    assert.equal(await calls.beginRebuild({ files: false }), false)
    const folding = await startFolding(fresh, first)
    await calls.rebuild().finally(() => folding.stop())
    assert.deepEqual(await present(fresh, partitions), second)
    assert.deepEqual(await readEpochs(fresh.store), epochs)
    await foldAll(fresh, second)
    assert.ok(whole.clicks!.length > 1_000, `${whole.clicks!.length} clicks`)
    assert.deepEqual((await seen(fresh)).clicks, whole.clicks)
  })

  test('is told by any of its partitions, though no user of its history is in the first', async () => {
    const project = await open('ebb_one_sided')
    await project.log.ensure('e1.clicks', { ...kept, partitions })
    const facts = { userId: 'user 1', eventId: 'judged', timestampMs: 1, receivedAtMs: 1 }
    await project.log.append('e1.clicks', 1, [clickOf({ ...facts, judgedMs: 1 })])
    assert.equal(await findAhead(project, 'clicks'), undefined, 'before a collector ticks')
    await project.log.append('e1.clicks', 0, [tick])
    await project.log.append('e1.clicks', 1, [tick])
    const found = { epoch: 1, topic: 'e1.clicks', partitions, rebuilt: true }
    assert.deepEqual(await findAhead(project, 'clicks'), found)
  })

  test('that was given up: the project goes on where it is, and grows past its topic', async () => {
    const { project, first, restore } = await begin('ebb_given_up')
    // As far as its topic is full, and no further.
    const site = siteOf(project, sentence => assert.doesNotMatch(sentence, /are folded/))
    const begun = await beginRebuild(site, first)
    await assert.rejects(continueRebuild(site, first, begun), /are folded/)
    await giveUpRebuild(site)
    assert.ok((await project.log.bounds('e1.clicks', 0)).endOffset > 0)
    await restore()
    assert.deepEqual(await present(project, partitions), first)
    assert.equal(await whyEnded(project, first), undefined)
    await foldAll(project, first)
    const second = await grow(project, first, grownTo)
    assert.equal(second.topic, 'e2.clicks')
    await foldOn(project, second, 2, 4)
    await auditFindsNothing(project, second)
  })
})

test('the topic behind the seals is gone: nobody takes clicks, and a growth carries on', async () => {
  const { project, first, restore } = await begin('ebb_gone')
  await grow(project, first, grownTo)
  await restore()
  // The same log without the topic.
  const log = openMemoryLog({ clock: () => project.nowMs })
  for (const topic of ['clicks', 'alerts']) {
    await log.ensure(topic, { ...kept, partitions })
    for (let partition = 0; partition < partitions; partition++) {
      const records = await project.log.read(topic, partition, 0, Number.POSITIVE_INFINITY)
      for (const { key, value, appendMs } of records) {
        project.nowMs = appendMs
        await log.append(topic, partition, [{ key, value }])
      }
    }
  }
  const other = { ...project, log }
  assert.equal(await whyEnded(other, first), undefined, 'its Seals are not folded yet')
  await foldAll(other, first)
  const why = await whyEnded(other, first)
  assert.match(why!.message, /clicks was sealed .* run ebb grow 4: it goes on in a new topic/)
  const second = await grow(other, first, grownTo)
  assert.equal(second.topic, 'e1.clicks')
  assert.equal(await whyEnded(other, second), undefined)
  await log.append(second.topic, 0, [tick])
  await foldAll(other, second)
})
