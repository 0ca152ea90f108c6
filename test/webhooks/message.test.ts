import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AlertFacts, alertBody } from '../../services/webhooks/message.ts'

const quiet: AlertFacts = {
  project: 'default',
  alertId: 'a1',
  messageId: 'm1',
  ruleId: 'quiet-7d',
  ruleVersion: 2,
  userId: 'ann',
  status: 'fired',
  reason: null,
  sinceMs: Date.parse('2024-03-01T10:00:00Z'),
  dueMs: Date.parse('2024-03-08T10:00:00Z'),
  thresholdMs: 604_800_000,
  coversMs: [259_200_000],
  tier: 'high',
  value90: 120.5,
  clockMs: Date.parse('2024-03-08T10:01:00.001Z'),
  signals: { sessions: 4, last_event: 'Order Completed', usual_gap_ms: null },
}

test('a fired alert is user.quiet, with its keys in the documented order', () => {
  assert.equal(
    alertBody(quiet),
    '{"type":"user.quiet","timestamp":"2024-03-08T10:01:00.001Z","data":{"alert_id":"a1",' +
      '"message_id":"m1","project":"default","rule":{"id":"quiet-7d","version":2},"user_id":"ann",' +
      '"status":"fired","since":"2024-03-01T10:00:00.000Z","due":"2024-03-08T10:00:00.000Z",' +
      '"threshold_ms":604800000,"covers_ms":[259200000],"tier":"high","value_90d":120.5,' +
      '"signals":{"last_event":"Order Completed","sessions":4,"usual_gap_ms":null}}}',
  )
})

test('a resolved alert is user.returned and says why', () => {
  const body = JSON.parse(alertBody({ ...quiet, status: 'resolved', reason: 'late' }))
  assert.equal(body.type, 'user.returned')
  assert.equal(body.data.reason, 'late')
})

test('the order in which signals were gathered changes no byte', () => {
  const signals = { usual_gap_ms: null, sessions: 4, last_event: 'Order Completed' }
  assert.equal(alertBody({ ...quiet, signals }), alertBody(quiet))
})

test('the longest user id, all of it escaped, stays far below the limit', () => {
  const body = alertBody({ ...quiet, userId: '\u0001'.repeat(256) })
  assert.ok(Buffer.byteLength(body) < 3_000)
})

test('a text signal of any length is cut, so that no click can make a body too long', () => {
  const last_event = `${'x'.repeat(199)}\u{1F600}${'y'.repeat(100_000)}`
  const { signals } = JSON.parse(alertBody({ ...quiet, signals: { last_event } })).data
  assert.equal(signals.last_event, `${'x'.repeat(199)}\uFFFD…`)
})

test('the longest ids, texts and steps together stay below the limit', () => {
  const longest = '\u0001'.repeat(256)
  alertBody({
    ...quiet,
    userId: longest,
    ruleId: longest,
    coversMs: Array(100).fill(4_102_444_800_000),
    signals: Object.fromEntries(
      Array.from({ length: 20 }, (_, at) => [`signal${at}`, at < 5 ? longest : Math.PI]),
    ),
  })
})

test('facts beyond the limit are a bug of the caller', () => {
  assert.throws(() => alertBody({ ...quiet, ruleId: 'r'.repeat(20_000) }), /This is a bug in Ebb/)
})
