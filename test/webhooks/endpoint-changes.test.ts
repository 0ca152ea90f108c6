/** Endpoints that come, go or say 410 while deliveries are under way. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { listEndpoints, removeEndpoint } from '../../services/webhooks/endpoints.ts'
import { openDelivering } from './delivering.ts'
import { alert, answerWith, append, type Hook, testClockMs } from './fixture.ts'

const { data, hook, run, history, ends } = await openDelivering()

test('410 ends the delivery and all others to that endpoint, and disables it', async () => {
  const gone = await hook((response, nth) => answerWith(nth === 1 ? 500 : 410)(response))
  const other = await hook()
  await run({ settings: { scheduleMs: [0, 60_000, 60_000], endpointMax: 1 } })
  await append(data.log, alert('gus'))
  await ends('m-gus-fired', 'failed', gone.id)
  await append(data.log, alert('hal'))
  await ends('m-hal-fired', 'dead', gone.id)
  assert.deepEqual(await ends('m-gus-fired', 'dead', gone.id), ['0 pending 0', '1 dead 500'])
  await append(data.log, alert('ida'))
  await ends('m-ida-fired', 'delivered', other.id)
  assert.deepEqual(await history('m-ida-fired', gone.id), [])
  const listed = await listEndpoints(data.store)
  assert.deepEqual(listed.map(({ id, disabled }) => [id === gone.id, disabled]).sort(), [
    [false, false],
    [true, true],
  ])
})

test('nothing goes to a removed endpoint from the change on', async () => {
  const { id, hits } = await hook(answerWith(500))
  const webhooks = await run({ settings: { scheduleMs: [0, 60_000] } })
  await append(data.log, alert('jan'))
  await ends('m-jan-fired', 'failed')
  await removeEndpoint(data.store, id, testClockMs)
  webhooks.changed()
  await ends('m-jan-fired', 'cancelled')
  assert.equal(hits.length, 1)
})

test('an attempt under way to a removed endpoint is the last', async () => {
  const answered = Promise.withResolvers<void>()
  const { id, count } = await hook(response => {
    void answered.promise.then(() => answerWith(500)(response))
  })
  const webhooks = await run({ settings: { scheduleMs: [0, 60_000] } })
  await append(data.log, alert('joe'))
  await count(1)
  await removeEndpoint(data.store, id, testClockMs)
  webhooks.changed()
  // Once this one is delivered, the change is known.
  const other = await hook()
  webhooks.changed()
  await append(data.log, alert('kim'))
  await ends('m-kim-fired', 'delivered', other.id)
  answered.resolve()
  assert.deepEqual(await ends('m-joe-fired', 'cancelled'), ['0 pending 0', '1 cancelled 500'])
})

test('an endpoint that was removed while Ebb was down gets nothing', async () => {
  const { id, hits } = await hook(answerWith(500))
  const settings = { scheduleMs: [0, 60_000] }
  const first = await run({ settings })
  await append(data.log, alert('jim'))
  await ends('m-jim-fired', 'failed')
  await first.stop()
  await removeEndpoint(data.store, id, testClockMs)
  await run({ settings, clock: () => testClockMs + 60_000 })
  await ends('m-jim-fired', 'cancelled')
  assert.equal(hits.length, 1)
})

test('an endpoint that is added later gets later alerts alone', async () => {
  await hook()
  const webhooks = await run()
  await append(data.log, alert('ben'))
  await ends('m-ben-fired', 'delivered')
  const late: Hook & { id: string } = await hook()
  webhooks.changed()
  await append(data.log, alert('cat'))
  await ends('m-cat-fired', 'delivered', late.id)
  await webhooks.stop()
  await run()
  await append(data.log, alert('dot'))
  await ends('m-dot-fired', 'delivered', late.id)
  assert.deepEqual(
    late.hits.map(hit => hit.id),
    ['m-cat-fired', 'm-dot-fired'],
  )
})
