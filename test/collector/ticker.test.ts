import assert from 'node:assert/strict'
import { test } from 'node:test'
import { liveGate } from '../../services/collector/live.ts'
import { outletOf } from '../../services/collector/outlet.ts'
import { startTicker, tickPeriodMs } from '../../services/collector/ticker.ts'
import { decoded, fakeLog, gate, now, silent, topic } from './fixture.ts'

function ticker(settings: { partitions?: number; live?: boolean } = {}) {
  const log = fakeLog(settings.partitions ?? 1)
  const outlet = outletOf({ log, topic, partitions: log.kept.length, logger: silent })
  const live = liveGate({ live: settings.live ?? true, goLive: async () => {} })
  const room = { full: false }
  let beat = () => {}
  let atMs = now
  const stop = startTicker({
    outlet,
    live,
    clock: () => atMs,
    writer: 'test',
    isFull: () => room.full,
    every(periodMs, run) {
      assert.equal(periodMs, tickPeriodMs)
      beat = run
      return () => {
        beat = () => {}
      }
    },
  })
  /** One period passes, and all that it began ends. */
  async function pass() {
    atMs += tickPeriodMs
    beat()
    await new Promise(setImmediate)
  }
  return { log, outlet, live, room, pass, stop }
}

test('each partition gets a tick with the project’s time', async () => {
  const { log, pass, stop } = ticker({ partitions: 2 })
  await pass()
  await pass()
  for (const records of log.kept)
    assert.deepEqual(decoded({ ...log, kept: [records] }), [
      { kind: 'tick', atMs: now + tickPeriodMs, writer: 'test' },
      { kind: 'tick', atMs: now + 2 * tickPeriodMs, writer: 'test' },
    ])
  stop()
  await pass()
  assert.equal(decoded(log).length, 4)
})

test('no tick before the project is live', async () => {
  const { log, live, pass } = ticker({ live: false })
  await pass()
  assert.equal(log.appends.length, 0)
  await live.enter()
  await pass()
  assert.equal(log.appends.length, 1)
})

test('no tick right after a click was refused; the next beat but one finds out', async () => {
  const { log, outlet, pass } = ticker({ partitions: 2 })
  log.refusing = [1]
  await assert.rejects(outlet.append(1, [{ key: 'u', value: null }]))
  log.refusing = []
  await pass()
  assert.deepEqual(
    log.kept.map(records => records.length),
    [1, 0],
  )
  await pass()
  assert.deepEqual(
    log.kept.map(records => records.length),
    [2, 1],
  )
  await pass()
  assert.deepEqual(
    log.kept.map(records => records.length),
    [3, 2],
  )
})

test('a log that is away gets no ticks and has them again when it is back', async () => {
  const { log, pass } = ticker()
  log.refusing = [0]
  for (let beats = 0; beats < 5; beats++) await pass()
  assert.equal(log.kept[0]!.length, 0)
  assert.equal(log.appends.length, 3)
  log.refusing = []
  await pass()
  await pass()
  assert.equal(log.kept[0]!.length, 1)
})

test('no tick queues behind one that the log has not answered', async () => {
  const { log, pass } = ticker()
  const { closed, open } = gate()
  log.gate = closed
  await pass()
  await pass()
  assert.equal(log.appends.length, 1)
  open()
  await pass()
  await pass()
  assert.ok(log.appends.length >= 2)
})

test('no tick while clicks are refused for want of room', async () => {
  const { log, room, pass } = ticker()
  room.full = true
  await pass()
  assert.equal(log.appends.length, 0)
})
