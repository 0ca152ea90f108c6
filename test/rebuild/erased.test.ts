/** A rebuild brings nothing back of users who were erased, whatever stands of them in the tables that it is made from. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { partitionOf, slotOf } from '../../services/base/slot.ts'
import { decodeRecord, encodeRecord } from '../../services/log/codec.ts'
import type { Click } from '../../services/log/record.ts'
import { sweepErased } from '../../services/processor/erasures.ts'
import { addIncoming } from '../../services/rebuild/history.ts'
import { beginRebuild, continueRebuild } from '../../services/rebuild/rebuild.ts'
import { rowTime } from '../../services/store/rows.ts'
import { shopRules, shopStartMs } from '../processor/shop.ts'
import {
  append,
  auditFindsNothing,
  clickOf,
  createRebuilders,
  type Entry,
  foldAll,
  present,
  type Rebuilder,
  siteOf,
  startFolding,
} from './rebuilder.ts'

const { openFolded } = createRebuilders()
const hourMs = 3_600_000
const partitions = 2

/** Who is erased for good, who comes back, and who was never erased. */
const users = ['gone', 'back', 'other']

const eraseOf = (userId: string, atMs: number): Entry => ({
  atMs,
  record: { key: userId, value: encodeRecord({ kind: 'erase', userId }) },
})

function clickAt(userId: string, eventId: string, timestampMs: number, atMs = timestampMs): Entry {
  return { atMs, record: clickOf({ userId, eventId, timestampMs, receivedAtMs: atMs }) }
}

/** Half a day each; one comes twice, the second time late. */
const entries: Entry[] = users.flatMap(userId => [
  clickAt(userId, `${userId} 1`, shopStartMs),
  clickAt(userId, `${userId} 2`, shopStartMs + 12 * hourMs),
])
entries.push(
  ...users.map(userId => clickAt(userId, `${userId} 1`, shopStartMs, shopStartMs + 13 * hourMs)),
  ...users.map(userId => ({
    atMs: shopStartMs + 13 * hourMs,
    record: {
      key: userId,
      value: encodeRecord({ kind: 'audience', userId, segments: ['vip'], scores: {} }),
    },
  })),
)
entries.sort((left, right) => left.atMs - right.atMs)

/** With that click of a file. */
async function rebuild(
  project: Rebuilder,
  { record }: Entry,
  hear: (sentence: string) => void = () => {},
) {
  const first = await present(project, partitions)
  const old = await startFolding(project, first)
  const site = siteOf(project, hear)
  const begun = await beginRebuild(site, first)
  const click = { ...(decodeRecord(record.value) as Click), imported: true }
  const { userId, eventId, timestampMs } = click
  const place = { slot: slotOf(userId), partition: partitionOf(userId, partitions), order: 0 }
  const facts = { userId, eventId, timestampMs, record: encodeRecord(click).toString('base64') }
  await addIncoming(project.shadow, [{ ...place, ...facts }])
  await continueRebuild(site, first, begun).finally(() => old.stop())
  return present(project, partitions)
}

const tablesOfRows = ['users', 'clicks', 'rejects', 'sessions', 'user_days']

async function usersIn({ store }: Rebuilder, table: string): Promise<string[]> {
  const rows = await store.query<{ user_id: string }>(
    `SELECT DISTINCT user_id FROM ${table} FINAL WHERE user_id != '' ORDER BY user_id`,
  )
  return rows.map(({ user_id }) => user_id)
}

test('rows that were written behind their erasure, and swept by nobody yet, are not taken over', async () => {
  const project = await openFolded('ebb', shopRules, entries, partitions)
  const { store } = project
  for (const table of tablesOfRows) {
    assert.deepEqual(await usersIn(project, table), [...users].sort(), table)
    await store.command(`CREATE TABLE saved_${table} ENGINE = Memory AS SELECT * FROM ${table}`)
  }
  const atMs = shopStartMs + 14 * hourMs
  const first = await present(project, partitions)
  await append(project, first, [
    eraseOf('gone', atMs),
    eraseOf('back', atMs),
    clickAt('back', 'back 3', atMs),
  ])
  await foldAll(project, first)
  for (const table of tablesOfRows) {
    await store.command(
      `INSERT INTO ${table} SELECT * FROM saved_${table} WHERE user_id != 'other'`,
    )
    await store.command(`DROP TABLE saved_${table} SYNC`)
    assert.ok((await usersIn(project, table)).includes('gone'), table)
  }
  // A file may know him: what he did before his erasure is as if it had never been.
  const second = await rebuild(project, clickAt('back', 'back 2', shopStartMs + 12 * hourMs))
  for (const table of tablesOfRows) {
    const left = table === 'rejects' ? ['other'] : ['back', 'other']
    assert.deepEqual(await usersIn(project, table), left, table)
  }
  const [back] = await store.query<{ clicks: string; segments: string[] }>(
    "SELECT clicks, segments FROM users FINAL WHERE user_id = 'back'",
  )
  assert.deepEqual([Number(back!.clicks), back!.segments], [2, []])
  const known = "SELECT event_id FROM clicks FINAL WHERE user_id = 'back' ORDER BY event_id"
  assert.deepEqual(await store.query(known), [{ event_id: 'back 2' }, { event_id: 'back 3' }])
  assert.equal(await sweepErased(store), 0, 'a sweep finds nothing')
  await auditFindsNothing(project, second)
})

/** Refused at the door. */
function refused(userId: string, at: number, clockMs: number) {
  return {
    ...{ source: 'collector', epoch: 0, partition: 0, offset: at, index: 0, kind: 'dead' },
    ...{ reason: 'schema', detail: '', user_id: userId, event_id: '', timestamp: null },
    ...{ bytes: `${userId} ${at}`, clock: rowTime(clockMs) },
  }
}

test('what was refused at the door comes over, but not that of before an erasure that only the new epoch knows', async () => {
  const project = await openFolded('ebb_door', shopRules, entries, partitions)
  const { store, shadow } = project
  const first = await present(project, partitions)
  const laterMs = Date.UTC(2099, 0, 1)
  const rows = [
    refused('gone', 1, shopStartMs),
    refused('gone', 2, laterMs),
    refused('other', 3, shopStartMs),
    refused('', 4, shopStartMs),
  ]
  await store.insert('rejects', rows)
  const doing: Promise<unknown>[] = []
  await rebuild(project, clickAt('other', 'other 0', shopStartMs), sentence => {
    // Behind the seal, from a collector that knows of nothing: the old tables hear nothing of it.
    if (sentence.includes('is sealed'))
      doing.push(append(project, first, [eraseOf('gone', shopStartMs + 14 * hourMs)]))
    // Inserts that began before the exchange: these tables are the old ones now.
    if (sentence.includes('goes on in'))
      doing.push(
        shadow.insert(
          'rejects',
          rows.map(row => ({ ...row, offset: row.offset + 10 })),
        ),
      )
  })
  await Promise.all(doing)
  const found = await store.query<{ bytes: string }>(
    "SELECT bytes FROM rejects FINAL WHERE source != 'log' ORDER BY offset",
  )
  assert.deepEqual(
    found.map(({ bytes }) => bytes),
    ['gone 2', 'other 3', ' 4', 'gone 2', 'other 3', ' 4'],
  )
})
