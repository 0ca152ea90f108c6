/** A partition is read back while who lost it is still in the middle of an erasure. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { encodeRecord } from '../../services/log/codec.ts'
import type { Log } from '../../services/log/log.ts'
import { openMemoryLog } from '../../services/log/memory.ts'
import { forgetIn, rememberErasure } from '../../services/processor/erasures.ts'
import { idsInRowMax } from '../../services/processor/fold/user-row.ts'
import { restore } from '../../services/processor/restore.ts'
import type { Store } from '../../services/store/store.ts'
import { openMigrated } from '../store/fixture.ts'
import { foldAll, makeTopics, readTables } from './fold-all.ts'
import { shopStartMs } from './shop.ts'

const place = { epoch: 0, partition: 0 }
const userId = 'long'
/** One session, too long for its row to hold the ids. */
const clicks = idsInRowMax + 8

async function openLong(t: TestContext) {
  let nowMs = shopStartMs
  const log = openMemoryLog({ clock: () => nowMs })
  await makeTopics(log, 1)
  const click = async (nth: number, user: string) => {
    nowMs = shopStartMs + nth * 1000
    const event = { userId: user, event: 'x', messageId: `m${nth}`, timestamp: nowMs }
    await log.append('clicks', 0, [{ key: user, value: Buffer.from(JSON.stringify(event)) }])
  }
  for (let nth = 0; nth < clicks; nth++) {
    await click(nth, 'other')
    await click(nth, userId)
  }
  const store = await openMigrated(t)
  // The last flush comes with time.
  const alive = setInterval(() => {}, 1000)
  t.after(() => clearInterval(alive))
  await foldAll(log, store)
  return { log, store, click }
}

const sourceOf = (log: Log, store: Store) => {
  return { log, store, topic: 'clicks', partitions: 1, project: 'default' }
}

/** Does `work` between the users that are read and their clicks. */
function inBetween(store: Store, work: () => Promise<void>): Store {
  let done = false
  return {
    ...store,
    async scan(sql, params) {
      if (!done && sql.includes('FROM clicks')) {
        done = true
        await work()
      }
      return store.scan(sql, params)
    },
  }
}

test('whom it erases is left out, and the tables end as if it had not been there', async t => {
  const { log, store, click } = await openLong(t)
  const erase = { key: userId, value: encodeRecord({ kind: 'erase', userId }) }
  const offset = await log.append('clicks', 0, [erase])
  await click(clicks, userId)
  const overtaken = inBetween(store, async () => {
    await rememberErasure(store, place, userId, offset, 0)
    for (const table of ['users', 'clicks'])
      await forgetIn(store, table, userId, { ...place, offset })
  })
  const { state } = await restore(sourceOf(log, overtaken), place)
  assert.deepEqual(
    Array.from(state.users.values(), ({ id }) => id),
    ['other'],
  )
  await foldAll(log, store)
  const found = await readTables(store)
  for (const table of [...Object.keys(found), 'erasures'])
    await store.command(`TRUNCATE TABLE ${table}`)
  await foldAll({ ...log, append: async () => 0 }, store)
  const expected = await readTables(store)
  for (const [table, rows] of Object.entries(expected)) assert.deepEqual(found[table], rows, table)
  assert.equal(expected.clicks!.length, clicks + 1)
})

test('clicks that no erasure of that time takes must be there', async t => {
  const { log, store } = await openLong(t)
  // He came back behind an erasure; and somebody else was erased.
  await rememberErasure(store, place, userId, 0, 0)
  const { endOffset } = await log.bounds('clicks', 0)
  await rememberErasure(store, place, 'somebody else', endOffset, 0)
  await store.command(
    "ALTER TABLE clicks DELETE WHERE user_id = {userId:String} AND event_id = 'm5' SETTINGS mutations_sync = 1",
    { userId },
  )
  const source = { log, store, topic: 'clicks', partitions: 1, project: 'default' }
  await assert.rejects(
    restore(source, place),
    /has 72 clicks, and the table clicks knows 71 of them/,
  )
})
