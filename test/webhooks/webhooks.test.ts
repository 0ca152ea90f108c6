/** What becomes of an alert: attempts, answers, silences that end, restarts, erasures. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { Webhook } from 'standardwebhooks'
import type { Store } from '../../services/store/store.ts'
import type { DeliveryRow } from '../../services/webhooks/deliveries.ts'
import { openDelivering } from './delivering.ts'
import {
  alert,
  answerWith,
  append,
  appendErasure,
  logged,
  start,
  startHook,
  testClockMs,
  topic,
} from './fixture.ts'

const oneDayMs = 86_400_000

const { data, closing, hook, run, history, ends } = await openDelivering()

test('a fired alert reaches each endpoint once, signed with its own secret', async () => {
  const [one, two] = [await hook(), await hook()]
  await run()
  await append(data.log, alert('ann'), alert('not', { send: false }))
  for (const { hits, id, secret } of [one, two]) {
    assert.deepEqual(await ends('m-ann-fired', 'delivered', id), ['0 pending 0', '1 delivered 204'])
    assert.equal(hits.length, 1)
    assert.equal(hits[0]!.body, alert('ann').body)
    new Webhook(secret).verify(hits[0]!.body, hits[0]!.headers)
  }
  assert.deepEqual(await history('m-not-fired'), [])
})

test('500s are tried again with the same id and bytes until they heal', async () => {
  const { hits, secret } = await hook((response, nth) => answerWith(nth < 3 ? 500 : 200)(response))
  await run()
  await append(data.log, alert('bob'))
  assert.deepEqual(await ends('m-bob-fired', 'delivered'), [
    '0 pending 0',
    '1 failed 500',
    '2 failed 500',
    '3 delivered 200',
  ])
  assert.equal(new Set(hits.map(hit => `${hit.id} ${hit.body}`)).size, 1)
  for (const { body, headers } of hits) new Webhook(secret).verify(body, headers)
})

test('after the last attempt the delivery is dead, and stays to be seen', async () => {
  const { hits } = await hook(answerWith(503))
  await run()
  await append(data.log, alert('cid'))
  assert.deepEqual((await ends('m-cid-fired', 'dead')).at(-1), '4 dead 503')
  assert.equal(hits.length, 4)
})

test('a hang is cut at the timeout, a reset is tried again: duplicates with one id', async () => {
  const { hits } = await hook((response, nth, request) => {
    if (nth === 2) request.socket.resetAndDestroy()
    if (nth > 2) answerWith(204)(response)
  })
  // On a busy machine a good answer may come too late as well: then there is one attempt more.
  await run({ settings: { totalTimeoutMs: 200, scheduleMs: Array(50).fill(1) } })
  await append(data.log, alert('dan'))
  const rows = await ends('m-dan-fired', 'delivered')
  assert.deepEqual(rows.slice(0, 3), ['0 pending 0', '1 failed 0', '2 failed 0'])
  assert.equal(new Set(hits.map(hit => `${hit.id} ${hit.body}`)).size, 1)
})

test('a redirect is a failure and goes nowhere', async () => {
  const target = await startHook(answerWith(204))
  closing.push(target.stop)
  await hook(answerWith(301, { location: target.url }))
  await run()
  await append(data.log, alert('eve'))
  assert.deepEqual((await ends('m-eve-fired', 'dead')).at(-1), '4 dead 301')
  assert.equal(target.hits.length, 0)
})

test('429 with Retry-After sets the next attempt, at most twice the schedule', async () => {
  await hook(answerWith(429, { 'retry-after': '3600' }))
  await run({ settings: { scheduleMs: [0, 60_000] } })
  await append(data.log, alert('fay'))
  await ends('m-fay-fired', 'failed')
  const [row] = await data.store.query<{ ms: string }>(
    `SELECT toUnixTimestamp64Milli(assumeNotNull(next_at)) AS ms FROM deliveries
     WHERE message_id = 'm-fay-fired' AND attempt = 1`,
  )
  assert.equal(Number(row!.ms), testClockMs + 120_000)
})

test('one endpoint that hangs does not hold up another', async () => {
  const slow = await hook(() => {})
  const fast = await hook()
  await run({ settings: { totalMax: 3, endpointMax: 2, stopTimeoutMs: 1 } })
  const users = ['k1', 'k2', 'k3', 'k4', 'k5', 'k6', 'k7', 'k8']
  await append(data.log, ...users.map(user => alert(user)))
  await fast.count(users.length)
  await slow.count(2)
  assert.equal(slow.hits.length, 2)
})

test('answers wait for their insert together, and no more of them than a crash may repeat', async () => {
  const begun = Promise.withResolvers<void>()
  const { hits, count, id } = await hook(response => {
    void begun.promise.then(() => answerWith(204)(response))
  })
  const inserts: (readonly object[])[] = []
  const gate = Promise.withResolvers<void>()
  const store: Store = {
    ...data.store,
    async insert(table, rows) {
      const isEnd = table === 'deliveries' && rows.some(row => (row as DeliveryRow).attempt > 0)
      if (isEnd) {
        inserts.push(rows)
        await gate.promise
      }
      await data.store.insert(table, rows)
    },
  }
  const settings = { endpointMax: 2, unstoredMax: 3 }
  const webhooks = await start({ ...data, store }, { settings })
  closing.push(webhooks.stop)
  const users = ['w1', 'w2', 'w3', 'w4', 'w5', 'w6', 'w7', 'w8']
  await append(data.log, ...users.map(user => alert(user)))
  for (const user of users) await ends(`m-${user}-fired`, 'pending', id)
  begun.resolve()
  // Three wait for their insert without a place; two more keep theirs.
  await count(settings.endpointMax + settings.unstoredMax)
  await wait(200) // For those that must not come.
  assert.equal(hits.length, settings.endpointMax + settings.unstoredMax)
  gate.resolve()
  for (const user of users) await ends(`m-${user}-fired`, 'delivered', id)
  assert.equal(hits.length, users.length)
  assert.ok(inserts.length < users.length, `${inserts.length} inserts`)
})

test('the first body of a message stays, whatever comes later under its id', async () => {
  const { hits } = await hook((response, nth) => answerWith(nth < 2 ? 500 : 200)(response))
  const webhooks = await run()
  await append(data.log, alert('lea'), alert('lea'), alert('lea', { body: '{"other":true}' }))
  await ends('m-lea-fired', 'delivered')
  await append(data.log, alert('lea', { body: '{"other":true}' }), alert('max'))
  await ends('m-max-fired', 'delivered')
  assert.deepEqual(
    hits.filter(hit => hit.id === 'm-lea-fired').map(hit => hit.body),
    [alert('lea').body, alert('lea').body],
  )
  assert.deepEqual(webhooks.counts, { duplicates: 3, changedBodies: 2, dead: 0 })
})

test('a record that is no alert is counted and stops nothing', async () => {
  await hook()
  const webhooks = await run()
  for (const value of [null, Buffer.from('no avro')])
    for (const partition of [0, 1]) await data.log.append(topic, partition, [{ key: 'x', value }])
  await append(data.log, alert('ned'))
  await ends('m-ned-fired', 'delivered')
  assert.ok(webhooks.counts.dead >= 2)
})

test('old news is recorded as stale and not sent, by the project clock', async () => {
  const { hits } = await hook()
  await run({ clock: () => testClockMs + oneDayMs })
  const exact = { dueMs: testClockMs, clockMs: testClockMs }
  await append(data.log, alert('ola'), alert('pam', exact))
  assert.deepEqual(await ends('m-ola-fired', 'stale'), ['0 stale 0'])
  await ends('m-pam-fired', 'delivered')
  assert.equal(hits.length, 1)
})

test('who became subject long after due is news from then on', async () => {
  await hook()
  await run()
  await append(data.log, alert('quin', { dueMs: testClockMs - 3 * oneDayMs }))
  await ends('m-quin-fired', 'delivered')
})

test('a message that was tried in time is not stale at a later attempt', async () => {
  let nowMs = testClockMs
  await hook((response, nth) => {
    nowMs += oneDayMs
    answerWith(nth < 2 ? 500 : 200)(response)
  })
  await run({ clock: () => nowMs })
  await append(data.log, alert('rob'))
  await ends('m-rob-fired', 'delivered')
})

test('a silence and its return that wait together are both not sent, however far apart', async () => {
  const { hits } = await hook()
  // So long that the log hands them out one at a time.
  const body = `"${'x'.repeat(600_000)}"`
  await append(
    data.log,
    alert('sam', { body }),
    alert('tom'),
    alert('sam', { status: 'resolved', clockMs: testClockMs, body }),
  )
  await run()
  assert.deepEqual(await ends('m-sam-resolved', 'cancelled'), ['0 cancelled 0'])
  assert.deepEqual(await history('m-sam-fired'), ['0 cancelled 0'])
  await ends('m-tom-fired', 'delivered')
  assert.equal(hits.length, 1)
})

test('a return is sent to who was told of the silence; a step that waits with it is not', async () => {
  const { hits } = await hook()
  const first = await run()
  await append(data.log, alert('uma'))
  await ends('m-uma-fired', 'delivered')
  await first.stop()
  await append(data.log, alert('uma', { messageId: 'm-uma-14d' }))
  await append(data.log, alert('uma', { status: 'resolved' }))
  await run()
  await ends('m-uma-resolved', 'delivered')
  assert.deepEqual(await history('m-uma-14d'), ['0 cancelled 0'])
  assert.deepEqual(
    hits.map(hit => hit.id),
    ['m-uma-fired', 'm-uma-resolved'],
  )
})

test('no return is told of a silence that went stale unsaid', async () => {
  const { hits } = await hook()
  await run({ clock: () => testClockMs + 2 * oneDayMs })
  await append(data.log, alert('val'))
  await ends('m-val-fired', 'stale')
  await append(data.log, alert('val', { status: 'resolved' }))
  await ends('m-val-resolved', 'cancelled')
  assert.equal(hits.length, 0)
})

test('an erased user has no deliveries left, and an attempt under way is the last', async () => {
  const answered = Promise.withResolvers<void>()
  const { hits, saw } = await hook((response, _, request) => {
    const isHeld = request.headers['webhook-id'] === 'm-xan-fired'
    void (isHeld ? answered.promise : Promise.resolve()).then(() => answerWith(500)(response))
  })
  const settings = { scheduleMs: [0, 60_000] }
  const webhooks = await run({ settings })
  await append(data.log, alert('wim'), alert('yan'), alert('xan'))
  await ends('m-wim-fired', 'failed')
  await ends('m-yan-fired', 'failed')
  await saw('m-xan-fired')
  await appendErasure(data.log, 'wim')
  await appendErasure(data.log, 'xan')
  answered.resolve()
  for (const id of ['m-wim-fired', 'm-xan-fired'])
    await data.stored.until(async () => (await history(id)).length === 0)
  await webhooks.stop()
  await run({ settings, clock: () => testClockMs + 60_000 })
  await ends('m-yan-fired', 'dead')
  const ids = hits.map(({ id }) => id).sort()
  assert.deepEqual(ids, ['m-wim-fired', 'm-xan-fired', 'm-yan-fired', 'm-yan-fired'])
})

test('what an erasure has deleted is not made again when the log is read again', async () => {
  const { hits } = await hook(answerWith(500))
  const settings = { scheduleMs: [0, 60_000] }
  const first = await run({ settings })
  // Of one user's partition, so that the first one holds progress back.
  await append(data.log, alert('erik'), alert('erik', { messageId: 'm-2', alertId: 'a-2' }))
  await ends('m-erik-fired', 'failed')
  await ends('m-2', 'failed')
  await first.stop()
  await data.store.command(
    "ALTER TABLE deliveries DELETE WHERE message_id = 'm-2' SETTINGS mutations_sync = 1",
  )
  await run({ settings, clock: () => testClockMs + 60_000 })
  await ends('m-erik-fired', 'dead')
  assert.deepEqual(await history('m-2'), [])
  assert.equal(hits.length, 3)
})

test('a new start goes on with the attempts that are open, with the log’s own bytes', async () => {
  const { hits } = await hook((response, nth) => answerWith(nth === 1 ? 500 : 200)(response))
  const first = await run({ settings: { scheduleMs: [0, 60_000] } })
  await append(data.log, alert('zoe'))
  await ends('m-zoe-fired', 'failed')
  await first.stop()
  await append(data.log, alert('zoe', { body: '{"other":true}' }))
  const second = await run({ clock: () => testClockMs + 60_000 })
  assert.deepEqual(await ends('m-zoe-fired', 'delivered'), [
    '0 pending 0',
    '1 failed 500',
    '2 delivered 200',
  ])
  assert.equal(new Set(hits.map(hit => `${hit.id} ${hit.body}`)).size, 1)
  await second.stop()
  await run()
  await append(data.log, alert('zoe'), alert('zed'))
  await ends('m-zed-fired', 'delivered')
  assert.equal(hits.filter(hit => hit.id === 'm-zoe-fired').length, 2)
})

test('stop does not wait for a receiver that hangs; the attempt is made again', async () => {
  const { hits, count } = await hook((response, nth) => {
    if (nth > 1) answerWith(204)(response)
  })
  const first = await run({ settings: { stopTimeoutMs: 20 } })
  await append(data.log, alert('abe'))
  await count(1)
  await first.stop()
  assert.deepEqual(await history('m-abe-fired'), ['0 pending 0'])
  await run()
  assert.deepEqual(await ends('m-abe-fired', 'delivered'), ['0 pending 0', '1 delivered 204'])
  assert.equal(hits[0]!.body, hits[1]!.body)
})

test('no secret, body or user is in what is logged', async () => {
  const { secret } = await hook((response, nth) => answerWith(nth === 1 ? 500 : 410)(response))
  await run()
  await append(data.log, alert('someone-real'))
  await ends('m-someone-real-fired', 'dead')
  const text = JSON.stringify(logged)
  assert.ok(logged.length > 0)
  for (const hidden of [secret, 'user.quiet', '"someone-real"'])
    assert.ok(!text.includes(hidden), hidden)
})
