import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deflateSync, gzipSync } from 'node:zlib'
import { partitionOf } from '../../services/base/slot.ts'
import { clickTypes } from '../../services/log/record.ts'
import { clicksOf, decoded, door, event, fakeLog, now } from './fixture.ts'

for (const type of clickTypes)
  test(`POST /v1/${type} puts one click of that type on the log, whatever the body calls itself`, async () => {
    const { post, log } = door()
    const answer = await post(`/v1/${type}`, event({ type: 'anything' }))
    assert.equal(answer.status, 200)
    assert.deepEqual(answer.body, { success: true, accepted: 1, rejected: [] })
    assert.deepEqual(
      clicksOf(log).map(click => click.type),
      [type],
    )
  })

test('a click carries what the tracker sent and the collector’s stamp, not the tracker’s', async () => {
  const { post, log } = door()
  await post(
    '/v1/track',
    event({
      receivedAt: '2001-01-01T00:00:00Z',
      anonymousId: 'a1',
      event: 'Order Completed',
      properties: { revenue: 12.5, currency: 'EUR', order_id: 'o1' },
      context: { page: { url: 'https://shop/x' } },
    }),
  )
  const [click] = clicksOf(log)
  assert.equal(click?.receivedAtMs, now)
  assert.equal(click?.timestampMs, now - 60_000)
  assert.equal(click?.eventId, 'm1')
  assert.equal(click?.anonymousId, 'a1')
  assert.equal(click?.value, 12.5)
  assert.equal(click?.orderId, 'o1')
  assert.equal(click?.url, 'https://shop/x')
  assert.equal(click?.imported, false)
})

test('an event without a message id gets one, so that a producer’s second copy is a duplicate', async () => {
  const { post, log } = door()
  await post('/v1/batch', {
    batch: [event({ messageId: undefined }), event({ messageId: '' }), event({ messageId: null })],
  })
  assert.deepEqual(
    clicksOf(log).map(click => click.eventId),
    ['made-0', 'made-1', 'made-2'],
  )
})

test('a batch goes to each user’s partition in one append, in its order', async () => {
  const { post, log } = door({ log: fakeLog(4) })
  const batch = Array.from({ length: 40 }, (_, n) =>
    event({ userId: `u${n % 7}`, messageId: `m${n}` }),
  )
  const answer = await post('/v1/batch', { batch })
  assert.equal(answer.body.accepted, 40)
  const touched = new Set(batch.map(one => partitionOf(String(one.userId), 4)))
  assert.equal(log.appends.length, touched.size)
  log.kept.forEach((records, partition) => {
    const expected = batch.filter(one => partitionOf(String(one.userId), 4) === partition)
    assert.deepEqual(
      records.map(record => record.key),
      expected.map(one => one.userId),
    )
  })
  assert.equal(new Set(clicksOf(log).map(click => click.eventId)).size, 40)
})

test('a bad event in a batch is named and the rest kept', async () => {
  const { post, log, rejects } = door()
  const batch = [
    event(),
    event({ messageId: 'm2', userId: undefined }),
    event({ messageId: 'm3', type: 'purchase' }),
    event({ messageId: 'm4', type: undefined }),
    null,
    event({ messageId: 'm6' }),
  ]
  const answer = await post('/v1/batch', { batch })
  assert.equal(answer.status, 200)
  assert.equal(answer.body.success, true)
  assert.equal(answer.body.accepted, 2)
  assert.deepEqual(
    answer.body.rejected?.map(({ index, messageId, reason }) => [index, messageId, reason]),
    [
      [1, 'm2', 'user'],
      [2, 'm3', 'type'],
      [3, 'm4', 'type'],
      [4, undefined, 'shape'],
    ],
  )
  assert.deepEqual(
    clicksOf(log).map(click => click.eventId),
    ['m1', 'm6'],
  )
  assert.deepEqual(
    rejects.map(row => [row.index, row.reason, row.eventId]),
    [
      [1, 'user', 'm2'],
      [2, 'type', 'm3'],
      [3, 'type', 'm4'],
      [4, 'shape', ''],
    ],
  )
  assert.deepEqual(JSON.parse(rejects[1]!.text), batch[2])
})

test('a batch of bad events alone is answered 200: a tracker would drop it all on a 400', async () => {
  const { post } = door()
  const answer = await post('/v1/batch', { batch: [1, 'x'] })
  assert.equal(answer.status, 200)
  assert.equal(answer.body.accepted, 0)
  assert.equal(answer.body.rejected?.length, 2)
})

test('text/plain with JSON inside and no content type at all are taken, forms are not', async () => {
  const { post, log, rejects } = door()
  assert.equal((await post('/v1/track', event(), { 'content-type': 'text/plain' })).status, 200)
  assert.equal(
    (await post('/v1/track', event(), { 'content-type': 'Text/Plain; charset=UTF-8' })).status,
    200,
  )
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  const answer = await post('/v1/track', event(), form)
  assert.equal(answer.status, 415)
  assert.match(answer.body.message!, /Content-Type: application\/json/)
  assert.equal(clicksOf(log).length, 2)
  assert.equal(rejects.length, 0)
})

test('gzip and deflate bodies are inflated', async () => {
  const { post, log } = door()
  const json = JSON.stringify(event())
  const gzip = { 'content-encoding': 'gzip' }
  assert.equal((await post('/v1/track', gzipSync(json), gzip)).status, 200)
  const deflate = { 'content-encoding': 'deflate' }
  assert.equal((await post('/v1/track', deflateSync(json), deflate)).status, 200)
  assert.equal(clicksOf(log).length, 2)
  assert.equal((await post('/v1/track', json, { 'content-encoding': 'br' })).status, 415)
})

test('a name that is not ours in Host is refused: a page elsewhere could have it point here', async () => {
  const { post, log } = door()
  for (const host of [
    'evil.example',
    '127.0.0.1.evil.example',
    'localhost.evil:80',
    '[::2]',
    ':80',
  ])
    assert.equal((await post('/v1/track', event(), { host })).status, 403, host)
  for (const host of [
    'localhost',
    'localhost:8080',
    '127.0.0.1:1',
    '[::1]:8080',
    'LOCALHOST',
    'clicks.example:443',
  ])
    assert.equal((await post('/v1/track', event(), { host })).status, 200, host)
  assert.equal(clicksOf(log).length, 6)
})

test('what is not there is answered with what is', async () => {
  const { app, post } = door()
  for (const path of ['/v1/tracks', '/v1/', '/v2/track', '/']) {
    const answer = await post(path, event())
    assert.equal(answer.status, 404)
    assert.match(answer.body.message!, /\/v1\/\{track,page,screen,identify,group,alias,batch\}/)
  }
  assert.equal((await app.inject('/v1/track')).statusCode, 404)
})

test('livez says that the process runs, readyz whether the log takes events', async () => {
  const { app, log, post } = door()
  assert.equal((await app.inject('/livez')).statusCode, 200)
  assert.equal((await app.inject('/readyz')).statusCode, 200)
  log.refusing = [0]
  await post('/v1/track', event())
  assert.equal((await app.inject('/readyz')).statusCode, 503)
  log.refusing = []
  await post('/v1/track', event())
  assert.equal((await app.inject('/readyz')).statusCode, 200)
  assert.equal(decoded(log).length, 1)
})
