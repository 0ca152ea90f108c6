/** Runs what a row names: seeds of the simulator, and tests by their titles, one at a time. */
import { execFile } from 'node:child_process'
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
const longDurations = { EBB_FAULT_MS: '600000', EBB_KILLS: '40' }

/** What of it did not hold, as sentences; none: all did. */
export type Prove = (fault: Fault) => Promise<string[]>

interface Outcome {
  readonly ok: boolean
  readonly stdout: string
}

/** Several rows name the same tests and seeds: each runs once. */
export function createProver(isLong: boolean): Prove {
  const known = new Map<string, Promise<string | undefined>>()

  function once(key: string, run: () => Promise<string | undefined>) {
    const before = known.get(key)
    if (before) return before
    const now = run()
    known.set(key, now)
    return now
  }

  return async ({ proofs }) => {
    const wrong: string[] = []
    for (const proof of proofs) {
      const said =
        proof.kind === 'tested'
          ? [await once(JSON.stringify(proof), () => runTests(proof, isLong))]
          : await eachOf(argumentsOf(proof, isLong), args =>
              once(args.join(' '), () => runSimulator(args)),
            )
      wrong.push(...said.filter(sentence => sentence !== undefined))
    }
    return wrong
  }
}

async function eachOf<Item, Answer>(
  items: readonly Item[],
  ask: (item: Item) => Promise<Answer>,
): Promise<Answer[]> {
  const answers: Answer[] = []
  for (const item of items) answers.push(await ask(item))
  return answers
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

async function runSimulator(args: readonly string[]): Promise<string | undefined> {
  const { ok } = await run(['test/simulation/run.ts', ...args])
  return ok ? undefined : `npm run sim -- ${args.join(' ')} broke a promise, or ended early`
}

async function runTests(proof: Tested, isLong: boolean): Promise<string | undefined> {
  const patterns = proof.titles.map(title => `--test-name-pattern=^${patternOf(title)}$`)
  const { ok, stdout } = await run(
    ['--test', '--test-reporter=tap', ...patterns, `test/${proof.file}`],
    isLong ? longDurations : {},
  )
  const unseen = proof.titles.filter(title => !hasPassed(stdout, title))
  if (ok && unseen.length === 0) return undefined
  const what = unseen.map(title => `“${title}”`).join(', ') || 'the file as a whole'
  return `test/${proof.file}: failed, skipped or not there: ${what}`
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

function run(args: readonly string[], durations: Record<string, string> = {}): Promise<Outcome> {
  // Not a child of a test runner that we may run in: it would report to that. CI: no test is skipped quietly.
  const { NODE_TEST_CONTEXT: _context, ...outer } = process.env
  const env = { ...outer, CI: '1', UV_THREADPOOL_SIZE: '16', ...durations }
  const options = { cwd: root, env, maxBuffer: 1 << 28, timeout: patienceMs }
  const node = ['--disable-warning=ExperimentalWarning', ...args]
  return new Promise(resolve => {
    execFile(process.execPath, node, options, (error, stdout) =>
      resolve({ ok: error === null, stdout }),
    )
  })
}
