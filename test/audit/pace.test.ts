import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import { createPace } from '../../services/audit/pace.ts'
import { type TimeSource, takeTimeFrom } from '../../services/base/time.ts'

/** A clock that moves when it is told to, and by what is waited for. */
function createClock() {
  const waits: number[] = []
  let nowMs = 1_000
  let turns = 0
  const source: TimeSource = {
    wallClock: () => nowMs,
    steadyClock: () => nowMs,
    random: () => 0,
    turn: then => {
      turns++
      queueMicrotask(then)
    },
    timer(delayMs, then) {
      waits.push(delayMs)
      let cancelled = false
      queueMicrotask(() => {
        if (cancelled) return
        nowMs += delayMs
        then()
      })
      return () => {
        cancelled = true
      }
    },
    repeat: () => () => {},
  }
  takeTimeFrom(source)
  return { waits, turns: () => turns, work: (ms: number) => (nowMs += ms) }
}

afterEach(() => takeTimeFrom())

test('an audit with a share rests so long that its work is no more of the time', async () => {
  const clock = createClock()
  const rest = createPace({ share: 1 / 8 })
  for (const workMs of [2, 10, 1]) {
    clock.work(workMs)
    await rest()
  }
  // Resting is not work: each wait is seven times the piece before it alone.
  assert.deepEqual(clock.waits, [14, 70, 7])
})

test('an audit without a share gives others their turn, and waits for nothing', async () => {
  const clock = createClock()
  const rest = createPace({})
  clock.work(50)
  await rest()
  assert.deepEqual([clock.waits, clock.turns()], [[], 1])
})

test('who is told to end ends before a piece, and does not rest on', async () => {
  const clock = createClock()
  const stopping = new AbortController()
  const rest = createPace({ share: 1 / 8, stopping: stopping.signal })
  clock.work(1e6)
  const resting = rest()
  stopping.abort(new Error('enough'))
  await assert.rejects(resting, /enough/)
  assert.deepEqual(clock.waits, [7e6])
  await assert.rejects(rest(), /enough/)
  assert.deepEqual(clock.waits, [7e6])
})
