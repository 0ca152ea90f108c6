/** Tables that are lost after growths, and retention took the first records: what `ebb log begin` does on servers. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { drainEpoch, untilDrained } from '../../services/rebuild/drain.ts'
import { beginEpoch } from '../../services/rebuild/epochs.ts'
import { acceptLosses } from '../../services/rebuild/losses.ts'
import type { Present } from '../../services/rebuild/present.ts'
import { shopLog, shopRules } from '../processor/shop.ts'
import {
  append,
  createRebuilders,
  type Entry,
  foldAll,
  keepRules,
  kept,
  present,
  type Rebuilder,
  startFolding,
} from './rebuilder.ts'

const entries: readonly Entry[] = shopLog(
  { seed: 31, clicks: 800, users: 40, stepMs: 300_000 },
  1,
)[0]!
const part = entries.length / 4
const partitions = 2

const { open } = createRebuilders()

async function pour(project: Rebuilder, epoch: Present, from: number, to: number): Promise<void> {
  await append(project, epoch, entries.slice(from * part, to * part))
  await foldAll(project, epoch)
}

async function grow(project: Rebuilder, before: Present): Promise<Present> {
  const to = 2 * before.partitions
  const make = async (topic: string) => {
    await project.log.ensure(topic, { ...kept, partitions: to })
    return true
  }
  const { log, store, nowMs } = project
  await beginEpoch(store, before, 'clicks', to, nowMs, make)
  const alerts = { alertsTopic: 'alerts', alertsPartitions: 2 }
  await drainEpoch({ ...{ log, store, project: 'default' }, ...alerts, ...before })
  return present(project, partitions)
}

/** As processors on servers do, who set no Seal themselves. */
async function foldToSeals(project: Rebuilder, epoch: Present): Promise<void> {
  const folding = await startFolding(project, epoch)
  const { signal } = new AbortController()
  await untilDrained(project.store, epoch, signal).finally(() => folding.stop())
}

/** Of one topic, what stands before that entry; behind the last one: all. */
async function cut({ log }: Rebuilder, epoch: Present, before: number): Promise<void> {
  const endMs = entries.at(-1)!.atMs
  const retentionMs = before < entries.length ? endMs - entries[before]!.atMs : -1
  await log.ensure(epoch.topic, { ...kept, partitions: epoch.partitions, retentionMs })
  await log.retain()
}

async function clicksOf({ store }: Rebuilder, { epoch }: Present): Promise<unknown[]> {
  return store.query(
    `SELECT user_id, event_id FROM clicks FINAL WHERE epoch = ${epoch} ORDER BY ALL`,
  )
}

test('each epoch begins behind its loss, though its seals are gone, when the one before it is folded', async () => {
  const project = await open('ebb_lost')
  await keepRules(project, shopRules)
  const first = await present(project, partitions)
  await pour(project, first, 0, 1)
  const second = await grow(project, first)
  await pour(project, second, 1, 3)
  const third = await grow(project, second)
  await pour(project, third, 3, 4)
  const whole = await clicksOf(project, third)
  await cut(project, first, entries.length)
  await cut(project, second, 2 * part)

  const { log } = project
  const fresh = { ...(await open('ebb_begun')), log }
  await keepRules(fresh, shopRules)
  assert.deepEqual(await present(fresh, partitions), third)
  const { store } = fresh
  await assert.rejects(foldAll(fresh, first), { code: 'offsetGone' })
  let told: string[] = []
  const accept = () => {
    told = []
    const source = { log, store, project: 'default', newest: third }
    return acceptLosses(
      source,
      () => project.nowMs,
      sentence => told.push(sentence),
    )
  }
  const waits = {
    code: 'processorAway',
    message: /^e1\.clicks lost.* with what clicks ends in.* Restart the processors.* ebb log begin/,
  }
  await assert.rejects(accept(), waits)
  assert.equal(told.length, first.partitions)
  assert.match(told[0]!, /^clicks partition 0 begins at \d+: what stood before is lost/)
  await assert.rejects(accept(), waits, 'as long as it is not folded')
  assert.deepEqual(told, [])
  await foldToSeals(fresh, first)
  await accept()
  assert.equal(told.length, second.partitions)
  await foldToSeals(fresh, second)
  await accept()
  assert.deepEqual(told, [], 'nothing of the newest is lost')
  await foldAll(fresh, third)
  assert.ok(whole.length > 100, `${whole.length} clicks of the newest epoch`)
  assert.deepEqual(await clicksOf(fresh, third), whole)
})
