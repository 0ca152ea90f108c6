/**
 * The fold against the naive model of test/model, line for line, and against the checks that any run
 * must pass. The seed is fixed; EBB_SEED and EBB_RUNS (a factor) make a longer search of it. fast-check
 * prints seed and path of a failure.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { runPipe } from '../../services/processor/pipe/run.ts'
import * as checks from '../model/checks.ts'
import {
  disorderedLogs,
  jumbledLogs,
  type Log,
  type LogOptions,
  logs,
  purchaseLogs,
} from '../model/generate.ts'
import { runModel } from '../model/pipe.ts'

const seed = Number(process.env.EBB_SEED ?? 20_240_611)
const factor = Number(process.env.EBB_RUNS ?? 1)
/** Each property stays far below 20 s; with a larger factor there is no bound. */
const timeMsMax = 20_000

function check<Value>(arbitrary: fc.Arbitrary<Value>, runs: number, holds: (value: Value) => void) {
  const numRuns = Math.ceil(runs * factor)
  const bound = factor === 1 ? { interruptAfterTimeLimit: timeMsMax } : {}
  fc.assert(fc.property(arbitrary, holds), { seed, numRuns, ...bound })
}

/** A dead line says why in words of its own choice. */
const comparable = (line: string) =>
  line.startsWith('{"dead"') ? line.replace(/,"reason":.*/, '') : line

function assertEqualToModel({ args, lines }: Log): void {
  const fold = runPipe(lines, args).map(comparable)
  const model = runModel(lines, args).map(comparable)
  if (fold.join('\n') === model.join('\n')) return
  const first = fold.findIndex((line, index) => line !== model[index])
  const at = first < 0 ? fold.length : first
  const story = [
    `args: ${args.join(' ')}`,
    ...lines,
    '--- line',
    String(at + 1),
    `fold:  ${fold.slice(at, at + 3).join('\n       ')}`,
    `model: ${model.slice(at, at + 3).join('\n       ')}`,
  ]
  assert.fail(story.join('\n'))
}

const runOf = ({ args, lines }: Log): checks.Run => {
  return { args, input: lines, output: runPipe(lines, args) }
}

const plain: LogOptions = { hasAlerts: false, hasChanges: false }
const kinds: { name: string; runs: number; arbitrary: fc.Arbitrary<Log> }[] = [
  { name: 'sessions and verdicts', runs: 500, arbitrary: logs({ ...plain, linesMax: 60 }) },
  { name: 'sessions in a jumble', runs: 2000, arbitrary: jumbledLogs() },
  { name: 'changing settings', runs: 300, arbitrary: logs({ hasAlerts: false }) },
  {
    name: 'a changing gap',
    runs: 500,
    arbitrary: logs({ hasAlerts: false, changesGap: true }),
  },
  { name: 'alerts', runs: 600, arbitrary: logs() },
  { name: 'alerts under a changing gap', runs: 200, arbitrary: logs({ changesGap: true }) },
  { name: 'computed thresholds', runs: 1500, arbitrary: purchaseLogs() },
  { name: 'signals and long silences', runs: 600, arbitrary: logs({ scale: 'days' }) },
]

for (const { name, runs, arbitrary } of kinds)
  test(`the fold equals the model: ${name}`, () => check(arbitrary, runs, assertEqualToModel))

for (const [name, violation] of Object.entries(checks.sessionChecks))
  test(name, () => {
    const constant = fc.oneof(logs({ ...plain, linesMax: 80 }), jumbledLogs())
    check(constant, 1000, log => {
      const args = log.args.filter(word => word !== '--no-flush')
      assert.equal(violation(runOf({ ...log, args })), undefined)
    })
  })

for (const [name, violation] of Object.entries(checks.runChecks))
  test(name, () => check(logs(), 300, log => assert.equal(violation(runOf(log)), undefined)))

test('within the disorder bound the order of arrival changes neither bounds nor counts', () => {
  check(disorderedLogs(), 300, ({ args, inOrder, shuffled }) => {
    const one = runOf({ args, lines: inOrder })
    const other = runOf({ args, lines: shuffled })
    assert.deepEqual(checks.boundsOf(one), checks.boundsOf(other))
    assert.equal(other.output.filter(line => line.startsWith('{"late"')).length, 0)
  })
})

/** The log with a tick before each line at a time between the clock before it and after it. */
function withTicks({ args, lines }: Log): string[] {
  const clocks = checks.clocksOf({ args, input: lines })
  return lines.flatMap((line, index) => {
    const before = clocks[index - 1] ?? Number.NEGATIVE_INFINITY
    const after = clocks[index]!
    if (!Number.isFinite(before) || after === before) return [line]
    const times = [before, Math.floor((before + after) / 2), after - 1, after]
    return [...times.map(tick => JSON.stringify({ tick })), line]
  })
}

test('sessions and signals do not depend on how densely ticks stand', () => {
  // Every click gets a message id: `line:<n>` would move with the ticks before it.
  const sparse = logs({ hasAlerts: false, hasChanges: false })
  check(sparse, 300, log => {
    const stamped = log.lines.map((line, index) =>
      line.startsWith('{"userId"')
        ? JSON.stringify({ messageId: `n${index}`, ...JSON.parse(line) })
        : line,
    )
    const named = { args: log.args, lines: stamped }
    const of = (output: string[]) =>
      ['{"session"', '{"late"', '{"duplicate"', '{"quarantined"', '{"user"'].map(kind =>
        output.filter(line => line.startsWith(kind)),
      )
    assert.deepEqual(of(runPipe(withTicks(named), log.args)), of(runPipe(stamped, log.args)))
  })
})

test('the same log gives the same lines', () => {
  check(logs(), 50, ({ args, lines }) => {
    assert.deepEqual(runPipe(lines, args), runPipe(lines, args))
  })
})
