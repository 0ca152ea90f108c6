/** alert-rule 13: missing clicks page nobody. Both guards, by example. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runPipe } from '../../services/processor/pipe/run.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs

const rule = '{"rule":{"id":"quiet","when":{"quiet_for":"30m"},"then":{"max_age":"30d"}}}'
const tick = (timeMs: number) => JSON.stringify({ tick: timeMs })
const click = (userId: string, timestamp: number) => JSON.stringify({ userId, timestamp })

/** Line numbers (from 1) and alerts: at which line each alert comes. */
function alertsByLine(lines: readonly string[], args: readonly string[]): string[] {
  const found: string[] = []
  let before = 0
  for (let count = 1; count <= lines.length; count++) {
    const output = runPipe(lines.slice(0, count), [...args, '--no-flush'])
    const alerts = output.filter(line => line.startsWith('{"alert"'))
    for (const line of alerts.slice(before)) {
      const { alert } = JSON.parse(line)
      found.push(`${count} ${alert.userId} ${alert.status}`)
    }
    before = alerts.length
  }
  return found
}

/** Ticks every half minute, as a collector that can take clicks writes them. */
function ticks(fromMs: number, untilMs: number): string[] {
  const lines: string[] = []
  for (let atMs = fromMs; atMs <= untilMs; atMs += minuteMs / 2) lines.push(tick(atMs))
  return lines
}

test('without a hole the alert comes with the first tick after its due time', () => {
  const lines = [rule, click('u', 0), ...ticks(minuteMs / 2, 32 * minuteMs)]
  // Due at 30 min, and W is a minute behind the clock: the tick at 31 min 30 s is the first beyond.
  assert.deepEqual(alertsByLine(lines, ['--guards', 'on']), [`${2 + 63} u fired`])
})

test('a hole of more than a minute holds timers for as long again', () => {
  const lines = [rule, click('u', 0), tick(40 * minuteMs), tick(79 * minuteMs), tick(80 * minuteMs)]
  assert.deepEqual(alertsByLine(lines, ['--guards', 'off']), ['3 u fired'])
  // The hole of 40 min ends at 40: held until 80; the step from 40 to 79 is one more, held until 118.
  assert.deepEqual(alertsByLine(lines, ['--guards', 'on']), [])
  const dense = [...lines.slice(0, 3), ...ticks(40.5 * minuteMs, 81 * minuteMs)]
  assert.deepEqual(alertsByLine(dense, ['--guards', 'on']), [`${3 + 80} u fired`])
})

test('a hole holds timers at most as long as the lateness', () => {
  const lines = [rule, click('u', 0), tick(5 * hourMs), ...ticks(5 * hourMs, 6 * hourMs)]
  const [first] = alertsByLine(lines, ['--guards', 'on'])
  assert.equal(first, `${lines.length} u fired`)
})

test('a gap of exactly a minute is no hole', () => {
  const lines = [rule, click('u', 0)]
  for (let minute = 1; minute <= 32; minute++) lines.push(tick(minute * minuteMs))
  assert.deepEqual(alertsByLine(lines, ['--guards', 'on']), [`${2 + 32} u fired`])
})

test('a hole holds no session', () => {
  const lines = [click('u', 0), tick(10 * hourMs)]
  const output = runPipe(lines, ['--guards', 'on', '--no-flush'])
  assert.equal(output.length, 1)
  assert.match(output[0]!, /^\{"session"/)
})

test('history is no hole, and neither is the time between it and the first live moment', () => {
  const imported = JSON.stringify({ userId: 'u', timestamp: 0, imported: true })
  const later = JSON.stringify({ userId: 'v', timestamp: 5 * hourMs, imported: true })
  const lines = [rule, imported, later, JSON.stringify({ live: 9 * hourMs })]
  assert.deepEqual(alertsByLine(lines, ['--guards', 'on']), ['4 u fired', '4 v fired'])
})

/** `hours` hours of `perHour` clicks each, of users who all come once and never again. */
function traffic(fromMs: number, hours: number, perHour: number): string[] {
  const lines: string[] = []
  const stepMs = hourMs / perHour
  for (let at = 0; at < hours * perHour; at++)
    lines.push(click(`visitor ${fromMs + at}`, Math.floor(fromMs + at * stepMs)))
  return lines
}

/** Only u is asked: his segment makes him. */
const lowIntakeStart = [
  '{"rule":{"id":"quiet","when":{"quiet_for":"30m"},"who":{"segment":"vip"},"then":{"max_age":"30d"}}}',
  '{"audience":{"userId":"u","segments":["vip"]}}',
]
const weeksMs = 28 * dayMs + 2 * hourMs
const lowIntake = ['--guards', 'low-intake', '--no-flush']

function firedAfter(lines: readonly string[], args = lowIntake): number {
  return runPipe([...lowIntakeStart, ...lines], args).filter(line => line.startsWith('{"alert"'))
    .length
}

test('far fewer clicks than at the same hour of the last 4 weeks hold timers, until they come back', () => {
  const history = traffic(0, weeksMs / hourMs, 60)
  const quiet = [click('u', weeksMs), tick(weeksMs + 2 * hourMs)]
  assert.equal(firedAfter([...history, ...quiet], ['--no-flush']), 1)
  assert.equal(firedAfter([...history, ...quiet]), 0)
  const back = traffic(weeksMs + 2 * hourMs, 1, 60)
  assert.equal(firedAfter([...history, ...quiet, ...back]), 1)
})

test('a fifth of the usual clicks is enough', () => {
  const history = traffic(0, weeksMs / hourMs, 60)
  const some = traffic(weeksMs + hourMs + 1, 1, 15)
  assert.equal(
    firedAfter([...history, click('u', weeksMs), ...some, tick(weeksMs + 2 * hourMs)]),
    1,
  )
})

test('a project that is too small, or too young, is not held', () => {
  const small = traffic(0, weeksMs / hourMs, 40)
  const quiet = [click('u', weeksMs), tick(weeksMs + 2 * hourMs)]
  assert.equal(firedAfter([...small, ...quiet]), 1)
  const young = traffic(7 * dayMs, (weeksMs - 7 * dayMs) / hourMs, 60)
  assert.equal(firedAfter([...young, ...quiet]), 1)
})
