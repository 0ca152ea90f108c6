/** What a restore asks at once is bounded, whichever partition it is and whatever its users are called. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openMemoryLog } from '../../services/log/memory.ts'
import { snapshotPartition } from '../../services/processor/fold/snapshot.ts'
import { createState, createUser } from '../../services/processor/fold/state.ts'
import { idsInRowMax, snapshotUser } from '../../services/processor/fold/user-row.ts'
import { restore } from '../../services/processor/restore.ts'
import { rowTime } from '../../services/store/rows.ts'
import type { Store } from '../../services/store/store.ts'
import { openMigrated } from '../store/fixture.ts'
import { foldAll, makeTopics } from './fold-all.ts'
import { shopStartMs } from './shop.ts'

const project = 'default'

test('of many partitions one whose slots begin late reads its users in pieces', async t => {
  const store = await openMigrated(t)
  const [partitions, partition, users] = [128, 100, 640_000]
  const log = openMemoryLog({ clock: () => shopStartMs })
  await makeTopics(log, partitions)
  await log.append('clicks', partition, [{ key: null, value: null }])
  await store.command(
    `INSERT INTO users (slot, user_id, state, epoch, partition, version)
     SELECT {partition:UInt16} + {partitions:UInt16} * (number % 32), concat('user ', toString(number)),
            {state:String}, 0, {partition:UInt16}, 0 FROM numbers({users:UInt32})`,
    { partitions, partition, users, state: snapshotUser(createUser('')) },
  )
  await store.insert('progress', [
    {
      ...{ topic: 'clicks', partition, epoch: 0, next_offset: 1, clock: null, clock_day: -1 },
      ...{ held: '', state: snapshotPartition(createState(project)), last_hash: '', version: 1 },
      written_at: rowTime(shopStartMs),
    },
  ])
  const sizesBytes: number[] = []
  const counting: Store = {
    ...store,
    async scan(sql, params) {
      const chunk = await store.scan(sql, params)
      sizesBytes.push(chunk.length)
      return chunk
    },
  }
  const source = { log, store: counting, topic: 'clicks', partitions, project }
  const { state } = await restore(source, { epoch: 0, partition })
  assert.equal(state.users.size, users)
  assert.ok(Math.max(...sizesBytes) <= 40 * 1024 * 1024, `bytes at once: ${sizesBytes.join(', ')}`)
})

test('users with long sessions and long ids are asked for in pieces that ClickHouse takes', async t => {
  const store = await openMigrated(t)
  let nowMs = shopStartMs
  const log = openMemoryLog({ clock: () => nowMs })
  await makeTopics(log, 1)
  const quotes = "'".repeat(252)
  const ids = Array.from({ length: 300 }, (_, at) => `${quotes}${String(at).padStart(4, '0')}`)
  const clicks = idsInRowMax + 1
  for (let nth = 0; nth < clicks; nth++) {
    nowMs += 1000
    const records = ids.map(userId => {
      const click = { userId, event: 'page', messageId: `m${nth}`, timestamp: nowMs }
      return { key: userId, value: Buffer.from(JSON.stringify(click)) }
    })
    await log.append('clicks', 0, records)
  }
  await foldAll(log, store)
  const source = { log, store, topic: 'clicks', partitions: 1, project }
  const { state } = await restore(source, { epoch: 0, partition: 0 })
  for (const id of ids) assert.equal(state.users.get(id)!.open[0]!.ids.length, clicks)
})
