/** The table of faults is whole, and names what there is. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { faults } from './faults.ts'
import { seedsOf, standingOf } from './proof.ts'
import { behindIn, patternOf } from './prove.ts'
import { resultsIn, withTable } from './table.ts'

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8')

test('each of the 47 faults has one row', () => {
  const numbers = Array.from({ length: 47 }, (_, index) => index + 1)
  assert.deepEqual(
    faults.map(({ number }) => number),
    numbers,
  )
})

test('every row without a proof says what is missing', () => {
  for (const fault of faults)
    if (standingOf(fault) === 'missing') assert.ok(fault.missing, `fault ${fault.number}`)
})

test('every test that is named is there', () => {
  for (const { number, proofs } of faults)
    for (const proof of proofs) {
      if (proof.kind === 'simulated') continue
      assert.match(read(`../${proof.file}`), /node:test|contract|historyGone/, proof.file)
      const source = read(`../${proof.titlesIn}`)
      for (const title of proof.titles) {
        const pattern = new RegExp(`['\`]${patternOf(title, '\\$\\{[^}]*\\}')}['\`]`)
        assert.ok(
          pattern.test(source),
          `fault ${number}: test/${proof.titlesIn} has no test “${title}”`,
        )
      }
    }
})

test('every simulated fault is in some seeds', () => {
  for (const { proofs } of faults)
    for (const proof of proofs)
      if (proof.kind === 'simulated') assert.equal(seedsOf(proof, 3).length, 3)
})

test('a title chooses its test and no other', () => {
  const pattern = new RegExp(`^${patternOf('a (good) title: …')}$`)
  assert.match('a (good) title: any', pattern)
  assert.doesNotMatch('not a (good) title: any', pattern)
  assert.doesNotMatch('a good title: any', pattern)
})

test('of what several scenes tell the worst counts', () => {
  const tap = [
    '    # tables behind: 4100 ms at most, up to date again after 2500 ms',
    'ok 1 - some test',
    '# tables behind: 300 ms at most, up to date again after 9000 ms',
  ]
  assert.deepEqual(behindIn(tap.join('\n')), { worstMs: 4100, recoveredMs: 9000 })
  assert.equal(behindIn('ok 1 - some test'), undefined)
})

test('docs/faults.md has this table, and keeps the results of rows that did not run', () => {
  const document = read('../../docs/faults.md')
  assert.equal(withTable(document, faults, resultsIn(document)), document)
  const result = {
    ...{ result: 'passed (quick)', runs: '5 simulated, 2 tests', recovered: '3.1', behind: '4.2' },
    ...{ seconds: '1.5', date: '2026-11-21' },
  }
  const changed = withTable(document, faults, resultsIn(document).set(5, result))
  assert.deepEqual(resultsIn(changed).get(5), result)
  assert.deepEqual(resultsIn(changed).get(7), resultsIn(document).get(7))
})
