import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runPipe } from '../../services/processor/pipe/run.ts'
import {
  cases,
  differenceOf,
  sessionTable,
  sessionTableInput,
  sessionTableResult,
} from './cases.ts'

const textOf = (line: object | string) => (typeof line === 'string' ? line : JSON.stringify(line))

for (const row of sessionTable)
  test(`session table: ${row.arrival}: ${row.why}`, () => {
    const { lines, args } = sessionTableInput(row)
    assert.equal(sessionTableResult(runPipe(lines.map(textOf), args)), row.result)
  })

for (const one of cases)
  test(one.name, () => {
    const difference = differenceOf(runPipe(one.lines.map(textOf), one.args), one)
    assert.equal(difference, undefined, difference)
  })
