/** The outbox when its log or its store is not as it should be. The log is in memory, for its retention. */
import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { EbbError } from '../../services/base/errors.ts'
import { partitionOf } from '../../services/base/slot.ts'
import { encodeAlert, encodeRecord } from '../../services/log/codec.ts'
import type { LocalLog } from '../../services/log/local.ts'
import { openMemoryLog } from '../../services/log/memory.ts'
import { rememberErasure } from '../../services/processor/erasures.ts'
import { endpointsAgeMsMax, openEndpointBook } from '../../services/webhooks/book.ts'
import {
  type DeliveryRow,
  deliveriesOf,
  openDeliveries,
} from '../../services/webhooks/deliveries.ts'
import { addEndpoint, removeEndpoint } from '../../services/webhooks/endpoints.ts'
import { attemptRow, endedRow, endings, freshRow } from '../../services/webhooks/verdict.ts'
import {
  alert,
  answerWith,
  append,
  appendErasure,
  type Data,
  erasureRecord,
  errorLogged,
  logged,
  logger,
  newDirectory,
  openData,
  partitions,
  removeDirectory,
  start,
  startHook,
  testClockMs,
  topic,
} from './fixture.ts'

const directory = newDirectory()
let data: Data
let log: LocalLog
let logClockMs = 0
const closing: (() => Promise<unknown>)[] = []

before(async () => {
  data = await openData(directory)
})
after(async () => {
  await data.close()
  removeDirectory(directory)
})
beforeEach(async () => {
  for (const table of ['endpoints', 'deliveries', 'progress'])
    await data.store.command(`TRUNCATE TABLE ${table}`)
  log = await emptyLog()
  logged.length = 0
})
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

/** Keeps a record for one second of its clock. */
async function emptyLog(): Promise<LocalLog> {
  const made = openMemoryLog({ clock: () => logClockMs })
  await made.ensure(topic, { partitions, retentionMs: 1000, retentionBytes: Infinity })
  return made
}

async function dropAll(): Promise<void> {
  logClockMs += 10_000
  await log.retain()
}

async function hook(answer: Parameters<typeof startHook>[0] = answerWith(204)) {
  const made = await startHook(answer)
  closing.push(made.stop)
  await addEndpoint(data.store, data.key, made.url, testClockMs)
  return made
}

async function run(options: Parameters<typeof start>[1] & { store?: Data['store'] } = {}) {
  const webhooks = await start({ ...data, log, store: options.store ?? data.store }, options)
  closing.push(webhooks.stop)
  return webhooks
}

function ends(messageId: string, status: string): Promise<DeliveryRow> {
  return data.stored.until(async () => {
    const [row] = await data.store.query<DeliveryRow>(
      `SELECT * FROM deliveries WHERE message_id = {id:String}
       ORDER BY attempt DESC, version DESC LIMIT 1`,
      { id: messageId },
    )
    return row?.status === status ? row : undefined
  })
}

/** Users of one partition, so that one reader sees them all. */
const users = Array.from({ length: 40 }, (_, at) => `u${at}`).filter(
  user => partitionOf(user, partitions) === 0,
)
const [first, second, third, fourth, fifth, sixth, seventh] = users as [
  string,
  string,
  string,
  string,
  string,
  string,
  string,
]

test('a record that retention took while its delivery was open leaves it dead, to be seen', async () => {
  const { hits } = await hook(answerWith(500))
  const webhooks = await run({ settings: { scheduleMs: [0, 60_000] } })
  await append(log, alert(first))
  await ends(`m-${first}-fired`, 'failed')
  await webhooks.stop()
  await dropAll()
  await run({ settings: { scheduleMs: [0, 60_000] } })
  const row = await ends(`m-${first}-fired`, 'dead')
  assert.deepEqual([row.attempt, row.error], [1, 'its alert is no longer on the log'])
  assert.equal(hits.length, 1)
})

test('what is open and still on the log goes on when older records are gone', async () => {
  await hook(answerWith(500))
  const webhooks = await run({ settings: { scheduleMs: [0, 60_000] } })
  await append(log, alert(first))
  await ends(`m-${first}-fired`, 'failed')
  logClockMs += 2000
  await append(log, alert(second))
  await ends(`m-${second}-fired`, 'failed')
  await webhooks.stop()
  await log.retain()
  await run({ clock: () => testClockMs + 60_000, settings: { scheduleMs: [0, 60_000] } })
  assert.equal((await ends(`m-${first}-fired`, 'dead')).attempt, 1)
  assert.equal((await ends(`m-${second}-fired`, 'dead')).attempt, 2)
})

test('a record that retention takes between two attempts leaves it dead', async () => {
  await hook(async response => {
    await dropAll()
    answerWith(500)(response)
  })
  await run()
  await append(log, alert(first))
  const row = await ends(`m-${first}-fired`, 'dead')
  assert.deepEqual([row.attempt, row.error], [1, 'its alert is no longer on the log'])
})

test('records that were lost unread stop the partition, and it is said', async () => {
  await hook()
  const webhooks = await run()
  await append(log, alert(first))
  await ends(`m-${first}-fired`, 'delivered')
  await webhooks.stop()
  await append(log, alert(second))
  await dropAll()
  await append(log, alert(third))
  await run()
  const said = await errorLogged()
  assert.equal((said.fields as { err: EbbError }).err.code, 'offsetGone')
})

for (const [name, other] of [
  ['a log that is shorter than what was read', []],
  ['a log with other records', users.slice(1)],
] as const)
  test(`${name} stops the partition`, async () => {
    await hook()
    const webhooks = await run()
    await append(log, alert(first))
    await ends(`m-${first}-fired`, 'delivered')
    await webhooks.stop()
    log = await emptyLog()
    for (const user of other) await append(log, alert(user))
    await run()
    const said = await errorLogged()
    assert.equal((said.fields as { err: EbbError }).err.code, 'topicMismatch')
  })

test('an insert that was refused after it was stored is made again, and counts once', async () => {
  const { hits } = await hook()
  let refusals = 2
  const store: Data['store'] = {
    ...data.store,
    async insert(table, rows) {
      await data.store.insert(table, rows)
      if (table === 'deliveries' && refusals-- > 0)
        throw new EbbError('storeRefused', 'The connection broke before the answer.')
    },
  }
  await run({ store })
  await append(log, alert(first), alert(second))
  await ends(`m-${first}-fired`, 'delivered')
  await ends(`m-${second}-fired`, 'delivered')
  assert.equal(hits.length, 2)
})

test('deliveries that stand until a restart are a fault, one for each endpoint, for as long as they are held', async () => {
  await hook()
  const store: Data['store'] = {
    ...data.store,
    async insert(table, rows) {
      if (table === 'deliveries' && rows.some(row => (row as DeliveryRow).attempt === 1))
        throw new Error('nobody thought of this')
      await data.store.insert(table, rows)
    },
  }
  const webhooks = await run({ store })
  await append(log, alert(first), alert(second))
  await errorLogged(2)
  const [fault, ...more] = webhooks.faults()
  assert.equal(more.length, 0)
  assert.match(
    fault!.what,
    /^Deliveries to endpoint \S+ stand, 2 in number, the first of message m-/,
  )
  assert.match(fault!.what, /nobody thought of this$/)
  assert.match(fault!.next, /only after a restart/)
  await webhooks.stop()
  assert.deepEqual(webhooks.faults(), [])
})

test('progress is stored after the deliveries that it passes', async () => {
  await hook()
  const order: string[] = []
  const store: Data['store'] = {
    ...data.store,
    async insert(table, rows) {
      order.push(
        ...rows.map(row => `${table} ${(row as { attempt?: number }).attempt ?? ''}`.trim()),
      )
      await data.store.insert(table, rows)
    },
  }
  await run({ store })
  await append(log, alert(first))
  await ends(`m-${first}-fired`, 'delivered')
  await data.stored.until(() => order.includes('progress'))
  assert.ok(order.indexOf('deliveries 0') < order.indexOf('progress'), order.join(', '))
})

test('what was read with an erasure behind it is not sent, what comes afterwards is', async () => {
  const { hits } = await hook()
  const fired = (user: string, changes = {}) => ({
    key: user,
    value: encodeAlert(alert(user, changes)),
  })
  const again = { messageId: 'm-again', alertId: 'a-again', offset: 21 }
  await log.append(topic, 0, [
    fired(first),
    erasureRecord(first, 20),
    fired(first, again),
    fired(second),
  ])
  await run()
  await ends('m-again', 'delivered')
  await ends(`m-${second}-fired`, 'delivered')
  const rows = await data.store.query(
    'SELECT DISTINCT message_id FROM deliveries WHERE user_id = {user:String}',
    { user: first },
  )
  assert.deepEqual(rows, [{ message_id: 'm-again' }])
  assert.deepEqual(hits.map(({ id }) => id).sort(), ['m-again', `m-${second}-fired`].sort())
})

test('an erasure that is read again after a restart leaves the later deliveries of the user', async () => {
  const { hits } = await hook(answerWith(500))
  const settings = { scheduleMs: [0, 60_000] }
  const webhooks = await run({ settings })
  // Of one partition: what is open of the second user holds progress back before the erasure.
  await append(log, alert(second), alert(first))
  await ends(`m-${first}-fired`, 'failed')
  await ends(`m-${second}-fired`, 'failed')
  await appendErasure(log, first)
  await append(log, alert(first, { messageId: 'm-again', alertId: 'a-again', offset: 11 }))
  await ends('m-again', 'failed')
  await webhooks.stop()
  await run({ settings, clock: () => testClockMs + 60_000 })
  assert.equal((await ends('m-again', 'dead')).attempt, 2)
  await ends(`m-${second}-fired`, 'dead')
  assert.equal(hits.filter(({ id }) => id === `m-${first}-fired`).length, 1)
})

/** As its processor does before it tells of it. */
async function erase(userId: string, offset: number): Promise<void> {
  await rememberErasure(data.store, { epoch: 0, partition: 0 }, userId, offset, testClockMs)
  await appendErasure(log, userId, offset)
}

test('an erasure that is told again ends nothing that was made behind it', async () => {
  const { hits } = await hook(answerWith(500))
  const settings = { scheduleMs: [0, 60_000] }
  const webhooks = await run({ settings })
  await append(log, alert(fourth, { messageId: 'm-again', offset: 30 }))
  await ends('m-again', 'failed')
  await erase(fourth, 20)
  await append(log, alert(second))
  await ends(`m-${second}-fired`, 'failed')
  assert.equal((await ends('m-again', 'failed')).offset, '30')
  await webhooks.stop()
  await run({ settings, clock: () => testClockMs + 60_000 })
  assert.equal((await ends('m-again', 'dead')).attempt, 2)
  assert.equal(hits.filter(({ id }) => id === 'm-again').length, 2)
})

test('an alert of before an erasure that is told again behind it is not sent, after a restart neither', async () => {
  const { hits } = await hook()
  const webhooks = await run()
  await erase(fifth, 20)
  await append(log, alert(second))
  await ends(`m-${second}-fired`, 'delivered')
  await webhooks.stop()
  await run()
  await append(log, alert(fifth), alert(fifth, { messageId: 'm-again', offset: 21 }))
  await ends('m-again', 'delivered')
  assert.deepEqual(hits.map(({ id }) => id).sort(), ['m-again', `m-${second}-fired`].sort())
})

test('an erasure of before places were told ends what stands before it, and what comes behind is sent', async () => {
  const { hits } = await hook()
  const old = { key: sixth, value: encodeRecord({ kind: 'erase', userId: sixth }) }
  const fired = (changes = {}) => ({ key: sixth, value: encodeAlert(alert(sixth, changes)) })
  await log.append(topic, 0, [fired({ offset: 99 }), old, fired({ messageId: 'm-again' })])
  const webhooks = await run()
  await ends('m-again', 'delivered')
  assert.deepEqual(
    hits.map(({ id }) => id),
    ['m-again'],
  )
  assert.equal(webhooks.counts.dead, 0)
})

test('an erasure is no dead record', async () => {
  await hook()
  const webhooks = await run()
  await erase(seventh, 20)
  await append(log, alert(second))
  await ends(`m-${second}-fired`, 'delivered')
  assert.equal(webhooks.counts.dead, 0)
})

test('what was delivered is delivered, though a later attempt of a lost process failed', async () => {
  const times = { scheduleMs: [0, 1, 1], random: () => 0.5, startMs: 0, endMs: 0 }
  const answer = { error: '', durationMs: 7, retryAfterMs: undefined }
  const fresh = freshRow(alert(first), 'e1', testClockMs)
  const failed = attemptRow(fresh, { ...answer, code: 500 }, times)
  const rows = [
    attemptRow(fresh, { ...answer, code: 204 }, times),
    attemptRow(failed, { ...answer, code: 500 }, times),
  ]
  await data.store.insert('deliveries', rows)
  const stored = await deliveriesOf(data.store, [fresh.message_id])
  assert.deepEqual(
    stored.get(fresh.message_id)?.map(({ status, attempt }) => [status, attempt]),
    [['delivered', 1]],
  )
  assert.deepEqual(await openDeliveries(data.store), [])
})

test('what has ended has ended, though a later attempt of a lost process failed', async () => {
  const times = { scheduleMs: [0, 1, 1], random: () => 0.5, startMs: 0, endMs: 0 }
  const answer = { code: 500, error: '', durationMs: 7, retryAfterMs: undefined }
  const fresh = freshRow(alert(first), 'e1', testClockMs)
  await data.store.insert('deliveries', [
    fresh,
    endedRow(fresh, endings.stale),
    attemptRow(fresh, answer, times),
  ])
  const stored = await deliveriesOf(data.store, [fresh.message_id])
  assert.deepEqual(
    stored.get(fresh.message_id)?.map(({ status, attempt }) => [status, attempt]),
    [['stale', 0]],
  )
  assert.deepEqual(await openDeliveries(data.store), [])
})

test('who asks for an endpoint during a change gets it as it is afterwards', async () => {
  const { id } = await addEndpoint(data.store, data.key, 'http://localhost/', testClockMs)
  const book = await openEndpointBook({
    ...data,
    clock: () => testClockMs,
    logger,
    stopped: new AbortController().signal,
    onChange: async () => {},
  })
  assert.equal((await book.endpoint(id))?.id, id)
  await removeEndpoint(data.store, id, testClockMs)
  book.changed()
  assert.equal(await book.endpoint(id), undefined)
  assert.deepEqual(await book.enabled(), [])
})

test('where ClickHouse is slower than its answers may be old, deliveries go on all the same', async () => {
  const { id } = await addEndpoint(data.store, data.key, 'http://localhost/', testClockMs)
  const stopped = new AbortController()
  let questions = 0
  const store: typeof data.store = {
    ...data.store,
    async query(sql, params) {
      questions++
      await wait(endpointsAgeMsMax + 100)
      return data.store.query(sql, params)
    },
  }
  const book = await openEndpointBook({
    ...data,
    store,
    clock: () => testClockMs,
    logger,
    stopped: stopped.signal,
    onChange: async () => {},
  })
  assert.equal((await book.endpoint(id))?.id, id)
  assert.ok(questions > 2, 'it asked again, for one that is not old')
  stopped.abort()
})
