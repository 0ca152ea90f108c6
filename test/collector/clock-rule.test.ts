import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toClick } from '../../services/collector/event.ts'
import { event, now } from './fixture.ts'

const iso = (ms: number) => new Date(ms).toISOString()
const hourMs = 3_600_000

function timeOf(changes: Record<string, unknown>, batchSentAt: unknown = null): unknown {
  const arrival = { receivedAtMs: now, type: null, bodyBytes: 0, newId: () => 'made' }
  const click = toClick(event(changes), { ...arrival, sentAt: batchSentAt })
  return click.kind === 'click' ? click.timestampMs - now : click.reason
}

test('without a time an event happened when it came', () => {
  assert.equal(timeOf({ timestamp: undefined }), 0)
  assert.equal(timeOf({ timestamp: undefined, sentAt: iso(now - hourMs) }), 0)
})

test('without sentAt the client’s time stands, the future too: the processor quarantines that', () => {
  assert.equal(timeOf({ timestamp: iso(now - hourMs) }), -hourMs)
  assert.equal(timeOf({ timestamp: now - 5 }), -5)
  assert.equal(timeOf({ timestamp: iso(now + hourMs) }), hourMs)
})

test('a zone is honoured', () => {
  assert.equal(timeOf({ timestamp: '2026-03-01T14:00:00+02:00' }), 0)
  assert.equal(timeOf({ timestamp: '2026-03-01T12:00Z' }), 0)
})

test('a wrong clock is put right by what it says when it sends', () => {
  const wrong = now - 9 * 365 * 24 * hourMs
  assert.equal(timeOf({ timestamp: iso(wrong), sentAt: iso(wrong + 7_000) }), -7_000)
  assert.equal(timeOf({ timestamp: iso(wrong) }, iso(wrong + 7_000)), -7_000)
})

test('an event’s own sentAt goes before the batch’s, originalTimestamp before timestamp', () => {
  const own = { timestamp: iso(now - hourMs), sentAt: iso(now - hourMs + 1) }
  assert.equal(timeOf(own, iso(now)), -1)
  assert.equal(timeOf({ originalTimestamp: iso(now - 3), timestamp: 'nonsense' }), -3)
})

test('an event sent before it happened is at most five minutes in the future', () => {
  assert.equal(timeOf({ timestamp: iso(now + hourMs), sentAt: iso(now) }), 300_000)
  assert.equal(timeOf({ timestamp: iso(now + 1), sentAt: iso(now) }), 1)
})

test('a correction to before 1970 is a bad time', () => {
  assert.equal(
    timeOf({ timestamp: '1970-01-01T00:00:00Z', sentAt: '2099-01-01T00:00:00Z' }),
    'time',
  )
})
