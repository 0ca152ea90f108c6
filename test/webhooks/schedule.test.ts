import assert from 'node:assert/strict'
import { test } from 'node:test'
import { retryAfterMs, retryDelayMs, specScheduleMs } from '../../services/webhooks/schedule.ts'

const scheduleMs = [0, 5000, 300_000]

function delayMs(attempts: number, options: { random?: number; afterMs?: number } = {}) {
  return retryDelayMs({
    scheduleMs,
    attempts,
    retryAfterMs: options.afterMs,
    random: () => options.random ?? 0.5,
  })
}

test('ten attempts over 75 hours, 35 minutes and 5 seconds', () => {
  assert.equal(specScheduleMs.length, 10)
  const totalMs = specScheduleMs.reduce((sumMs, waitMs) => sumMs + waitMs)
  assert.equal(totalMs, (75 * 3600 + 35 * 60 + 5) * 1000)
})

test('the wait after the n-th failure is the schedule’s, and after the last there is none', () => {
  assert.deepEqual([delayMs(1), delayMs(2), delayMs(3)], [5000, 300_000, undefined])
  assert.equal(delayMs(3, { afterMs: 1000 }), undefined)
})

test('the wait differs by up to a fifth either way', () => {
  assert.equal(delayMs(1, { random: 0 }), 4000)
  assert.equal(delayMs(1, { random: 0.999_999 }), 6000)
})

test('Retry-After counts between once and twice the wait', () => {
  assert.equal(delayMs(1, { afterMs: 7000, random: 0 }), 7000)
  assert.equal(delayMs(1, { afterMs: 1, random: 0 }), 5000)
  assert.equal(delayMs(1, { afterMs: -1 }), 5000)
  assert.equal(delayMs(1, { afterMs: 1e15 }), 10_000)
})

test('Retry-After is seconds or a date, and nothing else', () => {
  const wallMs = Date.parse('2026-11-21T10:00:00Z')
  assert.equal(retryAfterMs('120', wallMs), 120_000)
  assert.equal(retryAfterMs('Sat, 21 Nov 2026 10:00:07 GMT', wallMs), 7000)
  for (const header of [undefined, '', 'soon', '1.5', '-3', ['1', '2']])
    assert.equal(retryAfterMs(header, wallMs), undefined)
})
