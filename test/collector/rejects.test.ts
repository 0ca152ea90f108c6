import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EbbError } from '../../services/base/errors.ts'
import type { DoorReject } from '../../services/collector/door-reject.ts'
import { heldBytesMax, heldRowsMax, rejectWriter } from '../../services/collector/rejects.ts'
import { now, silent } from './fixture.ts'

interface Row {
  offset: number
  index: number
  reason: string
  bytes: string
  timestamp: number | null
  clock: number
  source: string
}

function writer() {
  const rows: Row[] = []
  const state: { failure: EbbError | null; inserts: number } = { failure: null, inserts: 0 }
  let beat = () => {}
  const rejects = rejectWriter({
    store: {
      async insert(table, inserted) {
        assert.equal(table, 'rejects')
        state.inserts += 1
        if (state.failure) throw state.failure
        rows.push(...(inserted as Row[]))
      },
    },
    logger: silent,
    startedAtMs: now,
    writer: 0,
    every(_periodMs, run) {
      beat = run
      return () => {
        beat = () => {}
      }
    },
  })
  async function pass() {
    beat()
    await new Promise(setImmediate)
  }
  return { ...rejects, rows, state, pass }
}

function refused(changes: Partial<DoorReject> = {}): DoorReject {
  const nothing = { index: 0, detail: '', userId: '', eventId: '', timestampMs: null, text: '{}' }
  return { ...nothing, reason: 'user', clockMs: now, ...changes }
}

const away = new EbbError('storeRefused', 'ClickHouse is away.')

test('rows are written each second, at places that no earlier run had', async () => {
  const { reject, rows, pass } = writer()
  reject(refused({ index: 3, timestampMs: 7 }))
  reject(refused())
  assert.equal(rows.length, 0)
  await pass()
  assert.deepEqual(
    rows.map(row => row.offset),
    [now * 1000, now * 1000 + 1],
  )
  const { source, index, timestamp, clock, bytes } = rows[0]!
  assert.deepEqual(
    { source, index, timestamp, clock, bytes },
    { source: 'collector', index: 3, timestamp: 7, clock: now, bytes: '{}' },
  )
})

test('a thousand rows do not wait for the second', async () => {
  const { reject, rows } = writer()
  for (let n = 0; n < 1_000; n++) reject(refused())
  await new Promise(setImmediate)
  assert.equal(rows.length, 1_000)
})

test('at most 64 KiB of what came are kept, and no broken character', async () => {
  const { reject, rows, pass } = writer()
  reject(refused({ text: `a${'ä'.repeat(40_000)}` }))
  reject(refused({ text: 'a\ud800' }))
  await pass()
  assert.equal(Buffer.byteLength(rows[0]!.bytes), 64 * 1024 - 1)
  assert.match(rows[0]!.bytes, /^aä+$/)
  assert.equal(rows[1]!.bytes, 'a\ufffd')
})

test('while ClickHouse is away rows wait, under the same places, and are then written', async () => {
  const { reject, rows, state, pass, dropped } = writer()
  state.failure = away
  for (let n = 0; n < 2_500; n++) reject(refused())
  await pass()
  await pass()
  state.failure = null
  for (let n = 0; n < 3; n++) await pass()
  assert.deepEqual(
    rows.map(row => row.offset - now * 1000),
    [...Array(2_500).keys()],
  )
  assert.equal(dropped(), 0)
})

test('what waits is bounded in rows and bytes; what does not fit is counted', () => {
  const many = writer()
  many.state.failure = away
  for (let n = 0; n < heldRowsMax + 5; n++) many.reject(refused())
  assert.equal(many.dropped(), 5)
  const large = writer()
  large.state.failure = away
  const text = 'x'.repeat(64 * 1024)
  const fitting = Math.floor(heldBytesMax / (text.length + 512))
  for (let n = 0; n < fitting + 7; n++) large.reject(refused({ text }))
  assert.equal(large.dropped(), 7)
})

test('what is written makes room again', async () => {
  const { reject, pass, dropped } = writer()
  const text = 'x'.repeat(64 * 1024)
  const fitting = Math.floor(heldBytesMax / (text.length + 512))
  for (let round = 0; round < 3; round++) {
    for (let n = 0; n < fitting; n++) reject(refused({ text }))
    await pass()
  }
  assert.equal(dropped(), 0)
})

test('rows that ClickHouse will never take are dropped and counted, and hold up no others', async () => {
  const { reject, rows, state, pass, dropped } = writer()
  state.failure = new EbbError('storeRejected', 'There is no such table.')
  reject(refused())
  await pass()
  assert.equal(dropped(), 1)
  state.failure = null
  reject(refused({ reason: 'type' }))
  await pass()
  assert.deepEqual(
    rows.map(row => row.reason),
    ['type'],
  )
})

test('stop writes all that is held, or gives up after one attempt', async () => {
  const good = writer()
  for (let n = 0; n < 2_500; n++) good.reject(refused())
  await good.stop()
  assert.equal(good.rows.length, 2_500)
  const bad = writer()
  bad.state.failure = away
  bad.reject(refused())
  await bad.stop()
  assert.equal(bad.state.inserts, 1)
  assert.equal(bad.dropped(), 1)
})
