/** Many seeds over some processes, each kept as it is done; what was done before is not done again. */
import { fork } from 'node:child_process'
import { performance } from 'node:perf_hooks'
import { hashOfCode } from './code.ts'
import {
  addToTally,
  isDone,
  type Kind,
  readTally,
  type SeedResult,
  type Tally,
  totalsOf,
} from './tally.ts'

const tellEveryMs = 5_000

export interface CampaignOptions {
  /** Inclusive. */
  readonly first: number
  readonly last: number
  readonly withCrashes: boolean
  readonly workers: number
  /** Null: nothing is kept. */
  readonly stateFile: string | null
  /** Of progress; not a result. */
  readonly tell: (line: string) => void
}

/**
 * Of the seeds that were asked for, whenever they were run; a run, or a seed that nobody ran, counts as one violation.
 * `failed`: seeds.
 */
export interface CampaignResult {
  readonly runs: number
  readonly violations: number
  readonly failed: readonly number[]
}

export async function campaign(options: CampaignOptions): Promise<CampaignResult> {
  const { first, last, withCrashes, stateFile, tell } = options
  const kind: Kind = { code: hashOfCode(), way: withCrashes ? 'crashes' : 'seeds' }
  const tally: Tally = stateFile ? readTally(stateFile, kind, tell) : new Map()
  const todo: number[] = []
  for (let seed = first; seed <= last; seed++) if (!isDone(tally, seed)) todo.push(seed)
  const total = todo.length
  const startedAtMs = performance.now()
  let toldAtMs = startedAtMs
  let done = 0

  function keep(result: SeedResult): void {
    tally.set(result.seed, result)
    if (stateFile) addToTally(stateFile, kind, result)
    done++
    for (const scenario of result.failed) tell(`failed: ${JSON.stringify(scenario)}`)
    if (performance.now() - toldAtMs < tellEveryMs) return
    toldAtMs = performance.now()
    const minutes = ((toldAtMs - startedAtMs) / 60_000).toFixed(1)
    tell(`${done} of ${total} seeds in ${minutes} min`)
  }

  const count = Math.min(options.workers, total)
  await Promise.all(Array.from({ length: count }, () => work(todo, withCrashes, keep, tell)))
  const { runs, crashPoints, faults, violations, failed } = totalsOf(tally, first, last)
  const before = last - first + 1 - total
  tell(`${total} seeds were run now, ${before} before, by code ${kind.code};`)
  tell(`${runs} runs, ${crashPoints} of them at crash points and pairs, with ${faults} faults`)
  return { runs, violations, failed }
}

async function work(
  todo: number[],
  withCrashes: boolean,
  keep: (result: SeedResult) => void,
  tell: (line: string) => void,
): Promise<void> {
  let worker = startWorker(withCrashes)
  try {
    for (let seed = todo.shift(); seed !== undefined; seed = todo.shift()) {
      let result = await worker.run(seed)
      if (!result) {
        tell(`The process that ran seed ${seed} ended; another one runs it again, and goes on.`)
        worker.end()
        worker = startWorker(withCrashes)
        result = await worker.run(seed)
      }
      if (!result) {
        tell(`The process that ran seed ${seed} again ended too; the seed counts as failed.`)
        worker.end()
        worker = startWorker(withCrashes)
      }
      keep(result ?? abortedAt(seed))
    }
  } finally {
    worker.end()
  }
}

interface Worker {
  /** Undefined: the process ended before it told. */
  run(seed: number): Promise<SeedResult | undefined>
  end(): void
}

function startWorker(withCrashes: boolean): Worker {
  const child = fork(new URL('worker.ts', import.meta.url), {
    execArgv: ['--disable-warning=ExperimentalWarning'],
  })
  let ended = false
  let answer = (_result?: SeedResult) => {}
  const end = () => {
    ended = true
    answer()
  }
  child.on('message', result => answer(result as SeedResult))
  child.on('exit', end)
  // It could not be started, or be told a seed.
  child.on('error', end)
  return {
    run: seed =>
      new Promise(resolve => {
        if (ended) return resolve(undefined)
        answer = resolve
        child.send({ seed, withCrashes })
      }),
    end: () => void child.kill(),
  }
}

function abortedAt(seed: number): SeedResult {
  return { seed, runs: 1, crashPoints: 0, faults: 0, failed: [{ seed }], aborted: true }
}
