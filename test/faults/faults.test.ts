/** The table of faults is whole, and names what there is. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { faults } from './faults.ts'
import { type Fault, seedsOf, standingOf, tested } from './proof.ts'
import { behindIn, brokersIn, patternOf } from './prove.ts'
import { withTable } from './table.ts'

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

test('of what several tests tell of their brokers the fewest count', () => {
  const tap = ['# Kafka has 3 brokers.', '    # Kafka has 1 brokers.', 'ok 1 - some test']
  assert.equal(brokersIn(tap.join('\n')), 1)
  assert.equal(brokersIn('ok 1 - some test'), undefined)
})

test('docs/faults.md has this table', () => {
  const document = read('../../docs/faults.md')
  assert.equal(withTable(document, faults), document)
})

test('a row that passed ran as many tests as it names', () => {
  const document = read('../../docs/faults.md')
  for (const { number, proofs } of faults) {
    const [, ran] =
      new RegExp(`^\\| ${number} \\| .* \\| passed[^|]* \\| ([^|]*) \\| `, 'm').exec(document) ?? []
    if (ran === undefined) continue
    const named = proofs.flatMap(proof => (proof.kind === 'tested' ? proof.titles : [])).length
    assert.equal(Number(/(\d+) tests/.exec(ran)?.[1] ?? 0), named, `fault ${number}`)
  }
})

describe('the result of a row that does not run', () => {
  const fault: Fault = {
    ...{ number: 1, what: 'it dies', missing: null },
    proofs: [tested('a.test.ts', 'one')],
  }
  const passed = {
    ...{ result: 'passed (quick)', runs: '1 tests', recovered: '3.1', behind: '4.2' },
    ...{ seconds: '1.5', date: '2026-11-21' },
  }
  const table = (row: Fault, document = '<!-- table --><!-- end of table -->', news = new Map()) =>
    withTable(document, [row], news)
  const run = table(fault, undefined, new Map([[1, passed]]))
  const resultIn = (document: string) => document.split('\n').at(-2)!.split(' | ').slice(4)

  test('stands while the row names the same', () => {
    const reworded = table({ ...fault, what: 'it is killed', missing: 'A part.' }, run)
    for (const document of [run, table(fault, run), reworded])
      assert.deepEqual(resultIn(document), [...Object.values(passed).slice(0, 5), '2026-11-21 |'])
  })

  test('falls for good with what it ran', () => {
    const unmeasured = ['-', '-', '-', '-', '- |']
    for (const proof of [tested('a.test.ts', 'one', 'two'), tested('a.test.ts', 'other')]) {
      const changed = table({ ...fault, proofs: [proof] }, run)
      assert.deepEqual(resultIn(changed), ['not run since its proofs changed', ...unmeasured])
      for (const later of [{ ...fault, proofs: [proof] }, fault])
        assert.deepEqual(resultIn(table(later, changed)), resultIn(changed))
    }
  })

  test('is none where nothing was run, also when there is a proof by now', () => {
    const bare = table({ ...fault, proofs: [], missing: 'All.' })
    assert.equal(resultIn(bare)[0], 'missing')
    const other = table({ ...fault, proofs: [tested('a.test.ts', 'other')] })
    for (const document of [other, table(fault, bare), table(fault, other)])
      assert.equal(resultIn(document)[0], 'not yet run by this command')
  })
})
