/** Clicks may be large: what goes to ClickHouse at once is bounded in bytes, where rows are few. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openMemoryLog } from '../../services/log/memory.ts'
import { createState } from '../../services/processor/fold/state.ts'
import { createFolded } from '../../services/processor/folded.ts'
import { createPartition } from '../../services/processor/partition.ts'
import { openMigrated } from '../store/fixture.ts'
import { makeTopics } from './fold-all.ts'
import { shopStartMs } from './shop.ts'

const mebibyte = 1024 * 1024

test('a backlog of large clicks goes in several inserts', async t => {
  const store = await openMigrated(t)
  const log = openMemoryLog({ clock: () => shopStartMs })
  await makeTopics(log, 1)
  const clicks = 1_300
  const context = { text: 'x'.repeat(60_000) }
  for (let nth = 0; nth < clicks; nth++) {
    const userId = `user ${nth}`
    const click = { userId, event: 'page', messageId: 'm', timestamp: shopStartMs, context }
    await log.append('clicks', 0, [{ key: userId, value: Buffer.from(JSON.stringify(click)) }])
  }
  const sizes: number[] = []
  const partition = createPartition({
    target: {
      ...{ log, topic: 'clicks', alertsTopic: 'alerts', alertsPartitions: 1 },
      store: {
        ...store,
        async insert(table, rows) {
          if (table === 'clicks')
            sizes.push(rows.reduce((sum, row) => sum + JSON.stringify(row).length, 0))
          await store.insert(table, rows)
        },
      },
      wallClock: () => shopStartMs,
    },
    place: { epoch: 0, partition: 0 },
    folded: createFolded(createState('default'), 0, ''),
    steadyClock: () => 0,
    flushed() {},
    troubled() {},
    stopping: new AbortController().signal,
  })
  const lease = { lost: false, async beat() {}, fail() {}, async commit() {} }
  await partition.take(await log.read('clicks', 0, 0, 100 * mebibyte), lease)
  await partition.finish()
  assert.ok(sizes.length > 1)
  assert.ok(Math.max(...sizes) < 66 * mebibyte, `bytes at once: ${sizes.join(', ')}`)
  const [row] = await store.query<{ count: string }>('SELECT count() AS count FROM clicks FINAL')
  assert.equal(Number(row!.count), clicks)
})
