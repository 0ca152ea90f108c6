/** When a partition is opened again whose reader threw. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EbbError } from '../../services/base/errors.ts'
import { createReopening } from '../../services/log/reopening.ts'

const bug = new TypeError('broken')

test('a bug is waited for longer each time that a life begins no further, a minute at most', () => {
  const reopening = createReopening()
  const waits = [10, 10, 10, 40, 40, null, null, null, null, null, 40].map(openedOffset =>
    reopening(bug, openedOffset),
  )
  const seconds = waits.map(delayMs => delayMs! / 1_000)
  assert.deepEqual(seconds, [1, 2, 4, 1, 2, 4, 8, 16, 32, 60, 60])
})

test('who cannot open at all waits from one second on too', () => {
  const reopening = createReopening()
  assert.deepEqual(
    [reopening(bug, null), reopening(bug, null), reopening(bug, 0)],
    [1_000, 2_000, 1_000],
  )
})

test('what only a person can mend is not opened again', () => {
  assert.equal(createReopening()(new EbbError('offsetGone', 'Gone.'), 10), undefined)
})
