/** `npm run sim` as it is called: what it prints first and last, its status, and its account. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { bugs } from '../planted/bugs.ts'
import { copyOf, plant, root, uproot } from '../planted/copy.ts'
import { planOf } from './plan.ts'
import { readEntries } from './tally.ts'

/** Accounts are of one code: somebody may work on the source meanwhile. */
const copy = copyOf(root)
after(() => copy.remove())

interface Said {
  readonly status: number | null
  readonly lines: readonly string[]
  readonly stderr: string
}

/** Leads a group of its own: npm starts a shell, and that what it runs. */
function start(args: readonly string[]) {
  return spawn('npm', ['run', '-s', 'sim', '--', ...args], { cwd: copy.path, detached: true })
}

async function sim(...args: readonly string[]): Promise<Said> {
  const child = start(args)
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', chunk => (stdout += chunk))
  child.stderr.on('data', chunk => (stderr += chunk))
  const [status] = await once(child, 'close')
  return { status, lines: stdout.trimEnd().split('\n'), stderr }
}

function accountFile(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'ebb-account-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'account.jsonl')
}

const seedsIn = (file: string) => readEntries(file).map(({ seed }) => seed)

test('one seed: the seed and all its faults first, one JSON object last', async () => {
  const { status, lines } = await sim('--seed', '7')
  const [, seed, rest] = /^seed=(\d+) (\{.*\})$/.exec(lines[0]!)!
  const { seed: _, ...plan } = planOf(7)
  assert.equal(seed, '7')
  assert.deepEqual(JSON.parse(rest!), plan)
  assert.ok(plan.faults.length > 0, 'it has faults to tell')
  assert.match(lines.at(-1)!, /^\{"seed":7,"trace":"[0-9a-f]+","faults":[1-9]\d*,"violations":0\}$/)
  assert.equal(lines.length, 2)
  assert.equal(status, 0)
})

test('many seeds: what was asked for and nothing else, run once', async t => {
  const file = accountFile(t)
  const range = ['--seeds', '1..4', '--state', file]
  const first = await sim(...range)
  assert.deepEqual(first.lines, ['{"runs":4,"violations":0,"failed":[]}'])
  assert.equal(first.status, 0)
  assert.match(first.stderr, /4 runs, 0 of them at crash points and pairs, with [1-9]\d* faults/)
  assert.deepEqual(seedsIn(file).sort(), [1, 2, 3, 4])
  const again = await sim(...range)
  assert.deepEqual(again.lines, first.lines)
  assert.match(again.stderr, /0 seeds were run now, 4 before/)
  assert.deepEqual(seedsIn(file).length, 4)
  const others = await sim('--seeds', '3..5', '--state', file)
  assert.deepEqual(others.lines, ['{"runs":3,"violations":0,"failed":[]}'])
  assert.match(others.stderr, /1 seeds were run now, 2 before/)
})

test('a campaign without a process to run it is refused', async t => {
  const file = accountFile(t)
  const { status, lines, stderr } = await sim('--seeds', '1..4', '--state', file, '--workers', '0')
  assert.equal(status, 1)
  assert.deepEqual(lines, [''])
  assert.match(stderr, /--workers 0: no process would run a seed; give 1 or more/)
})

test('a campaign that is killed goes on with the seeds it had not done', async t => {
  const file = accountFile(t)
  const range = ['--seeds', '1..60', '--state', file, '--workers', '1']
  const child = start(range)
  const ended = once(child, 'close')
  while (child.exitCode === null && seedsIn(file).length < 3) await wait(10)
  if (child.exitCode === null) process.kill(-child.pid!, 'SIGKILL')
  await ended
  const before = seedsIn(file)
  assert.ok(before.length < 60, 'it was killed on its way')
  const { lines, status } = await sim(...range)
  assert.deepEqual(lines, ['{"runs":60,"violations":0,"failed":[]}'])
  assert.equal(status, 0)
  const all = seedsIn(file)
  assert.deepEqual(all.slice(0, before.length), before)
  assert.equal(all.length, 60)
  assert.equal(new Set(all).size, 60)
})

test('a broken promise is status 1, run again each time, and forgotten with its code', async t => {
  const bug = bugs.find(({ name }) => name === 'progress before rows')!
  const file = accountFile(t)
  const range = ['--seeds', '1..2', '--state', file]
  plant(copy, bug)
  const one = await sim('--seed', '1')
  assert.equal(one.status, 1)
  assert.ok(JSON.parse(one.lines.at(-1)!).violations > 0)
  assert.match(one.lines[1]!, /progress/, 'a sentence says what is wrong')
  for (const times of [1, 2]) {
    const { status, lines } = await sim(...range)
    assert.equal(status, 1)
    assert.deepEqual(lines, ['{"runs":2,"violations":2,"failed":[1,2]}'])
    assert.equal(seedsIn(file).length, 2 * times)
  }
  uproot(copy, bug)
  const { status, lines, stderr } = await sim(...range)
  assert.match(stderr, /has 4 seeds of other code than this: they count no more, and run again/)
  assert.deepEqual(lines, ['{"runs":2,"violations":0,"failed":[]}'])
  assert.equal(status, 0)
})
