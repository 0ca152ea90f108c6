/** What comes behind the seals of an epoch is carried over, though tables or log take nothing for a while. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { EbbError } from '../../services/base/errors.ts'
import { nextTurn } from '../../services/base/time.ts'
import { encodeRecord } from '../../services/log/codec.ts'
import type { Log } from '../../services/log/log.ts'
import { openMemoryLog } from '../../services/log/memory.ts'
import { startCarrying } from '../../services/rebuild/carry.ts'
import { drainEpoch } from '../../services/rebuild/drain.ts'
import { beginEpoch } from '../../services/rebuild/epochs.ts'
import { openPresent, type Present } from '../../services/rebuild/present.ts'
import { type EmbeddedStore, openEmbeddedStore } from '../../services/store/embedded.ts'
import { migrate } from '../../services/store/migrate.ts'
import type { Store } from '../../services/store/store.ts'

const kept = { retentionMs: Number.POSITIVE_INFINITY, retentionBytes: Number.POSITIVE_INFINITY }
const directory = mkdtempSync(join(tmpdir(), 'ebb-carry-'))
const log = openMemoryLog({ clock: () => 0 })
let store: EmbeddedStore
let first: Present
let second: Present

before(async () => {
  store = await openEmbeddedStore({ directory, database: 'ebb' })
  await migrate(store)
  await log.ensure('alerts', { partitions: 1, ...kept })
  first = await openPresent({ log, store }, 'clicks', { partitions: 1, ...kept })
  await beginEpoch(store, first, 'clicks', 2, 0)
  const parts = { log, store, alertsTopic: 'alerts', alertsPartitions: 1, project: 'default' }
  await drainEpoch({ ...parts, ...first })
  second = await openPresent({ log, store }, 'clicks', { partitions: 1, ...kept })
})
after(async () => {
  await log.close()
  await store.close()
  rmSync(directory, { recursive: true, force: true })
})

/** Fails once at each of the calls of a carrier. */
function illOnce(): { readonly log: Log; readonly store: Store } {
  const failed = new Set<string>()
  const once = (call: string) => {
    if (failed.has(call)) return
    failed.add(call)
    throw new EbbError('storeRefused', `${call} was asked at a bad time.`)
  }
  return {
    log: {
      ...log,
      async append(...call) {
        once('the log')
        return log.append(...call)
      },
    },
    store: {
      ...store,
      async query(...call) {
        once('a query')
        return store.query(...call)
      },
      async command(...call) {
        once('progress')
        return store.command(...call)
      },
    },
  }
}

test('each step is tried again, and the click is there once', async () => {
  const eventId = 'straggler'
  const value = encodeRecord({
    ...{ kind: 'click', eventId, userId: 'u', anonymousId: null, type: 'track', name: 'page' },
    ...{ timestampMs: 0, receivedAtMs: 0, url: null, referrer: null, value: null },
    ...{ currency: null, orderId: null, properties: '', context: '', imported: false },
  })
  await log.append(first.topic, 0, [{ key: 'u', value }])
  const told: string[] = []
  const carried = Promise.withResolvers<number>()
  const carrier = await startCarrying({
    ...illOnce(),
    from: first,
    to: second,
    carried: carried.resolve,
    troubled: ({ message }) => told.push(message),
    failed: (_partition, error) => carried.reject(error),
  })
  assert.equal(await carried.promise.finally(() => carrier.stop()), 1)
  await nextTurn()
  assert.deepEqual(
    told.map(message => message.split(' was')[0]),
    ['a query', 'the log', 'progress'],
  )
  const ends = [await log.bounds(second.topic, 0), await log.bounds(second.topic, 1)]
  assert.equal(ends[0]!.endOffset + ends[1]!.endOffset, 1)
  const [row] = await store.query<{ next_offset: string }>(
    `SELECT next_offset FROM progress FINAL WHERE topic = 'clicks'`,
  )
  assert.equal(Number(row!.next_offset), (await log.bounds('clicks', 0)).endOffset)
})
