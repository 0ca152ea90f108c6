/**
 * Plants each bug in a copy of the source, one by one, and looks who finds it: the simulator, in how many of its
 * seeds, or else a test. Ends with one JSON object, and with status 1 where a bug lives.
 *
 *   npm run planted [-- --seeds 60] [--only word of its name]
 */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { readEntries } from '../simulation/tally.ts'
import type { Bug } from './bug.ts'
import { bugs } from './bugs.ts'
import { type Copy, copyOf, nonsenseIn, plant, root } from './copy.ts'
import { countSeeds, type SeedCounts, type TestVerdict, verdictOfTests } from './verdict.ts'

/** A bug may make the simulator or a test wait for ever. */
const patienceMs = 15 * 60_000
const node = ['--disable-warning=ExperimentalWarning']

interface Finding {
  readonly seeds: SeedCounts
  /** Of the named test, where the simulator saw nothing. */
  readonly test: TestVerdict | null
}

interface Output {
  readonly ok: boolean
  readonly stdout: string
}

function run(copy: Copy, args: readonly string[]): Promise<Output> {
  // Not a child of a test runner that we may run in: it would report to that.
  const { NODE_TEST_CONTEXT: _context, ...env } = process.env
  return new Promise(resolve => {
    const options = { cwd: copy.path, env, maxBuffer: 1 << 28, timeout: patienceMs }
    execFile(process.execPath, [...args], options, (error, stdout) =>
      resolve({ ok: error === null, stdout }),
    )
  })
}

async function runSeeds(copy: Copy, seeds: number): Promise<SeedCounts> {
  const account = join(copy.path, 'account.jsonl')
  const range = ['--seeds', `1..${seeds}`, '--state', account]
  await run(copy, [...node, 'test/simulation/run.ts', ...range])
  return countSeeds(readEntries(account), seeds)
}

async function runTest(copy: Copy, file: string): Promise<TestVerdict> {
  const args = [...node, '--test', '--test-reporter=tap', file]
  return verdictOfTests(file, (await run(copy, args)).stdout)
}

async function find(bug: Bug, seeds: number): Promise<Finding> {
  const copy = copyOf(base.path)
  try {
    plant(copy, bug)
    const counts = await runSeeds(copy, seeds)
    const test = counts.failed === 0 && bug.test ? await runTest(copy, bug.test) : null
    return { seeds: counts, test }
  } finally {
    copy.remove()
  }
}

/** Whoever fails on the source as it is finds nothing: the seeds, and the tests that are named. */
async function assertWell(chosen: readonly Bug[], seeds: number): Promise<void> {
  const { failed, aborted } = await runSeeds(base, seeds)
  if (failed + aborted > 0)
    throw new Error(`The source as it is fails in ${failed} seeds, and ${aborted} come to no end.`)
  for (const file of new Set(chosen.flatMap(({ test }) => test ?? []))) {
    const verdict = await runTest(base, file)
    if (verdict !== 'passed')
      throw new Error(`${file} has ${verdict} on the source as it is: it can find nothing.`)
  }
}

function textOf({ test, seeds: { failed, aborted } }: Finding, bug: Bug, seeds: number): string {
  const by =
    failed > 0
      ? `in ${failed} of ${seeds} seeds`
      : test === 'failed'
        ? `by ${bug.test}`
        : 'NOT FOUND'
  const without = [
    ...(aborted > 0 ? [`${aborted} seeds came to no end`] : []),
    ...(test === 'aborted' ? [`${bug.test} came to no end`] : []),
  ]
  return [by, ...without].join('; ')
}

const { values } = parseArgs({
  options: { seeds: { type: 'string', default: '60' }, only: { type: 'string' } },
})
const seeds = Number(values.seeds)
const chosen = bugs.filter(bug => bug.name.includes(values.only ?? ''))
if (chosen.length === 0) throw new Error(`--only ${values.only}: no bug has this in its name.`)
/** The source as it was at the start: this takes long, and somebody may go on working. */
const base = copyOf(root)
const alive: string[] = []
try {
  // Bugs are found by running them: what does not compile would be found by everything.
  const nonsense = nonsenseIn(base, chosen)
  if (nonsense.length > 0)
    throw new Error(`What is planted is no code; mend bugs.ts: ${nonsense.join('; ')}`)
  await assertWell(chosen, seeds)
  for (const [at, bug] of chosen.entries()) {
    const finding = await find(bug, seeds)
    if (finding.seeds.failed === 0 && finding.test !== 'failed') alive.push(bug.name)
    const says = textOf(finding, bug, seeds)
    console.log(`${at + 1}/${chosen.length}  ${bug.breaks.padEnd(9)} ${bug.name}: ${says}`)
  }
} finally {
  base.remove()
}
console.log(JSON.stringify({ bugs: chosen.length, found: chosen.length - alive.length, alive }))
process.exitCode = alive.length > 0 ? 1 : 0
