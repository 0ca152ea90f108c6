/** Which topic behind the newest that the tables know is taken for the next epoch, and which is not. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encodeRecord } from '../../services/log/codec.ts'
import { findAhead, followLog, whyEnded } from '../../services/rebuild/ahead.ts'
import { foldHistory } from '../../services/rebuild/append.ts'
import { readEpochs } from '../../services/rebuild/epochs.ts'
import type { Present } from '../../services/rebuild/present.ts'
import { beginRebuild, continueRebuild } from '../../services/rebuild/rebuild.ts'
import { makeShadow } from '../../services/rebuild/shadow.ts'
import { readOpenRebuild } from '../../services/rebuild/steps.ts'
import {
  clickOf,
  createRebuilders,
  kept,
  present,
  type Rebuilder,
  siteOf,
  startFolding,
} from './rebuilder.ts'

const partitions = 2
const tick = { key: null, value: encodeRecord({ kind: 'tick', atMs: 1, writer: 'test' }) }

const { open } = createRebuilders()

/** A topic in which collectors took clicks. */
async function taken({ log }: Rebuilder, topic: string, count: number): Promise<void> {
  await log.ensure(topic, { ...kept, partitions: count })
  await log.append(topic, 0, [tick])
}

/** Two growths, of which the tables know nothing. */
async function openGrown(database: string) {
  const project = await open(database)
  await taken(project, 'clicks', partitions)
  await taken(project, 'e1.clicks', 2 * partitions)
  await taken(project, 'e2.clicks', 4 * partitions)
  const first: Present = { epoch: 0, topic: 'clicks', partitions, previous: undefined }
  return { project, first, ahead: (await findAhead(project, 'clicks'))! }
}

const newestOf = async ({ store }: Rebuilder) => (await readEpochs(store)).at(-1)?.epoch

describe('several services follow two growths', () => {
  test('one that has looked before the others wrote both down goes on from there', async () => {
    const { project, first, ahead } = await openGrown('ebb_both')
    const second = await present(project, partitions)
    assert.equal(second.epoch, 2)
    const rebuild = await beginRebuild(siteOf(project), second)
    await followLog(project, first, ahead, 0)
    assert.equal(await newestOf(project), 2)
    assert.deepEqual(await readOpenRebuild(project.store), rebuild, 'what was begun since')
  })

  test('and one that was about to write the first', async () => {
    const { project, first, ahead } = await openGrown('ebb_between')
    const store = {
      ...project.store,
      command: async (...args: Parameters<typeof project.store.command>) => {
        await present(project, partitions)
        return project.store.command(...args)
      },
    }
    await followLog({ ...project, store }, first, ahead, 0)
    assert.equal(await newestOf(project), 2)
  })
})

test('topics that were passed over, however many, hide no growth', async () => {
  const project = await open('ebb_passed')
  await taken(project, 'clicks', partitions)
  for (let epoch = 1; epoch <= 9; epoch++)
    await project.log.ensure(`e${epoch}.clicks`, { ...kept, partitions })
  await taken(project, 'e10.clicks', 2 * partitions)
  assert.equal((await present(project, partitions)).epoch, 10)
})

test('a topic that an earlier project left is not gone on in: its first one never held a record', async () => {
  const project = await open('ebb_left')
  await taken(project, 'e1.clicks', 2 * partitions)
  const says =
    /^clicks holds no record and never did, and e1\.clicks.* earlier project .* delete e1\.clicks/
  await assert.rejects(present(project, partitions), { code: 'topicMismatch', message: says })
  const first: Present = { epoch: 0, topic: 'clicks', partitions, previous: undefined }
  assert.match((await whyEnded(project, first))!.message, says)
  assert.deepEqual(await readEpochs(project.store), [])
})

describe('a rebuild whose topic lacks clicks of its history', () => {
  test('is gone on with where it was killed while it carried', async () => {
    const project = await open('ebb_no_click')
    const first = await present(project, partitions)
    const old = await startFolding(project, first)
    const late = clickOf({ userId: 'ada', eventId: 'late', timestampMs: 1, receivedAtMs: 1 })
    let [folds, appended] = [0, Promise.resolve<unknown>(undefined)]
    const dying = siteOf(project, sentence => {
      if (/ is sealed/.test(sentence)) appended = project.log.append('clicks', 0, [late])
      if (/ are folded/.test(sentence) && ++folds === 2) throw new Error('killed')
    })
    const begun = await beginRebuild(dying, first)
    await assert.rejects(continueRebuild(dying, first, begun), /killed/)
    await appended
    await old.stop()
    const rebuild = await readOpenRebuild(project.store)
    assert.equal(rebuild!.step, 'carrying')
    assert.deepEqual(await present(project, partitions), first)
    await continueRebuild(siteOf(project), first, rebuild!)
    assert.equal((await present(project, partitions)).epoch, 1)
    const clicks = await project.store.query('SELECT event_id FROM clicks FINAL')
    assert.deepEqual(clicks, [{ event_id: 'late' }])
  })

  test('makes no tables where retention took a part of it, whatever ebb log begin says', async () => {
    const project = await open('ebb_half_history')
    const { log } = project
    const topic = 'e1.clicks'
    await log.ensure(topic, { ...kept, partitions })
    const judged = { userId: 'ada', timestampMs: 1, receivedAtMs: 1, judgedMs: 1 }
    await log.append(topic, 0, [clickOf({ ...judged, eventId: 'gone' })])
    project.nowMs = 1_000
    await log.append(topic, 0, [clickOf({ ...judged, eventId: 'kept' })])
    await log.ensure(topic, { ...kept, partitions, retentionMs: 500 })
    await log.retain()
    const site = siteOf(project)
    await makeShadow(site.tables)
    await assert.rejects(foldHistory(site, { epoch: 1, topic, partitions }), {
      code: 'offsetGone',
      message: /^Retention has taken the first records of e1\.clicks.* Restore a backup/,
    })
  })

  test('is no growth where retention took it: the sentence says which backup is needed', async () => {
    const project = await open('ebb_no_history')
    await taken(project, 'clicks', partitions)
    await taken(project, 'e1.clicks', partitions)
    await assert.rejects(present(project, partitions), {
      code: 'topicMismatch',
      message: /retention has taken the clicks that it began with: restore a backup of ClickHouse/,
    })
  })
})
