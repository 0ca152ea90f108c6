/** Users who are erased while alerts of theirs are on the way: what stands before goes no further, what comes behind does. */
import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { encodeAlert, encodeRecord } from '../../services/log/codec.ts'
import type { LocalLog } from '../../services/log/local.ts'
import { rememberErasure } from '../../services/processor/erasures.ts'
import {
  alert,
  answerWith,
  append,
  appendErasure,
  erasureRecord,
  testClockMs,
  topic,
} from './fixture.ts'
import { openForgetting, usersOfOne } from './forgetting.ts'

const { data, hook, run, ends, log: newest } = await openForgetting()
let log: LocalLog
beforeEach(() => {
  log = newest()
})

const [first, second, third, fourth, fifth, sixth] = usersOfOne as [
  string,
  string,
  string,
  string,
  string,
  string,
]

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
  await append(log, alert(third, { messageId: 'm-again', offset: 30 }))
  await ends('m-again', 'failed')
  await erase(third, 20)
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
  await erase(fourth, 20)
  await append(log, alert(second))
  await ends(`m-${second}-fired`, 'delivered')
  await webhooks.stop()
  await run()
  await append(log, alert(fourth), alert(fourth, { messageId: 'm-again', offset: 21 }))
  await ends('m-again', 'delivered')
  assert.deepEqual(hits.map(({ id }) => id).sort(), ['m-again', `m-${second}-fired`].sort())
})

test('an erasure of before places were told ends what stands before it, and what comes behind is sent', async () => {
  const { hits } = await hook()
  const old = { key: fifth, value: encodeRecord({ kind: 'erase', userId: fifth }) }
  const fired = (changes = {}) => ({ key: fifth, value: encodeAlert(alert(fifth, changes)) })
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
  await erase(sixth, 20)
  await append(log, alert(second))
  await ends(`m-${second}-fired`, 'delivered')
  assert.equal(webhooks.counts.dead, 0)
})
