import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { frame, unframe } from '../../services/log/avro.ts'
import { clickFields } from '../../services/log/click.ts'
import {
  decodeAlert,
  decodeErasure,
  decodeRecord,
  encodeAlert,
  encodeErasure,
  encodeRecord,
} from '../../services/log/codec.ts'
import { type Click, isTaken, timeMsMax } from '../../services/log/record.ts'
import { alert, alerts, anyClick, click, controls } from './records.ts'

function reasonOf(value: Buffer | null): string {
  const record = decodeRecord(value)
  return record.kind === 'dead' ? record.reason : record.kind
}

test('every kind of record comes back as it went', () => {
  for (const record of [click, ...controls])
    assert.deepEqual(decodeRecord(encodeRecord(record)), record)
})

test('every status of an alert comes back as it went', () => {
  for (const alert of alerts) assert.deepEqual(decodeAlert(encodeAlert(alert)), alert)
})

test('a random click comes back as it went', () => {
  fc.assert(
    fc.property(anyClick, click => assert.deepEqual(decodeRecord(encodeRecord(click)), click)),
  )
})

test('a frame is byte 0, the schema id big endian, the body', () => {
  assert.equal(encodeRecord({ kind: 'live', atMs: 1 }).toString('hex'), '000000001102')
  assert.equal(encodeRecord(click).readInt32BE(1), 2)
  assert.equal(encodeAlert(alert).readInt32BE(1), 31)
})

test('a click of schema 1 is read without import and context', () => {
  const expected: Click = { ...click, imported: false, context: '' }
  assert.deepEqual(decodeRecord(frame(1, clickFields(click))), expected)
})

test('an alert of schema 30 is read as made before all others', () => {
  const value = frame(30, unframe<object>(31, encodeAlert(alert)))
  assert.deepEqual(decodeAlert(value), { ...alert, epoch: 0, offset: 0 })
})

test('an erasure comes back as it went; an Erase on the alerts topic takes whatever was made', () => {
  const erasure = { userId: 'u', epoch: 2, partition: 3, offset: 40 }
  assert.deepEqual(decodeErasure(encodeErasure(erasure)), erasure)
  const old = decodeErasure(encodeRecord({ kind: 'erase', userId: 'u' }))
  assert.equal(old?.userId, 'u')
  assert.ok(isTaken(old, { epoch: 500, offset: 2 ** 39 }))
  assert.equal(decodeErasure(encodeAlert(alert)), undefined)
})

test('an erasure takes what was made at its place or before, of earlier epochs all', () => {
  const erasure = { epoch: 2, offset: 40 }
  for (const place of [
    { epoch: 2, offset: 40 },
    { epoch: 1, offset: 41 },
  ])
    assert.ok(isTaken(erasure, place))
  for (const place of [
    { epoch: 2, offset: 41 },
    { epoch: 3, offset: 0 },
  ])
    assert.ok(!isTaken(erasure, place))
})

test('a tombstone is dead: null', () => {
  assert.equal(reasonOf(null), 'null')
  assert.deepEqual((decodeAlert(null) as { reason: string }).reason, 'null')
})

test('an unknown schema id is dead: schema, with the id', () => {
  for (const id of [0, 4, 19, 30, 999, -1]) {
    const value = Buffer.alloc(20)
    value.writeInt32BE(id, 1)
    const record = decodeRecord(value)
    assert.ok(record.kind === 'dead' && record.reason === 'schema', `schema id ${id}`)
    assert.ok(record.detail.includes(String(id)))
  }
})

test('what has no frame is dead: avro', () => {
  for (const bytes of [
    [],
    [0],
    [0, 0, 0, 0],
    [1, 0, 0, 0, 2],
    [1, 0, 0, 0, 99],
    [255],
    [32, 123, 125],
  ])
    assert.equal(reasonOf(Buffer.from(bytes)), 'avro')
})

test('every cut and every byte too many is dead: avro', () => {
  for (const record of [click, ...controls]) {
    const value = encodeRecord(record)
    for (let length = 5; length < value.length; length++)
      assert.equal(reasonOf(value.subarray(0, length)), 'avro', `${record.kind} cut at ${length}`)
    assert.equal(reasonOf(Buffer.concat([value, Buffer.from([0])])), 'avro')
  }
})

function clickBytes(change: Partial<Click>): Buffer {
  return frame(2, clickFields({ ...click, ...change }))
}

test('a click that breaks a promise is dead: invalid', () => {
  const broken: readonly Partial<Click>[] = [
    { userId: '' },
    { userId: 'x'.repeat(257) },
    { userId: 'é'.repeat(129) },
    { timestampMs: -1 },
    { timestampMs: timeMsMax + 1 },
    { receivedAtMs: -1 },
    { receivedAtMs: timeMsMax + 1 },
    { value: Number.NaN },
    { value: Number.POSITIVE_INFINITY },
  ]
  for (const change of broken) assert.equal(reasonOf(clickBytes(change)), 'invalid', String(change))
})

test('a click at the edge of its promises is a click', () => {
  const edges: readonly Partial<Click>[] = [
    { userId: 'é'.repeat(128) },
    { timestampMs: 0, receivedAtMs: timeMsMax },
    { timestampMs: timeMsMax, receivedAtMs: 0 },
    { value: -0.5 },
    { eventId: '', name: '', properties: '{ not JSON, and not looked at' },
  ]
  for (const change of edges)
    assert.deepEqual(decodeRecord(clickBytes(change)), { ...click, ...change })
})

test('a control record that breaks a promise is dead: invalid', () => {
  const broken: readonly [number, object][] = [
    [10, { at: -1, writer: '' }],
    [12, { revision: 1, high: Number.NaN, keep: 1 }],
    [13, { revision: 1, r: 1, alpha: 1, a: 1, b: Number.POSITIVE_INFINITY }],
    [15, { user_id: '', segments: [], scores: {} }],
    [15, { user_id: 'u', segments: [], scores: { x: Number.NaN } }],
    [16, { user_id: '' }],
    [17, { at: timeMsMax + 1 }],
    [18, { at: -1 }],
  ]
  for (const [id, fields] of broken) assert.equal(reasonOf(frame(id, fields)), 'invalid')
})

test('an alert is dead for the same reasons', () => {
  const value = encodeAlert(alert)
  const reason = (bytes: Buffer): unknown => (decodeAlert(bytes) as { reason?: string }).reason
  assert.equal(reason(encodeRecord(click)), 'schema')
  assert.equal(reason(value.subarray(0, -1)), 'avro')
  assert.equal(reason(Buffer.concat([value, value])), 'avro')
  assert.equal(reason(Buffer.from('{}')), 'avro')
  const at = value.indexOf(Buffer.from('0275', 'hex')) // The user id: one byte, 'u'.
  const nameless = Buffer.concat([value.subarray(0, at), Buffer.from([0]), value.subarray(at + 2)])
  assert.equal(reason(nameless), 'invalid')
})

test('JSON in the shape of Segment is a click; other JSON is dead', () => {
  const event = { userId: 'u', timestamp: 5, event: 'Cart', messageId: 'm' }
  const record = decodeRecord(Buffer.from(JSON.stringify(event)))
  assert.ok(record.kind === 'click')
  assert.deepEqual([record.userId, record.name, record.timestampMs], ['u', 'Cart', 5])
  assert.equal(decodeRecord(Buffer.from('{}')).kind, 'dead')
})

test('what begins with a brace and is no JSON is dead: json, and is not quoted', () => {
  const record = decodeRecord(Buffer.from('{"secret": hunter2'))
  assert.ok(record.kind === 'dead' && record.reason === 'json')
  assert.doesNotMatch(record.detail, /secret|hunter2/)
})

test('JSON nested deeper than the stack is dead, not a crash', () => {
  const depth = 100_000
  const properties = '{"a":'.repeat(depth) + 1 + '}'.repeat(depth)
  const event = `{"userId":"u","timestamp":1,"properties":${properties}}`
  assert.equal(decodeRecord(Buffer.from(event)).kind, 'dead')
})

test('random bytes behind any frame never throw', () => {
  const ids = fc.constantFrom(1, 2, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 30, 31)
  fc.assert(
    fc.property(ids, fc.uint8Array({ maxLength: 60 }), (id, body) => {
      const value = Buffer.concat([Buffer.from([0, 0, 0, 0, id]), body])
      decodeRecord(value)
      decodeAlert(value)
    }),
    { numRuns: 2000 },
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), bytes => void decodeRecord(Buffer.from(bytes))),
  )
})

test('a list that claims billions of items is dead at once', { timeout: 2000 }, () => {
  for (const count of ['feffffff1f', 'ffffffff1f00', 'feffffffffffff1f']) {
    const value = Buffer.from(`000000000f0275${count}`, 'hex')
    assert.equal(reasonOf(value), 'avro')
  }
})

test('a score named __proto__ is a score', () => {
  const scores = Object.fromEntries([['__proto__', 1]])
  const record = decodeRecord(encodeRecord({ kind: 'audience', userId: 'u', segments: [], scores }))
  assert.ok(record.kind === 'audience')
  assert.deepEqual(Object.entries(record.scores), [['__proto__', 1]])
})

test('a list in blocks with sizes, as other writers send it, is read', () => {
  // user u; a block of -1 items (1 item, 2 bytes): 'a'; end; no scores.
  assert.deepEqual(decodeRecord(Buffer.from('000000000f0275010402610000', 'hex')), {
    kind: 'audience',
    userId: 'u',
    segments: ['a'],
    scores: {},
  })
})

test('writing what breaks a promise is a bug', () => {
  assert.throws(() => encodeRecord({ ...click, userId: '' }), /bug/)
  assert.throws(() => encodeRecord({ ...click, receivedAtMs: null }), /bug/)
  assert.throws(() => encodeRecord({ kind: 'tick', atMs: -1, writer: 'w' }), /bug/)
  assert.throws(() => encodeAlert({ ...alert, userId: '' }), /bug/)
})
