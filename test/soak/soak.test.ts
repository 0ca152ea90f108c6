/** What the soak makes of what it saw; the soak itself is a command (docs/soak.md). */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { seeded } from '../processor/shop.ts'
import { checkBounds, memoryBytesMax, openFilesMax, peakOf } from './bounds.ts'
import { faultsNamed, sequenceOf, soakFaults } from './faults.ts'
import { aftermathOf, type Sight } from './lag.ts'
import { medianOf, rowsOf, withOutput } from './report.ts'

/** A command that does not refuse begins brokers. */
const refusalMsMax = 60_000

const sights = (...lags: number[]): Sight[] => lags.map((lagMs, at) => ({ atMs: at * 1000, lagMs }))

test('lag that never passes the bound needs no recovery', () => {
  assert.deepEqual(aftermathOf(sights(100, 900, 1999, 300), 0, 4000), {
    worstMs: 1999,
    recoveredMs: 0,
  })
})

test('recovery is counted from the fault, to the first sight below the bound behind the worst', () => {
  const seen = sights(100, 100, 3000, 1000, 9000, 4000, 1999, 100)
  assert.deepEqual(aftermathOf(seen, 1000, 8000), { worstMs: 9000, recoveredMs: 5000 })
})

test('a recovery may fall behind the next fault, or never come', () => {
  const seen = sights(100, 3000, 4000, 5000, 100)
  assert.deepEqual(aftermathOf(seen, 0, 3000), { worstMs: 4000, recoveredMs: 4000 })
  assert.equal(aftermathOf(seen.slice(0, 4), 0, 3000).recoveredMs, undefined)
})

test('a seed decides the order; each fault comes once before any comes again', () => {
  const first = (seed: number, count: number) => {
    const sequence = sequenceOf(soakFaults, seeded(seed))
    return Array.from({ length: count }, () => sequence.next().value)
  }
  const count = soakFaults.length
  assert.deepEqual(first(7, 2 * count), first(7, 2 * count))
  assert.notDeepEqual(first(7, count), first(8, count))
  assert.deepEqual(new Set(first(7, count)), new Set(soakFaults))
  assert.deepEqual(new Set(first(7, 2 * count).slice(count)), new Set(soakFaults))
})

/** The command with these arguments ends before it has begun anything. */
function refuses(why: RegExp, ...args: string[]): void {
  const command = [new URL('run.ts', import.meta.url).pathname, '--minutes', '0', ...args]
  const options = { encoding: 'utf8', timeout: refusalMsMax } as const
  const { status, stdout, stderr } = spawnSync(process.execPath, command, options)
  assert.match(stderr, why)
  assert.deepEqual([status, stdout], [1, ''])
}

test('what is no number is refused', () => {
  refuses(/--minutes nosuch: this is no number/, '--minutes', 'nosuch')
  refuses(/--rate nosuch: this is no number/, '--rate', 'nosuch')
})

test('faults are chosen by words of their names; where none has them the command refuses', () => {
  const kinds = faultsNamed('way to ClickHouse').map(({ kind }) => kind)
  assert.equal(kinds.length, 6)
  for (const kind of kinds) assert.match(kind, /^way to ClickHouse: /)
  refuses(/--only nosuch: no fault has this in its name/, '--only', 'nosuch')
})

test('a process beyond its memory or its open files breaks a promise, and one that nobody measured', () => {
  const within = { memoryBytes: memoryBytesMax, openFiles: openFilesMax }
  assert.deepEqual(checkBounds({ collector: within, processor: within }), [])
  const large = { ...within, memoryBytes: memoryBytesMax + 1 }
  const many = { ...within, openFiles: openFilesMax + 1 }
  assert.deepEqual(checkBounds({ processor: large, collector: many, webhooks: within }), [
    'a processor had 2049 MiB of memory; 2048 are the cap',
    'a collector had 1001 open files; 1000 are the cap',
  ])
  const unknown = { memoryBytes: 0, openFiles: 0 }
  assert.equal(checkBounds({ webhooks: unknown }).length, 2)
})

test('memory and open files are those that the system tells of a process', {
  skip: process.platform !== 'linux' && 'only Linux has /proc',
}, () => {
  const before = peakOf(process.pid)
  assert.ok(before.memoryBytes >= process.memoryUsage.rss() / 2, `${before.memoryBytes} bytes`)
  const files = Array.from({ length: 20 }, () => openSync(import.meta.filename, 'r'))
  const after = peakOf(process.pid)
  for (const file of files) closeSync(file)
  assert.equal(after.openFiles - before.openFiles, 20)
})

test('the table has one row for each kind; who never came back is the worst', () => {
  const struck = (kind: string, recoveredMs: number | undefined, worstLagMs: number) => ({
    ...{ kind, recoveredMs, worstLagMs },
    inTime: recoveredMs !== undefined,
  })
  assert.deepEqual(
    rowsOf([struck('a', 1000, 2500), struck('b', undefined, 9000), struck('a', 3000, 3100)]),
    ['| a | 2 | 3.0 | 3.0 | 3.1 | 0 |', '| b | 1 | never | never | 9.0 | 1 |'],
  )
  assert.equal(medianOf([5, undefined, 1]), 5)
})

test('docs/soak.md has a place for the output, and the rest of it stays', () => {
  const document = readFileSync(new URL('../../docs/soak.md', import.meta.url), 'utf8')
  const changed = withOutput(document, 'new')
  assert.match(changed, /<!-- output -->\nnew\n<!-- end of output -->/)
  assert.equal(withOutput(changed, 'old'), withOutput(document, 'old'))
  assert.throws(() => withOutput('nothing', 'new'), /no place for the output/)
})
