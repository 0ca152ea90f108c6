/** What comes behind the seals of an epoch is carried over, though tables or log take nothing for a while. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { EbbError } from '../../services/base/errors.ts'
import { partitionOf } from '../../services/base/slot.ts'
import { nextTurn } from '../../services/base/time.ts'
import { decodeRecord, encodeRecord } from '../../services/log/codec.ts'
import type { Log } from '../../services/log/log.ts'
import { openMemoryLog } from '../../services/log/memory.ts'
import { startCarrying } from '../../services/rebuild/carry.ts'
import { drainEpoch } from '../../services/rebuild/drain.ts'
import { beginEpoch } from '../../services/rebuild/epochs.ts'
import { openPresent, type Present } from '../../services/rebuild/present.ts'
import type { Store } from '../../services/store/store.ts'
import { openMigrated } from '../store/fixture.ts'
import { kept } from './rebuilder.ts'

const log = openMemoryLog({ clock: () => 0 })
const store = await openMigrated({ after })
let first: Present
let second: Present

before(async () => {
  await log.ensure('alerts', { partitions: 1, ...kept })
  first = await openPresent({ log, store }, 'clicks', { partitions: 1, ...kept })
  await beginEpoch(store, first, 'clicks', 2, 0)
  await drainEpoch({ ...parts(), ...first })
  second = await openPresent({ log, store }, 'clicks', { partitions: 1, ...kept })
})
after(() => log.close())

const parts = () => ({
  ...{ log, store, alertsTopic: 'alerts', alertsPartitions: 1, project: 'default' },
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

function clickOf(userId: string, eventId: string): Buffer {
  return encodeRecord({
    ...{ kind: 'click', eventId, userId, anonymousId: null, type: 'track', name: 'page' },
    ...{ timestampMs: 0, receivedAtMs: 0, url: null, referrer: null, value: null },
    ...{ currency: null, orderId: null, properties: '', context: '', imported: false },
  })
}

test('each step is tried again, and the click is there once', async () => {
  const value = clickOf('u', 'straggler')
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

test('a carrier that dies carries an Erase twice, and the second one takes nothing', async () => {
  const userId = 'v'
  const target = partitionOf(userId, second.partitions)
  const recordOf = (value: Buffer) => ({ key: userId, value })
  const values = [
    clickOf(userId, 'before'),
    encodeRecord({ kind: 'erase', userId }),
    clickOf(userId, 'after'),
  ]
  await log.append(first.topic, 0, values.map(recordOf))
  const died = Promise.withResolvers<Error>()
  let writes = 0
  const dying: Store = {
    ...store,
    async command(...call) {
      if (++writes === 2) throw new Error('It dies with the Erase on the log, and no progress.')
      await store.command(...call)
    },
  }
  const options = { log, store, from: first, to: second, troubled: () => {} }
  const carrier = await startCarrying({
    ...options,
    store: dying,
    carried: () => {},
    failed: (_partition, error) => died.resolve(error),
  })
  await died.promise
  await carrier.stop()
  await log.append(second.topic, target, [recordOf(clickOf(userId, 'native'))])
  const carried = Promise.withResolvers<number>()
  const again = await startCarrying({
    ...options,
    carried: carried.resolve,
    failed: (_partition, error) => carried.reject(error),
  })
  await carried.promise.finally(() => again.stop())
  const kinds = (await log.read(second.topic, target, 0, 1 << 20)).map(
    ({ value }) => decodeRecord(value).kind,
  )
  assert.equal(kinds.filter(kind => kind === 'carriedErase').length, 2)
  await drainEpoch({ ...parts(), ...second })
  const rows = await store.query<{ event_id: string }>(
    'SELECT event_id FROM clicks FINAL WHERE user_id = {user:String} ORDER BY event_id',
    { user: userId },
  )
  assert.deepEqual(
    rows.map(({ event_id }) => event_id),
    ['after', 'native'],
  )
})
