import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, normalize } from 'node:path'
import { type TestContext, test } from 'node:test'
import { filesOfCode, hashOfCode } from './code.ts'
import {
  addToTally,
  isDone,
  type Kind,
  readTally,
  type SeedResult,
  type Tally,
  totalsOf,
} from './tally.ts'

const root = new URL('../../', import.meta.url).pathname
const kind: Kind = { code: 'abc', way: 'seeds' }

function resultOf(seed: number, changes: Partial<SeedResult> = {}): SeedResult {
  return { seed, runs: 1, crashPoints: 0, faults: 7, failed: [], aborted: false, ...changes }
}

function tallyOf(...results: SeedResult[]): Tally {
  return new Map(results.map(result => [result.seed, result]))
}

function accountFile(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'ebb-tally-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'new', 'account.jsonl')
}

function unexpected(line: string): void {
  assert.fail(line)
}

test('what was added is read again, by the way it was run', t => {
  const file = accountFile(t)
  assert.equal(readTally(file, kind, unexpected).size, 0)
  addToTally(file, kind, resultOf(3, { failed: [{ seed: 3, crashes: [4] }] }))
  addToTally(file, { ...kind, way: 'crashes' }, resultOf(5))
  const tally = readTally(file, kind, unexpected)
  assert.deepEqual([...tally.keys()], [3])
  assert.deepEqual(tally.get(3)!.failed, [{ seed: 3, crashes: [4] }])
  assert.ok(readTally(file, { ...kind, way: 'crashes' }, unexpected).has(5))
})

test('of two results of one seed the last counts', t => {
  const file = accountFile(t)
  addToTally(file, kind, resultOf(3, { failed: [{ seed: 3 }] }))
  addToTally(file, kind, resultOf(3))
  assert.deepEqual(readTally(file, kind, unexpected).get(3)!.failed, [])
})

test('a line that was cut off takes no other with it', t => {
  const file = accountFile(t)
  addToTally(file, kind, resultOf(1))
  appendFileSync(file, '\n{"code":"abc","way":"se')
  addToTally(file, kind, resultOf(2))
  assert.deepEqual([...readTally(file, kind, unexpected).keys()], [1, 2])
})

test('what other code did counts for nothing, is dropped, and said once', t => {
  const file = accountFile(t)
  addToTally(file, { ...kind, code: 'old' }, resultOf(1))
  addToTally(file, kind, resultOf(2))
  const told: string[] = []
  const tally = readTally(file, kind, line => void told.push(line))
  assert.deepEqual([...tally.keys()], [2])
  assert.equal(told.length, 1)
  assert.match(told[0]!, /account.jsonl has 1 seeds of other code/)
  assert.doesNotMatch(readFileSync(file, 'utf8'), /old/)
  addToTally(file, kind, resultOf(4))
  assert.deepEqual([...readTally(file, kind, unexpected).keys()], [2, 4])
})

test('a seed is done when it passed', () => {
  const tally = tallyOf(resultOf(1), resultOf(2, { failed: [{ seed: 2 }] }))
  assert.deepEqual(
    [1, 2, 3].map(seed => isDone(tally, seed)),
    [true, false, false],
  )
})

test('sums are of the range that was asked for', () => {
  const failed = [{ seed: 2 }, { seed: 2, crashes: [9] }]
  const tally = tallyOf(resultOf(3), resultOf(2, { runs: 5, crashPoints: 4, failed }), resultOf(1))
  const sums = { runs: 6, crashPoints: 4, faults: 14, violations: 2, failed: [2] }
  assert.deepEqual(totalsOf(tally, 1, 2), sums)
})

test('a seed of the range without a result has failed', () => {
  const sums = { runs: 1, crashPoints: 0, faults: 7, violations: 2, failed: [1, 3] }
  assert.deepEqual(totalsOf(tallyOf(resultOf(2)), 1, 3), sums)
})

test('the code of a simulation is all that its files import, and its schemas', () => {
  const files = filesOfCode()
  const covered = new Set(files)
  const sources = files.filter(file => file.endsWith('.ts'))
  const beyond = sources.flatMap(file =>
    [...readFileSync(join(root, file), 'utf8').matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)]
      .map(([, path]) => normalize(join(dirname(file), path!)))
      .filter(path => !covered.has(path))
      .map(path => `${file} imports ${path}`),
  )
  assert.deepEqual(beyond, [])
  for (const file of ['services/processor/flush.ts', 'test/simulation/checkers/check.ts'])
    assert.ok(covered.has(file), file)
  assert.ok(files.some(file => file.startsWith('schemas/avro/')))
  assert.ok(files.some(file => file.startsWith('schemas/clickhouse/')))
  assert.ok(!files.some(file => file.endsWith('.test.ts')))
  assert.match(hashOfCode(), /^[0-9a-f]{16}$/)
})
