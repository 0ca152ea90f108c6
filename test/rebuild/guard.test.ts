/** The guard against missing clicks, when a partition takes over a share of another's users. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  createGuard,
  guardAccepted,
  guardClock,
  guardHolds,
  shareOfGuard,
} from '../../services/processor/fold/guard.ts'

const hourMs = 3_600_000
const minuteMs = 60_000

test('a sixteenth of the users is no lack of clicks', () => {
  const guard = createGuard()
  const endMs = 5 * 168 * hourMs
  let before = Number.NEGATIVE_INFINITY
  for (let nowMs = 0; nowMs <= endMs; nowMs += minuteMs) {
    guardClock(guard, before, nowMs, hourMs)
    for (let click = 0; click < 20; click++) guardAccepted(guard)
    before = nowMs
  }
  const share = shareOfGuard(guard, 1 / 16)
  // An hour of the new partition: a sixteenth of what came before.
  const both = [guard, share]
  for (let minute = 1; minute <= 60; minute++) {
    const nowMs = endMs + minute * minuteMs
    for (const one of both) {
      guardClock(one, nowMs - minuteMs, nowMs, hourMs)
      if (minute % 4 !== 0) for (let click = 0; click < 2; click++) guardAccepted(one)
    }
  }
  const nowMs = endMs + 60 * minuteMs
  assert.equal(guardHolds(guard, 'low-intake', nowMs), 'low intake')
  assert.equal(guardHolds(share, 'low-intake', nowMs), undefined)
})
