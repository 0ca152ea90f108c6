/** What waits of a partition is bounded, and comes out as an owner takes it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newPlace, type Place } from '../../services/log/kafka/place.ts'
import type { LogRecord } from '../../services/log/log.ts'
import { timeout } from './fixture.ts'

const mebibyte = 1024 * 1024

function recordsOf(first: number, count: number, sizeBytes = 1): LogRecord[] {
  const value = Buffer.alloc(sizeBytes)
  return Array.from({ length: count }, (_, n) => {
    return { offset: first + n, appendMs: 0, key: null, value }
  })
}

function place(offset = 0): Place & { readonly events: string[] } {
  const events: string[] = []
  const stopped = () => void events.push('stopped')
  const roomMade = () => void events.push('room')
  return Object.assign(newPlace({ partition: 0, offset, stopped, roomMade }), { events })
}

test('with 1 MiB waiting it wants no more, until some is taken', { timeout }, async () => {
  const full = place()
  assert.ok(full.wantsMore())
  full.take(recordsOf(0, 10, mebibyte / 10), 100)
  assert.ok(!full.wantsMore())
  await full.next()
  assert.deepEqual(full.events, ['room'])
  assert.ok(full.wantsMore())
  assert.equal(full.nextOffset, 10)
  assert.equal(full.endOffset, 100)
})

test('while it is asked for it wants no more', () => {
  const asked = place()
  asked.asked = true
  assert.ok(!asked.wantsMore())
})

test('an owner gets at most 5000 records or about 1 MiB at once', { timeout }, async () => {
  const many = place()
  many.take(recordsOf(0, 12_000), 12_000)
  many.take(recordsOf(12_000, 3, 600_000), 12_003)
  const sizes: number[] = []
  while (sizes.reduce((sum, size) => sum + size, 0) < 12_003)
    sizes.push((await many.next())!.length)
  assert.deepEqual(sizes.slice(0, 2), [5000, 5000])
  assert.deepEqual(sizes.slice(-2), [1, 1])
})

test('a failure comes after what waits; then nothing', { timeout }, async () => {
  const failing = place()
  failing.take(recordsOf(0, 1), 1)
  failing.fail(new Error('Gone.'))
  assert.ok(!failing.wantsMore())
  assert.equal((await failing.next())!.length, 1)
  await assert.rejects(failing.next(), /Gone/)
})

test('stopping ends the wait, and what waits is not given out', { timeout }, async () => {
  const stopping = place()
  const next = stopping.next()
  stopping.stop()
  assert.equal(await next, null)
  stopping.take(recordsOf(0, 1), 1)
  assert.equal(await stopping.next(), null)
  assert.deepEqual(stopping.events, ['stopped'])
})
