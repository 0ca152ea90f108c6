/**
 * The model itself: the table of session-rule.md, the literal cases and the checks that any run must
 * pass, before it may judge the fold.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  cases,
  differenceOf,
  sessionTable,
  sessionTableInput,
  sessionTableResult,
} from '../processor/cases.ts'
import * as checks from './checks.ts'
import { type Disordered, disorderedLogs, jumbledLogs, logs } from './generate.ts'
import type { Click, Settings } from './input.ts'
import { runModel } from './pipe.ts'
import { judge, type Session, type SessionUser, sessionsByLabel, sessionsOf } from './sessions.ts'

const seed = Number(process.env.EBB_SEED ?? 20_240_611)

for (const row of sessionTable)
  test(`model, session table: ${row.arrival}: ${row.why}`, () => {
    const { lines, args } = sessionTableInput(row)
    assert.equal(sessionTableResult(runModel(lines, args)), row.result)
  })

for (const one of cases)
  test(`model, ${one.name}`, () => {
    const difference = differenceOf(runModel(one.lines, one.args), one)
    assert.equal(difference, undefined, difference)
  })

const clickAt = (ts: number, line: number): Click => ({
  line,
  userId: 'u',
  ts,
  messageId: `line:${line}`,
  hasMessageId: false,
  receivedAt: null,
  logTime: null,
  imported: false,
  type: 'track',
  event: '',
  properties: {},
})

const named = (sessions: Session[]) =>
  sessions
    .map(one => `${one.opening.line}/${one.part} ${one.clicks.map(click => click.line)}`)
    .sort()

test('sort and split gives the same sessions as the label each click was given', () => {
  const step = fc.record({ ts: fc.nat({ max: 80 }), boundMs: fc.constantFrom(0, 0, 0, 3, 10, 20) })
  const caps = fc.record({
    maxSessionMs: fc.constantFrom(0, 0, 10, 25),
    maxClicks: fc.constantFrom(0, 0, 1, 2, 3),
  })
  const holds = (steps: { ts: number; boundMs: number }[], caps: Partial<Settings>) => {
    const settings = { gapMs: 10, disorderMs: 0, latenessMs: 0, skewMs: 0, ...caps } as Settings
    const user: SessionUser = { accepted: [], cuts: [] }
    let bound = 0
    for (const [index, { ts, boundMs }] of steps.entries()) {
      bound += boundMs
      judge(user, clickAt(ts, index + 1), 0, { settings, bound })
      assert.deepEqual(named(sessionsByLabel('u', user)), named(sessionsOf('u', user)))
    }
  }
  fc.assert(fc.property(fc.array(step, { maxLength: 25 }), caps, holds), { seed, numRuns: 1500 })
})

for (const [name, violation] of Object.entries({ ...checks.sessionChecks, ...checks.runChecks }))
  test(`model, ${name}`, () => {
    const plain = logs({ hasAlerts: false, hasChanges: false })
    const arbitrary = name in checks.sessionChecks ? fc.oneof(plain, jumbledLogs()) : logs()
    const holds = ({ args, lines }: { args: string[]; lines: string[] }) => {
      const flushed = args.filter(word => word !== '--no-flush')
      const output = runModel(lines, flushed)
      assert.equal(violation({ args: flushed, input: lines, output }), undefined)
    }
    fc.assert(fc.property(arbitrary, holds), { seed, numRuns: 500 })
  })

test('model, within the disorder bound the order of arrival changes neither bounds nor counts', () => {
  const holds = ({ args, inOrder, shuffled }: Disordered) => {
    const one = { args, input: inOrder, output: runModel(inOrder, args) }
    const other = { args, input: shuffled, output: runModel(shuffled, args) }
    assert.deepEqual(checks.boundsOf(one), checks.boundsOf(other))
  }
  fc.assert(fc.property(disorderedLogs(), holds), { seed, numRuns: 150 })
})
