import assert from 'node:assert/strict'
import { test } from 'node:test'
import { attemptRow, endedRow, endings, freshRow } from '../../services/webhooks/verdict.ts'
import { alert, testClockMs } from './fixture.ts'

const fresh = freshRow(alert('ann'), 'e1', testClockMs)

/** Of the attempt that got this answer, 7 ms after it began. */
function rowOf(code: number, before = fresh) {
  const answer = {
    code,
    error: code === 0 ? 'TIMEOUT' : '',
    durationMs: 7,
    retryAfterMs: undefined,
  }
  return attemptRow(before, answer, {
    scheduleMs: [0, 1000],
    random: () => 0.5,
    startMs: testClockMs,
    endMs: testClockMs + 7,
  })
}

function verdict(code: number, before = fresh) {
  const { attempt, status, next_at } = rowOf(code, before)
  return { attempt, status, waitMs: next_at === null ? null : next_at - testClockMs }
}

test('2xx alone is success, 410 the end, all else is tried again', () => {
  for (const code of [200, 204, 299])
    assert.deepEqual(verdict(code), { attempt: 1, status: 'delivered', waitMs: null })
  assert.deepEqual(verdict(410), { attempt: 1, status: 'dead', waitMs: null })
  for (const code of [0, 199, 300, 301, 304, 400, 404, 429, 500, 503])
    assert.deepEqual(verdict(code), { attempt: 1, status: 'failed', waitMs: 1007 }, String(code))
})

test('the last attempt of the schedule leaves it dead', () => {
  assert.deepEqual(verdict(500, { ...fresh, attempt: 1 }), {
    attempt: 2,
    status: 'dead',
    waitMs: null,
  })
})

test('an end without an attempt replaces the latest row', () => {
  const row = endedRow({ ...fresh, attempt: 3, code: 500 }, endings.erased)
  assert.deepEqual(
    [row.attempt, row.code, row.status, row.next_at, row.version],
    [3, 500, 'cancelled', null, fresh.version + 1],
  )
})

test('what is dead stands, though another process would try again behind the same attempt', () => {
  const failed = rowOf(500)
  const gone = rowOf(410)
  const last = rowOf(500, { ...fresh, attempt: 1 })
  const delivered = rowOf(200)
  assert.deepEqual([failed.status, gone.status, last.status], ['failed', 'dead', 'dead'])
  for (const dead of [gone, last])
    assert.ok(dead.version > failed.version && dead.version < delivered.version)
})

test('what was delivered stands, though another process failed at the same attempt', () => {
  const delivered = rowOf(200)
  const failed = rowOf(0)
  assert.equal(delivered.attempt, failed.attempt)
  assert.ok(delivered.version > endedRow(failed, endings.returned).version)
})
