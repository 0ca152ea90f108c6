import assert from 'node:assert/strict'
import { test } from 'node:test'
import { partitionOf } from '../../services/base/slot.ts'
import { clicksOf, decoded, door, event, fakeLog, gate } from './fixture.ts'

/** Two users of different partitions of two. */
const even = Array.from({ length: 50 }, (_, n) => `u${n}`).find(id => partitionOf(id, 2) === 0)!
const odd = Array.from({ length: 50 }, (_, n) => `u${n}`).find(id => partitionOf(id, 2) === 1)!

test('no answer before the log has the events', async () => {
  const { post, log } = door()
  const { closed, open } = gate()
  log.gate = closed
  let answered = false
  const answer = post('/v1/track', event()).then(result => {
    answered = true
    return result
  })
  while (log.appends.length === 0) await new Promise(setImmediate)
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
  assert.equal(answered, false)
  open()
  assert.equal((await answer).status, 200)
})

test('a log that takes nothing is answered 503, with when to come again, and keeps no reject', async () => {
  const { post, log, rejects } = door()
  log.refusing = [0]
  for (const [path, body] of [
    ['/v1/track', event()],
    ['/v1/batch', { batch: [event(), 'bad'] }],
  ] as const) {
    const answer = await post(path, body)
    assert.equal(answer.status, 503)
    assert.equal(answer.body.success, false)
    assert.equal(answer.body.reason, 'log')
    assert.match(String(answer.headers['retry-after']), /^\d+$/)
  }
  assert.deepEqual(rejects, [])
})

test('one partition that refuses makes the whole request unconfirmed', async () => {
  const { post, log } = door({ log: fakeLog(2) })
  log.refusing = [1]
  const batch = [event({ userId: even }), event({ userId: odd, messageId: 'm2' })]
  assert.equal((await post('/v1/batch', { batch })).status, 503)
  assert.equal((await post('/v1/batch', { batch: batch.slice(0, 1) })).status, 200)
})

test('a batch without one good event needs no log', async () => {
  const { post, log } = door()
  log.refusing = [0]
  assert.equal((await post('/v1/batch', { batch: [null] })).status, 200)
})

test('accepted + rejected = received, over all answers, the log and the rejects', async () => {
  const { post, log, rejects } = door({ log: fakeLog(4) })
  let received = 0
  let accepted = 0
  let rejected = 0
  for (let round = 0; round < 30; round++) {
    const batch = Array.from({ length: round + 1 }, (_, n) =>
      event({ messageId: `${round}-${n}`, userId: (n * 7 + round) % 5 === 0 ? null : `u${n}` }),
    )
    received += batch.length
    const { body } = await post('/v1/batch', { batch })
    accepted += body.accepted!
    rejected += body.rejected!.length
  }
  assert.equal(accepted + rejected, received)
  assert.equal(clicksOf(log).length, accepted)
  assert.equal(rejects.length, rejected)
  assert.ok(rejected > 50)
})

test('beyond the bound of waiting bytes requests are refused, and taken again when others have ended', async () => {
  const { app, post, log, rejects } = door({ waitingBytesMax: 3_000_000 })
  const large = {
    batch: Array.from({ length: 20 }, () => event({ properties: { a: 'x'.repeat(50_000) } })),
  }
  const { closed, open } = gate()
  log.gate = closed
  const waiting = [post('/v1/batch', large), post('/v1/batch', large)]
  while (log.appends.length < 2) await new Promise(setImmediate)
  const refused = await post('/v1/batch', large)
  assert.equal(refused.status, 503)
  assert.equal(refused.body.reason, 'busy')
  assert.equal(refused.headers['retry-after'], '1')
  assert.equal((await app.inject('/readyz')).statusCode, 503)
  open()
  for (const answer of await Promise.all(waiting)) assert.equal(answer.status, 200)
  log.gate = null
  assert.equal((await post('/v1/batch', large)).status, 200)
  assert.equal((await app.inject('/readyz')).statusCode, 200)
  assert.equal(decoded(log).length, 60)
  assert.deepEqual(rejects, [])
})
