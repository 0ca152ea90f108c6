/**
 * Plants each bug in a copy of the source, one by one, and looks who finds it: the simulator, in how many of its
 * seeds, or else a test. Ends with one JSON object, and with status 1 where a bug lives.
 *
 *   npm run planted [-- --seeds 60] [--only word of its name]
 */
import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Bug, bugs } from './bugs.ts'

const root = new URL('../../', import.meta.url).pathname
/** The source as it was at the start: this takes long, and somebody may go on working. */
const base = mkdtempSync(join(tmpdir(), 'ebb-planted-base-'))
const parts = ['services', 'schemas', 'test', 'infra', 'package.json']
/** A bug may make the simulator wait for ever: that is found too. */
const patienceMs = 15 * 60_000

interface Finding {
  readonly bug: string
  readonly seedsFailed: number
  /** The test that failed, where the simulator saw nothing. */
  readonly test: string | null
}

interface Outcome {
  readonly ok: boolean
  readonly stdout: string
}

function run(copy: string, args: readonly string[]): Promise<Outcome> {
  // Not a child of a test runner that we may run in: it would report to that.
  const { NODE_TEST_CONTEXT: _context, ...env } = process.env
  return new Promise(resolve => {
    const options = { cwd: copy, env, maxBuffer: 1 << 28, timeout: patienceMs }
    execFile(process.execPath, [...args], options, (error, stdout) =>
      resolve({ ok: error === null, stdout }),
    )
  })
}

function plant(copy: string, bug: Bug): void {
  const path = join(copy, bug.file)
  const source = readFileSync(path, 'utf8')
  const places = source.split(bug.from).length - 1
  if (places !== 1)
    throw new Error(
      `${bug.name}: ${bug.file} has the clause ${places} times, not once; mend bugs.ts.`,
    )
  writeFileSync(
    path,
    source.replace(bug.from, () => bug.to),
  )
}

async function seedsFailed(copy: string, seeds: number): Promise<number> {
  const script = join(copy, 'test/simulation/run.ts')
  const { ok, stdout } = await run(copy, [script, '--seeds', `1..${seeds}`, '--fresh'])
  try {
    return JSON.parse(stdout.trim().split('\n').at(-1)!).failed.length
  } catch {
    // It did not come to its last line.
    return ok ? 0 : seeds
  }
}

async function find(bug: Bug | undefined, seeds: number): Promise<Finding> {
  const copy = mkdtempSync(join(tmpdir(), 'ebb-planted-'))
  try {
    cpSync(base, copy, { recursive: true })
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
    if (bug) plant(copy, bug)
    const failed = await seedsFailed(copy, seeds)
    const named = bug?.test
    const test =
      failed === 0 && named && !(await run(copy, ['--test', join(copy, named)])).ok ? named : null
    return { bug: bug?.name ?? 'none', seedsFailed: failed, test }
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}

const { values } = parseArgs({
  options: { seeds: { type: 'string', default: '60' }, only: { type: 'string' } },
})
const seeds = Number(values.seeds)
for (const part of parts) cpSync(join(root, part), join(base, part), { recursive: true })
const chosen = bugs.filter(bug => bug.name.includes(values.only ?? ''))
const asItIs = await find(undefined, seeds)
if (asItIs.seedsFailed > 0)
  throw new Error(`The source as it is fails in ${asItIs.seedsFailed} seeds.`)
const alive: string[] = []
for (const [at, bug] of chosen.entries()) {
  const { seedsFailed: failed, test } = await find(bug, seeds)
  if (failed === 0 && test === null) alive.push(bug.name)
  const by =
    failed > 0 ? `in ${failed} of ${seeds} seeds` : test === null ? 'NOT FOUND' : `by ${test}`
  console.log(`${at + 1}/${chosen.length}  ${bug.breaks.padEnd(9)} ${bug.name}: ${by}`)
}
rmSync(base, { recursive: true, force: true })
console.log(JSON.stringify({ bugs: chosen.length, found: chosen.length - alive.length, alive }))
process.exit(alive.length > 0 ? 1 : 0)
