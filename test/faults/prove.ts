/** Runs what a row names: seeds of the simulator, and tests by their titles, one at a time. */
import { execFile } from 'node:child_process'
import type { Behind } from '../servers/behind.ts'
import { type Fault, type Simulated, seedsOf, type Tested } from './proof.ts'

const root = new URL('../../', import.meta.url).pathname
/** What hangs has failed; far above what anything here takes on a busy machine, at full length too. */
const patienceMs = 3 * 60 * 60_000
const quickSeeds = 5
const longSeeds = 100
/** Of every run these are there; a run without checkpoint k dies nowhere. */
const quickCheckpoints = ['20', '60', '100', '140', '180']
const quickPairs = ['20,60', '60,75', '100,130', '140,145', '180,220']
/** The durations that tests know: 10 minutes without ClickHouse, 40 kills of it. */
const longDurations = {
  EBB_FAULT_MS: '600000',
  EBB_KILLS: '40',
  EBB_STORM_MS: '300000',
  EBB_BACKLOG: '10000000',
}

/** All tests that have a Kafka have it on three brokers, with three replicas, as in production. */
const servers = { EBB_BROKERS: '3' }

export interface Proven {
  /** What of it did not hold, as sentences; none: all did. */
  readonly wrong: readonly string[]
  /** Runs of the simulator, and tests that passed. */
  readonly simulations: number
  readonly tests: number
  /** Of tests that measure it (test/servers/behind.ts), the worst; undefined: none does. */
  readonly behind: Behind | undefined
  /** Of the tests that have a Kafka, the fewest that one had; undefined: none has one. */
  readonly brokers: number | undefined
}

export type Prove = (fault: Fault) => Promise<Proven>

const nothingProven: Proven = {
  wrong: [],
  simulations: 0,
  tests: 0,
  behind: undefined,
  brokers: undefined,
}

interface Outcome {
  readonly ok: boolean
  readonly stdout: string
}

/** Several rows name the same tests and seeds: each runs once. */
export function createProver(isLong: boolean): Prove {
  const known = new Map<string, Promise<Proven>>()

  function once(key: string, run: () => Promise<Proven>) {
    const before = known.get(key)
    if (before) return before
    const now = run()
    known.set(key, now)
    return now
  }

  return async ({ proofs }) => {
    const proven: Proven[] = []
    for (const proof of proofs)
      if (proof.kind === 'tested')
        proven.push(await once(JSON.stringify(proof), () => runTests(proof, isLong)))
      else
        for (const args of argumentsOf(proof, isLong))
          proven.push(await once(args.join(' '), () => runSimulator(args)))
    return proven.reduce(both, nothingProven)
  }
}

function both(one: Proven, other: Proven): Proven {
  return {
    wrong: [...one.wrong, ...other.wrong],
    simulations: one.simulations + other.simulations,
    tests: one.tests + other.tests,
    behind: worseOf(one.behind, other.behind),
    brokers: fewerOf(one.brokers, other.brokers),
  }
}

function fewerOf(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? (one ?? other) : Math.min(one, other)
}

function worseOf(one: Behind | undefined, other: Behind | undefined): Behind | undefined {
  if (!one || !other) return one ?? other
  return {
    worstMs: Math.max(one.worstMs, other.worstMs),
    recoveredMs: Math.max(one.recoveredMs, other.recoveredMs),
  }
}

/** Of each run of the simulator. */
function argumentsOf(proof: Simulated, isLong: boolean): string[][] {
  const seeds = seedsOf(proof, isLong ? longSeeds : quickSeeds).map(String)
  const [first] = seeds
  switch (proof.crashes) {
    case 'none':
      return seeds.map(seed => ['--seed', seed])
    case 'single':
      return isLong
        ? [['--seed', first!, '--crashes']]
        : quickCheckpoints.map(checkpoint => ['--seed', first!, '--crash', checkpoint])
    case 'pairs':
      // Every checkpoint, and 20 pairs.
      return isLong
        ? [['--seeds', `${first}..${first}`, '--crashes', '--fresh']]
        : quickPairs.map(pair => ['--seed', first!, '--crash', pair])
  }
}

async function runSimulator(args: readonly string[]): Promise<Proven> {
  const { ok } = await run(['test/simulation/run.ts', ...args])
  const wrong = ok ? [] : [`npm run sim -- ${args.join(' ')} broke a promise, or ended early`]
  return { ...nothingProven, wrong, simulations: 1 }
}

async function runTests(proof: Tested, isLong: boolean): Promise<Proven> {
  const patterns = proof.titles.map(title => `--test-name-pattern=^${patternOf(title)}$`)
  const { ok, stdout } = await run(
    ['--test', '--test-reporter=tap', ...patterns, `test/${proof.file}`],
    { ...servers, ...(isLong ? longDurations : {}) },
  )
  const unseen = proof.titles.filter(title => !hasPassed(stdout, title))
  const tests = proof.titles.length - unseen.length
  const told = { behind: behindIn(stdout), brokers: brokersIn(stdout) }
  if (ok && unseen.length === 0) return { ...nothingProven, tests, ...told }
  const what = unseen.map(title => `“${title}”`).join(', ') || 'the file as a whole'
  const sentence = `test/${proof.file}: failed, skipped or not there: ${what}`
  return { ...nothingProven, wrong: [sentence], tests, ...told }
}

/** What infra/kafka/broker.ts says, the fewest. */
export function brokersIn(tap: string): number | undefined {
  const told = tap.matchAll(/^ *# Kafka has (\d+) brokers\.$/gm)
  return [...told].map(([, count]) => Number(count)).reduce<number | undefined>(fewerOf, undefined)
}

/** What the scenes of test/servers tell at their end. */
export function behindIn(tap: string): Behind | undefined {
  const told = tap.matchAll(
    /^ *# tables behind: (\d+) ms at most, up to date again after (\d+) ms$/gm,
  )
  return [...told]
    .map(([, worst, recovered]) => ({ worstMs: Number(worst), recoveredMs: Number(recovered) }))
    .reduce<Behind | undefined>(worseOf, undefined)
}

/** Whether some test of this title passed; one that was skipped ends in a mark. */
function hasPassed(tap: string, title: string): boolean {
  return new RegExp(`^ *ok \\d+ - ${patternOf(title)}$`, 'm').test(withoutSkipped(tap))
}

function withoutSkipped(tap: string): string {
  return tap.replace(/^.* # SKIP.*$/gm, '')
}

/** Of the whole title; what the source fills in may be anything, or what `filled` says. */
export function patternOf(title: string, filled = '.*'): string {
  const parts = title.split('…').map(part => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
  return parts.join(filled)
}

function run(args: readonly string[], settings: Record<string, string> = {}): Promise<Outcome> {
  // Not a child of a test runner that we may run in: it would report to that. CI: no test is skipped quietly.
  const { NODE_TEST_CONTEXT: _context, ...outer } = process.env
  const env = { ...outer, CI: '1', UV_THREADPOOL_SIZE: '16', ...settings }
  const options = { cwd: root, env, maxBuffer: 1 << 28, timeout: patienceMs }
  const node = ['--disable-warning=ExperimentalWarning', ...args]
  return new Promise(resolve => {
    execFile(process.execPath, node, options, (error, stdout) =>
      resolve({ ok: error === null, stdout }),
    )
  })
}
