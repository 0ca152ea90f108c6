import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { test } from 'node:test'
import { Subject } from 'rxjs'
import type { Update } from '../../services/web/live.ts'
import { streamTo } from '../../services/web/stream.ts'

/** A viewer and what he was sent; one who does not read never takes his first bytes. */
function viewer(given: { reads: boolean }) {
  const updates = new Subject<Update>()
  let text = ''
  const response = new Writable({
    write(chunk, _, done) {
      text += chunk
      if (given.reads) done()
    },
  })
  const ended = Promise.withResolvers<void>()
  streamTo(response, { updates }, () => ended.resolve())
  return { updates, response, ended: ended.promise, sent: () => text }
}

const large: Update = { setup: { rules: 0, endpoints: 0, currency: 'x'.repeat(600_000) } }

test('a message is one event of JSON', () => {
  const { updates, response, sent } = viewer({ reads: true })
  updates.next({ trouble: null })
  assert.equal(sent(), 'retry: 1500\n\ndata: {"trouble":null}\n\n')
  response.destroy()
})

test('a viewer who does not read is cut off before he costs much memory', async () => {
  const { updates, response, ended } = viewer({ reads: false })
  updates.next(large)
  assert.equal(response.destroyed, false)
  updates.next(large)
  updates.next(large)
  assert.equal(response.destroyed, true)
  await ended
  assert.equal(updates.observed, false)
})

test('when Ebb stops, the stream ends in order', async () => {
  const { updates, response, ended } = viewer({ reads: true })
  updates.complete()
  await ended
  assert.equal(response.writableFinished, true)
})
