import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { Entry } from '../simulation/tally.ts'
import { countSeeds, verdictOfTests } from './verdict.ts'

const folder = mkdtempSync(join(tmpdir(), 'ebb-verdict-'))
after(() => rmSync(folder, { recursive: true, force: true }))

/** What Node's own runner prints of a file with these tests. */
function tapOf(file: string, body: string): Promise<string> {
  writeFileSync(join(folder, file), `import { test } from 'node:test'\n${body}\n`)
  const { NODE_TEST_CONTEXT: _context, ...env } = process.env
  const args = ['--test', '--test-reporter=tap', file]
  return new Promise(resolve => {
    execFile(process.execPath, args, { cwd: folder, env }, (_error, stdout) => resolve(stdout))
  })
}

const passing = "test('well', () => {})\n"
const failing = "test('ill', () => { throw new Error('a promise is broken') })"
const cases: [what: string, body: string, verdict: string][] = [
  ['all pass', passing, 'passed'],
  ['one fails', passing + failing, 'failed'],
  ['one fails below another', `test('outer', t => t.${failing})`, 'failed'],
  ['it is no code', 'test(', 'aborted'],
  ['what it imports is not there', "import './gone.mjs'", 'aborted'],
  ['it has no tests', '', 'aborted'],
  ['its process ends on the way', `${failing}\ntest('next', () => process.exit(3))`, 'aborted'],
  [
    'one has no end in time',
    "test('waits', { timeout: 50 }, () => new Promise(() => {}))",
    'aborted',
  ],
]

for (const [at, [what, body, verdict]] of cases.entries())
  test(`a test file of which ${what} has ${verdict}`, async () => {
    const file = `case${at}.test.mjs`
    assert.equal(verdictOfTests(file, await tapOf(file, body)), verdict)
  })

test('what a run printed until it was cut off finds nothing', async () => {
  const tap = await tapOf('cut.test.mjs', passing + failing)
  assert.equal(verdictOfTests('cut.test.mjs', tap.slice(0, tap.indexOf('1..'))), 'aborted')
})

test('seeds find a bug by a broken promise, not by coming to no end', () => {
  const entry = (seed: number, changes: Partial<Entry>): Entry => ({
    ...{ code: 'abc', way: 'seeds', seed, runs: 1, crashPoints: 0, faults: 0 },
    ...{ failed: [], aborted: false },
    ...changes,
  })
  const entries = [
    entry(1, {}),
    entry(2, { failed: [{ seed: 2 }] }),
    entry(3, { failed: [{ seed: 3 }], aborted: true }),
  ]
  assert.deepEqual(countSeeds(entries, 5), { failed: 1, aborted: 3 })
})
