/** Users who are erased while an audit looks: what the erasure took is no difference, and all else still is one. */
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { audit, type Findings } from '../../services/audit/audit.ts'
import type { AuditSource } from '../../services/audit/source.ts'
import { partitionOf } from '../../services/base/slot.ts'
import { encodeRecord } from '../../services/log/codec.ts'
import { rememberErasure, tablesOfUsers } from '../../services/processor/erasures.ts'
import { drainEpoch } from '../../services/rebuild/drain.ts'
import { beginEpoch } from '../../services/rebuild/epochs.ts'
import type { Store } from '../../services/store/store.ts'
import { foldAll } from '../processor/fold-all.ts'
import { shopLog, shopStartMs } from '../processor/shop.ts'
import {
  append,
  clickOf,
  createRebuilders,
  foldAll as foldEpoch,
  present,
} from '../rebuild/rebuilder.ts'
import { openScene, type Scene, shop, type Turn } from './scene.ts'

const differences = (findings: Findings) => Object.values(findings).flatMap(one => one.examples)

/** Closed behind the test: there is one engine in a process. */
async function sceneOf(t: TestContext, partitions = 2, turns: readonly Turn[] = []) {
  const scene = await openScene(partitions, turns)
  t.after(() => scene.close())
  return scene
}

const eraseOf = (userId: string) => ({
  key: userId,
  value: encodeRecord({ kind: 'erase', userId }),
})

/** A user with rows in every table, of a kind that each check looks at. */
async function richUser(store: Store): Promise<string> {
  const [row] = await store.query<{ user_id: string }>(
    `SELECT user_id FROM alerts FINAL
     WHERE user_id IN (SELECT user_id FROM rejects WHERE kind = 'duplicate')
       AND user_id IN (SELECT user_id FROM rejects WHERE kind = 'late')
       AND user_id IN (SELECT user_id FROM clicks WHERE purchase)
     ORDER BY user_id LIMIT 1`,
  )
  assert.ok(row, 'some user has all of them')
  return row.user_id
}

async function appendErase({ log, source }: Scene, userId: string): Promise<number> {
  return log.append('clicks', partitionOf(userId, source.partitions), [eraseOf(userId)])
}

/** Does `work` when the tables are asked that for the first time, before they answer. */
function whenAsked(
  source: AuditSource,
  isThat: (sql: string) => boolean,
  work: () => Promise<void>,
): AuditSource & { readonly wasAsked: () => boolean } {
  const { store } = source
  let asked = false
  const query: Store['query'] = async (sql, params) => {
    if (!asked && isThat(sql)) {
      asked = true
      await work()
    }
    return store.query(sql, params)
  }
  return { ...source, store: { ...store, query }, wasAsked: () => asked }
}

/** Whether the records of that partition, folded again by then, are looked for. */
const comparesRecords = (epoch: number, partition: number) => (sql: string) =>
  sql.includes('GROUP BY block, kind') &&
  sql.includes(`epoch = ${epoch} AND partition = ${partition} `)

describe('a user erased', () => {
  test('up to any of the tables: no difference', async t => {
    const scene = await sceneOf(t)
    const { log, store, source } = scene
    const userId = await richUser(store)
    await appendErase(scene, userId)
    for (let ends = 0; ends <= tablesOfUsers.length; ends++) {
      let deletions = 0
      const mortal: Store = {
        ...store,
        async command(sql, params) {
          if (sql.startsWith('ALTER TABLE') && deletions++ === ends) throw new Error('it dies here')
          await store.command(sql, params)
        },
      }
      await assert.rejects(foldAll(log, mortal), /it dies here/)
      const found = differences(await audit(source, 0))
      assert.deepEqual(found, [], `behind ${ends} deletions`)
    }
    await foldAll(log, store)
    assert.deepEqual(differences(await audit(source, 0)), [])
  })

  test('between the log folded again and its comparison: no difference', async t => {
    const scene = await sceneOf(t)
    const { log, store, source } = scene
    const userId = await richUser(store)
    const compares = comparesRecords(0, partitionOf(userId, 2))
    const meanwhile = whenAsked(source, compares, async () => {
      await appendErase(scene, userId)
      await foldAll(log, store)
    })
    assert.deepEqual(differences(await audit(meanwhile, 0)), [])
    assert.ok(meanwhile.wasAsked())
  })

  test('and back: what is lost of him behind the erasure is found, and no more', async t => {
    const scene = await sceneOf(t)
    const { log, store, source } = scene
    const userId = await richUser(store)
    const partition = partitionOf(userId, 2)
    await appendErase(scene, userId)
    const atMs = shopStartMs + shop.clicks * shop.stepMs
    const back = [0, 1].map(nth =>
      clickOf({
        ...{ userId, eventId: `back ${nth}` },
        ...{ timestampMs: atMs + nth, receivedAtMs: atMs },
      }),
    )
    const offset = await log.append('clicks', partition, back)
    await foldAll(log, store)
    await store.command(
      "ALTER TABLE clicks DELETE WHERE event_id = 'back 1' SETTINGS mutations_sync = 1",
    )
    const { log: found } = await audit(source, 0)
    assert.deepEqual(
      found.examples.map(({ where }) => where),
      [`record ${offset + 1} of clicks partition ${partition}, a click of user ${userId}`],
    )
  })

  test('as the table says, and the log does not: what is missing of him is found', async t => {
    const scene = await sceneOf(t)
    const { log, store, source } = scene
    const userId = await richUser(store)
    const partition = partitionOf(userId, 2)
    await store.command(
      'ALTER TABLE clicks DELETE WHERE user_id = {userId:String} SETTINGS mutations_sync = 1',
      { userId },
    )
    const { endOffset } = await log.bounds('clicks', partition)
    const before = (await audit(source, 0)).log.differences
    assert.ok(before > 1)
    for (const offset of [endOffset - 1, endOffset + 5]) {
      await rememberErasure(store, { epoch: 0, partition }, userId, offset, 0)
      assert.equal((await audit(source, 0)).log.differences, before)
    }
  })

  test('in a log whose beginning is gone: no difference', async t => {
    const erase = { kind: 'erase', userId: 'user 7' } as const
    const scene = await sceneOf(t, 1, [{ share: 0.9, control: erase }])
    const { log, source } = scene
    const bounds: AuditSource['log']['bounds'] = async (topic, partition) => ({
      ...(await log.bounds(topic, partition)),
      startOffset: 3_000,
    })
    const findings = await audit({ ...source, log: { bounds, read: log.read } }, 0)
    assert.deepEqual(differences(findings), [])
    assert.ok(findings.log.checked > 1_500)
  })
})

const { open } = createRebuilders()

test('a user erased between the audit of an epoch and that of the one before: no difference', async () => {
  const project = await open('ebb')
  const { log, store } = project
  const entries = shopLog(shop, 1)[0]!
  const middle = Math.floor(entries.length * 0.75)
  const first = await present(project, 1)
  await append(project, first, entries.slice(0, middle))
  await beginEpoch(store, first, 'clicks', 2, project.nowMs)
  await drainEpoch({
    ...{ log, store, alertsTopic: 'alerts', alertsPartitions: 2, project: 'default' },
    ...first,
  })
  const second = await present(project, 1)
  await append(project, second, entries.slice(middle))
  await foldEpoch(project, second)
  const userId = await richUser(store)
  const source: AuditSource = { log, store, project: 'default', ...second }
  const meanwhile = whenAsked(source, comparesRecords(0, 0), async () => {
    await log.append(second.topic, partitionOf(userId, 2), [eraseOf(userId)])
    await foldEpoch(project, second)
  })
  const findings = await audit(meanwhile, 0)
  assert.deepEqual(differences(findings), [])
  assert.ok(meanwhile.wasAsked())
})
