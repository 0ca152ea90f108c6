/** Each gets a clear answer, is counted and kept where one can look, and stops nothing. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { clicksOf, door, event, fakeLog, nested, now } from './fixture.ts'

const text = JSON.stringify
const user = '"userId":"u1"'

/** Bodies of one event each: reason, and what the sentence says. */
const badEvents: [string, string, string, RegExp][] = [
  ['no object', '[]', 'shape', /JSON object/],
  ['null', 'null', 'shape', /JSON object/],
  ['a number', '7', 'shape', /JSON object/],
  ['no user key', '{"event":"x"}', 'user', /userId: missing/],
  ['null values', '{"userId":null,"anonymousId":null}', 'user', /userId: missing/],
  ['an empty user id', '{"userId":""}', 'user', /userId: must not be empty/],
  ['a user id that is a number', '{"userId":7}', 'user', /userId: must be a string/],
  ['a user id that is too long', text({ userId: 'x'.repeat(257) }), 'user', /256 bytes/],
  ['a lone surrogate in the user id', '{"userId":"\\ud800"}', 'user', /Unicode/],
  ['a lone surrogate in the id', `{${user},"messageId":"\\ud800"}`, 'type of value', /messageId/],
  ['properties that are a list', `{${user},"properties":[]}`, 'type of value', /properties/],
  ['an event name that is a number', `{${user},"event":1}`, 'type of value', /event/],
  ['1969', `{${user},"timestamp":"1969-12-31T23:59:59Z"}`, 'time', /1970 to 2100/],
  ['2101', `{${user},"timestamp":"2101-01-01T00:00:00Z"}`, 'time', /1970 to 2100/],
  ['2101 in ms', `{${user},"timestamp":4133980800000}`, 'time', /1970 to 2100/],
  ['no zone', `{${user},"timestamp":"2026-03-01T11:59:00"}`, 'time', /no zone/],
  ['no date', `{${user},"timestamp":"yesterday"}`, 'time', /ISO 8601 with a zone/],
  ['a time that is an object', `{${user},"timestamp":{}}`, 'time', /ISO 8601/],
  ['epoch seconds', `{${user},"timestamp":1772366340}`, 'seconds', /timestamp: .*milliseconds/],
  ['epoch seconds as a fraction', `{${user},"timestamp":1772366340.5}`, 'seconds', /milliseconds/],
  [
    'sentAt in seconds',
    `{${user},"timestamp":"2026-03-01T11:59:00Z","sentAt":1772366340}`,
    'seconds',
    /sentAt/,
  ],
  [
    'sentAt without zone',
    `{${user},"timestamp":"2026-03-01T11:59:00Z","sentAt":"2026-03-01T11:59:00"}`,
    'time',
    /sentAt: .*zone/,
  ],
  ['__proto__', `{${user},"properties":{"__proto__":{"admin":true}}}`, 'key', /__proto__/],
  ['__proto__ on top', `{${user},"__proto__":{"userId":"u2"}}`, 'key', /__proto__/],
  ['constructor', `{${user},"context":[{"constructor":{}}]}`, 'key', /constructor/],
  ['17 levels', `{${user},"properties":${nested(16)}}`, 'depth', /16 deep/],
  ['many levels', `{${user},"properties":${nested(80_000)}}`, 'depth', /16 deep/],
  [
    '257 keys',
    text({ userId: 'u1', properties: Object.fromEntries(Array(257).fill(0).entries()) }),
    'keys',
    /256 keys/,
  ],
  ['imported', `{${user},"imported":true}`, 'imported', /ebb import/],
]

for (const [name, body, reason, sentence] of badEvents)
  test(`a single event is answered 400 and kept: ${name}`, async () => {
    const { post, log, rejects } = door()
    const answer = await post('/v1/track', body)
    assert.equal(answer.status, 400)
    assert.equal(answer.body.success, false)
    assert.equal(answer.body.reason, reason)
    assert.match(answer.body.message!, sentence)
    assert.deepEqual(
      rejects.map(row => row.reason),
      [reason],
    )
    assert.equal(rejects[0]?.clockMs, now)
    assert.equal(log.appends.length, 0)
  })

test('the same events in one batch are each named, and stop nothing', async () => {
  const { post, log, rejects } = door({ log: fakeLog(2) })
  const bodies = badEvents.map(([, body]) => body).filter(body => body.length < 10_000)
  const tracks = bodies.map(body => body.replace(/^\{/, '{"type":"track",'))
  const answer = await post('/v1/batch', `{"batch":[${[...tracks, text(event())].join(',')}]}`)
  assert.equal(answer.status, 200)
  assert.equal(answer.body.accepted, 1)
  assert.equal(answer.body.rejected?.length, bodies.length)
  assert.equal(rejects.length, bodies.length)
  assert.deepEqual(
    clicksOf(log).map(click => click.eventId),
    ['m1'],
  )
})

const badRequests: [string, string, string | Buffer, number, string][] = [
  ['malformed JSON', 'track', '{"userId":"u1",}', 400, 'json'],
  ['JSON that is cut', 'batch', '{"batch":[{"userId":"u1"', 400, 'json'],
  ['not UTF-8', 'track', Buffer.from([0x22, 0xff, 0x22]), 400, 'json'],
  ['no body', 'track', '', 400, 'empty'],
  ['an empty batch', 'batch', '{"batch":[]}', 400, 'empty'],
  ['no batch', 'batch', '{"events":[]}', 400, 'shape'],
  ['a batch that is null', 'batch', 'null', 400, 'shape'],
  ['a batch that is an object', 'batch', '{"batch":{"length":1}}', 400, 'shape'],
  ['__proto__ beside the batch', 'batch', '{"batch":[{}],"__proto__":{}}', 400, 'shape'],
  ['501 events', 'batch', text({ batch: Array(501).fill(0) }), 413, 'size'],
  [
    '1 MB of properties',
    'track',
    text(event({ properties: { a: 'x'.repeat(2 ** 20) } })),
    413,
    'size',
  ],
  [
    'an event over 64 kB',
    'track',
    text(event({ properties: { a: 'x'.repeat(2 ** 16) } })),
    413,
    'size',
  ],
  ['a body of brackets alone', 'track', '['.repeat(500_000), 400, 'json'],
]

for (const [name, path, body, status, reason] of badRequests)
  test(`a request is answered ${status} and kept: ${name}`, async () => {
    const { post, log, rejects } = door()
    const answer = await post(`/v1/${path}`, body)
    assert.equal(answer.status, status)
    assert.equal(answer.body.success, false)
    assert.equal(answer.body.reason, reason)
    assert.match(answer.body.message!, /\w/)
    assert.deepEqual(
      rejects.map(row => row.reason),
      [reason],
    )
    assert.equal(log.appends.length, 0)
  })

test('a time in seconds is kept as no time, though it would pass for one of 1970', async () => {
  const { post, rejects } = door()
  await post('/v1/track', event({ timestamp: 1_772_366_340 }))
  await post('/v1/track', event({ userId: null, timestamp: now - 1 }))
  assert.deepEqual(
    rejects.map(row => row.timestampMs),
    [null, now - 1],
  )
})

test('an answer never quotes what came', async () => {
  const { post } = door()
  const answer = await post('/v1/track', '{"password":"hunter2",}')
  assert.doesNotMatch(text(answer.body), /hunter2|password/)
  assert.match(answer.body.message!, /position 22/)
})

test('a small gzip of much is refused once it is inflated past the bound', async () => {
  const { post, rejects } = door()
  const bomb = gzipSync(Buffer.alloc(2 ** 26, 0x20))
  assert.ok(bomb.length < 100_000)
  const answer = await post('/v1/track', bomb, { 'content-encoding': 'gzip' })
  assert.equal(answer.status, 413)
  assert.equal(rejects[0]?.reason, 'size')
})

test('gzip that is cut, or none, is refused', async () => {
  const { post } = door()
  const gzip = { 'content-encoding': 'gzip' }
  const cut = gzipSync(text(event())).subarray(0, 40)
  assert.equal((await post('/v1/track', cut, gzip)).body.reason, 'encoding')
  assert.equal((await post('/v1/track', event(), gzip)).body.reason, 'encoding')
})

test('an event over 64 kB in a batch is rejected, the others kept', async () => {
  const { post, log } = door()
  const large = event({ messageId: 'large', properties: { a: 'x'.repeat(2 ** 16) } })
  const answer = await post('/v1/batch', { batch: [event(), large] })
  assert.equal(answer.status, 200)
  assert.deepEqual(
    answer.body.rejected?.map(one => one.reason),
    ['size'],
  )
  assert.deepEqual(
    clicksOf(log).map(click => click.eventId),
    ['m1'],
  )
})

test('lone surrogates in properties and names become readable text on the log', async () => {
  const { post, log } = door()
  const body = `{${user},"event":"a\\ud800b","properties":{"k":"\\udfff"}}`
  assert.equal((await post('/v1/track', body)).status, 200)
  const [click] = clicksOf(log)
  assert.equal(click?.name, 'a\ufffdb')
  assert.deepEqual(JSON.parse(click!.properties), { k: '\udfff' })
})

test('16 levels, 256 keys and null values are fine', async () => {
  const { post, log } = door()
  const nulls = { timestamp: null, sentAt: null, properties: null, context: null, event: null }
  const keys = Object.fromEntries(Array(256).fill(0).entries())
  const batch = [event(nulls), event({ properties: keys })].map(one => text(one))
  const deep = `{"type":"page",${user},"properties":${nested(15)}}`
  const answer = await post('/v1/batch', `{"batch":[${[...batch, deep].join(',')}]}`)
  assert.equal(answer.body.accepted, 3)
  assert.equal(clicksOf(log)[0]?.timestampMs, now)
})
