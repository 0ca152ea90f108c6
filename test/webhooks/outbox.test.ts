/** The outbox when its log or its store is not as it should be. */
import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { EbbError, type ErrorCode } from '../../services/base/errors.ts'
import type { LocalLog } from '../../services/log/local.ts'
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
  type Data,
  errorLogged,
  logged,
  logger,
  testClockMs,
} from './fixture.ts'
import { openForgetting, usersOfOne } from './forgetting.ts'

const { data, hook, run, ends, dropAll, makeAnew, letPass, log: newest } = await openForgetting()
let log: LocalLog
beforeEach(() => {
  log = newest()
})

const [first, second, third] = usersOfOne as [string, string, string]

/** A partition that webhooks refuse; then what the sentence says to do has been done, and they run again. */
async function refuseAndMend(code: ErrorCode, ...says: readonly RegExp[]): Promise<void> {
  const webhooks = await run()
  const { err } = (await errorLogged()).fields as { err: EbbError }
  assert.equal(err.code, code)
  for (const sentence of says) assert.match(err.message, sentence)
  assert.match(webhooks.faults()[0]!.what, says[0]!)
  await webhooks.stop()
  const [, statement] = /stop the webhooks, give ClickHouse "(.+)" and start them/.exec(
    err.message,
  )!
  await data.store.command(statement!)
  await run()
}

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
  letPass(2000)
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
  const { hits } = await hook((response, nth) => answerWith(nth === 1 ? 500 : 204)(response))
  const webhooks = await run({ settings: { scheduleMs: [0, 60_000] } })
  await append(log, alert(first))
  await ends(`m-${first}-fired`, 'failed')
  await webhooks.stop()
  await append(log, alert(second))
  await dropAll()
  await append(log, alert(third))
  await refuseAndMend(
    'offsetGone',
    /1 record is gone from default.alerts partition 0 that webhooks never read: /,
    /keeps what stands at 2 and later, they have read what stands before 1/,
    /is in the table alerts, and was not sent\. Let the topic keep its records for longer/,
  )
  await ends(`m-${third}-fired`, 'delivered')
  const row = await ends(`m-${first}-fired`, 'dead')
  assert.equal(row.error, 'its alert is no longer on the log')
  assert.equal(hits.length, 2)
})

test('a log that is shorter than what was read stops the partition, and it is said', async () => {
  const { hits } = await hook()
  const webhooks = await run()
  await append(log, alert(first), alert(second))
  await ends(`m-${first}-fired`, 'delivered')
  await ends(`m-${second}-fired`, 'delivered')
  await webhooks.stop()
  log = await makeAnew()
  await refuseAndMend(
    'topicMismatch',
    /2 records are gone from default.alerts partition 0 that webhooks had read: /,
    /the log ends at 0, they have read what stands before 2\. It was cut short, or made anew/,
    /Bring the missing records back, if a broker or a copy has them/,
  )
  await append(log, alert(first), alert(third))
  await ends(`m-${third}-fired`, 'delivered')
  assert.deepEqual(
    hits.map(({ id }) => id).toSorted(),
    [first, second, third].map(user => `m-${user}-fired`).toSorted(),
  )
})

for (const [name, other] of [
  ['ends where webhooks have read to', [second]],
  ['goes on behind that', [second, third]],
] as const)
  test(`a log with other records that ${name} stops the partition, and it is said`, async () => {
    await hook()
    const webhooks = await run()
    await append(log, alert(first))
    await ends(`m-${first}-fired`, 'delivered')
    await webhooks.stop()
    log = await makeAnew()
    for (const user of other) await append(log, alert(user))
    await refuseAndMend(
      'topicMismatch',
      /default.alerts partition 0 holds another record at 0 than the one that webhooks have read/,
      /up to 1 of its records are gone and others stand in their place/,
      /Look at the addresses of Kafka and ClickHouse first/,
    )
    for (const user of other) await ends(`m-${user}-fired`, 'delivered')
  })

test('the first alerts are gone before any was sent: what is there is sent, and the others are told of', async () => {
  const { hits } = await hook()
  await append(log, alert(first))
  letPass(10_000)
  await append(log, alert(second))
  await log.retain()
  await run()
  await ends(`m-${second}-fired`, 'delivered')
  assert.equal(hits.length, 1)
  const warned = logged.filter(({ level, text }) => level === 'warn' && /are gone/.test(text))
  assert.deepEqual(
    warned.map(({ fields }) => (fields as { gone: number }).gone),
    [1],
  )
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
