/** What an owner of before had tried, or had only stored, when he died: who was told of a silence hears of its end. */
import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { EbbError } from '../../services/base/errors.ts'
import { partitionOf } from '../../services/base/slot.ts'
import { encodeAlert } from '../../services/log/codec.ts'
import type { Lease, Log, Owner } from '../../services/log/log.ts'
import { type DeliveryRow, deliveriesOf } from '../../services/webhooks/deliveries.ts'
import { removeEndpoint } from '../../services/webhooks/endpoints.ts'
import { readProgress } from '../../services/webhooks/progress.ts'
import { openDelivering } from './delivering.ts'
import {
  alert,
  answerWith,
  append,
  type Data,
  erasureRecord,
  type Hook,
  partitions,
  start,
  testClockMs,
  topic,
} from './fixture.ts'

const dayMs = 86_400_000
const { data, hook, run, ends } = await openDelivering()
let receiver: Awaited<ReturnType<typeof hook>>

beforeEach(async () => {
  receiver = await hook()
})

type Insert = Data['store']['insert']

/** Webhooks of which no insert that `dies` is true of, nor any after it, is ever made. */
async function runUntil(dies: (table: string, row: DeliveryRow) => boolean): Promise<void> {
  const died = Promise.withResolvers<void>()
  let isDead = false
  const insert: Insert = async (table, rows) => {
    isDead ||= rows.some(row => dies(table, row as DeliveryRow))
    if (!isDead) return data.store.insert(table, rows)
    died.resolve()
    throw new Error('the process is dead')
  }
  const webhooks = await start({ ...data, store: { ...data.store, insert } })
  await died.promise
  await webhooks.stop()
}

const late = () => testClockMs + 3 * dayMs

const isAttempt = (table: string, { attempt }: DeliveryRow) => table === 'deliveries' && attempt > 0

async function statusOf(messageId: string): Promise<string> {
  return data.stored.until(async () => {
    const [row] = (await deliveriesOf(data.store, [messageId])).get(messageId) ?? []
    return row?.next_at === null ? row.status : undefined
  })
}

const idsOf = ({ hits }: Hook) => hits.map(({ id }) => id)

test('who took the alert of a silence hears of the return, though who sent it died before that was stored', async () => {
  await append(data.log, alert('ann'))
  await runUntil(isAttempt)
  assert.deepEqual(idsOf(receiver), ['m-ann-fired'])
  await append(data.log, alert('ann', { status: 'resolved' }))
  await run()
  assert.equal(await statusOf('m-ann-resolved'), 'delivered')
  assert.equal(await statusOf('m-ann-fired'), 'delivered')
  assert.deepEqual(idsOf(receiver), ['m-ann-fired', 'm-ann-fired', 'm-ann-resolved'])
})

test('an attempt that nobody stored is made again, however late', async () => {
  await append(data.log, alert('ben'))
  await runUntil(isAttempt)
  await run({ clock: late })
  assert.equal(await statusOf('m-ben-fired'), 'delivered')
})

test('what an owner who stopped in order had not tried is void when the user returned, what was cut off is not', async () => {
  await removeEndpoint(data.store, receiver.id, testClockMs)
  const hanging = await hook(() => {})
  const webhooks = await start(data, { settings: { endpointMax: 1, stopTimeoutMs: 1 } })
  await append(data.log, alert('dan'))
  await hanging.saw('m-dan-fired')
  await append(data.log, alert('eve'))
  await data.stored.until(async () => (await deliveriesOf(data.store, ['m-eve-fired'])).size > 0)
  await webhooks.stop()
  await append(data.log, alert('dan', { status: 'resolved' }), alert('eve', { status: 'resolved' }))
  await run()
  assert.equal(await statusOf('m-eve-resolved'), 'cancelled')
  assert.equal(await statusOf('m-eve-fired'), 'cancelled')
  await hanging.saw('m-dan-resolved')
  assert.ok(!idsOf(hanging).includes('m-eve-fired'))
})

test('nobody hears of the return from a silence that went stale, though who was to say so died', async () => {
  await append(data.log, alert('fay'))
  const webhooks = await start(data, { clock: late })
  assert.equal(await statusOf('m-fay-fired'), 'stale')
  await append(data.log, alert('fay', { status: 'resolved' }))
  await webhooks.stop()
  await runUntil(
    (_, { message_id, next_at }) => message_id === 'm-fay-resolved' && next_at === null,
  )
  await run({ clock: late })
  assert.equal(await statusOf('m-fay-resolved'), 'cancelled')
  assert.deepEqual(idsOf(receiver), [])
})

test('what an owner who died while catching up had only stored is void when the user returned', async () => {
  const partition = partitionOf('cid', partitions)
  const fired = { key: 'cid', value: encodeAlert(alert('cid')) }
  // Of what is read at once each piece up to an erasure is stored by itself: the first one, not the second.
  await data.log.append(topic, partition, [fired, erasureRecord('nobody', 20), fired])
  let pieces = 0
  await runUntil(table => table === 'progress' && ++pieces === 2)
  assert.deepEqual(idsOf(receiver), [])
  await append(data.log, alert('cid', { status: 'resolved' }))
  await run()
  assert.equal(await statusOf('m-cid-resolved'), 'cancelled')
  assert.equal(await statusOf('m-cid-fired'), 'cancelled')
  assert.deepEqual(idsOf(receiver), [])
})

test('what is open goes on where a partition that failed comes back to the same process', async () => {
  const partition = partitionOf('ida', partitions)
  const refusing = await hook((response, nth) => answerWith(nth === 1 ? 500 : 204)(response))
  let owner: Owner | undefined
  const handed: Log = {
    ...data.log,
    async own(_topic, _group, its) {
      owner = its
      return { stop: async () => undefined }
    },
  }
  const webhooks = await start({ ...data, log: handed }, { settings: { scheduleMs: [0, 60_000] } })
  const { endOffset } = await data.log.bounds(topic, partition)
  await append(data.log, alert('ida'))
  const comes = async () => {
    const offset = await owner!.open(partition)
    const records = await data.log.read(topic, partition, offset, 1 << 20)
    const lease: Lease = { lost: false, async beat() {}, fail() {}, async commit() {} }
    await owner!.records(partition, records, lease)
  }
  await comes()
  await ends('m-ida-fired', 'failed', refusing.id)
  owner!.failed(partition, new EbbError('logRejected', 'The broker lets nobody read.'))
  await comes()
  assert.equal((await readProgress(data.store, topic, partition))!.nextOffset, endOffset)
  await webhooks.stop()
  await run({ clock: late, settings: { scheduleMs: [0, 60_000] } })
  await ends('m-ida-fired', 'delivered', refusing.id)
  assert.deepEqual(idsOf(refusing), ['m-ida-fired', 'm-ida-fired'])
})

test('where somebody dropped what progress said, a delivery may have been tried', async () => {
  await append(data.log, alert('joy'))
  await runUntil(isAttempt)
  await data.store.command(
    `ALTER TABLE progress DELETE WHERE topic = '${topic}' SETTINGS mutations_sync = 1`,
  )
  await append(data.log, alert('joy', { status: 'resolved' }))
  await run({ clock: late })
  assert.equal(await statusOf('m-joy-fired'), 'delivered')
  assert.equal(await statusOf('m-joy-resolved'), 'delivered')
})
