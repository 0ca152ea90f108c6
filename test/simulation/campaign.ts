/** Many seeds over some processes, saved as it goes on; what was done before is not done again. */
import { fork } from 'node:child_process'
import { performance } from 'node:perf_hooks'
import {
  add,
  isDone,
  newTally,
  readTally,
  type SeedResult,
  saveTally,
  type Tally,
} from './tally.ts'

const saveEveryMs = 5_000

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

/** Of all that the state file knows of this way of running. `failed`: seeds. */
export interface CampaignResult {
  readonly runs: number
  readonly crashPoints: number
  readonly violations: number
  readonly failed: readonly number[]
}

export async function campaign(options: CampaignOptions): Promise<CampaignResult> {
  const { first, last, withCrashes, stateFile, tell } = options
  const way = withCrashes ? 'crashes' : 'seeds'
  const tally = stateFile ? readTally(stateFile, way) : newTally()
  const todo: number[] = []
  for (let seed = first; seed <= last; seed++) if (!isDone(tally, seed)) todo.push(seed)
  const total = todo.length
  let savedAtMs = performance.now()
  const startedAtMs = savedAtMs

  function done(result: SeedResult): void {
    add(tally, result)
    for (const scenario of result.failed) tell(`failed: ${JSON.stringify(scenario)}`)
    if (performance.now() - savedAtMs < saveEveryMs) return
    savedAtMs = performance.now()
    if (stateFile) saveTally(stateFile, way, tally)
    const minutes = ((savedAtMs - startedAtMs) / 60_000).toFixed(1)
    tell(`${total - todo.length} of ${total} seeds in ${minutes} min; ${tally.runs} runs so far`)
  }

  const count = Math.min(options.workers, total)
  try {
    await Promise.all(Array.from({ length: count }, () => work(todo, withCrashes, done, tell)))
  } finally {
    if (stateFile && total > 0) saveTally(stateFile, way, tally)
  }
  return resultOf(tally)
}

async function work(
  todo: number[],
  withCrashes: boolean,
  done: (result: SeedResult) => void,
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
      done(result ?? { seed, runs: 1, crashPoints: 0, faults: 0, failed: [{ seed }] })
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

function resultOf({ runs, crashPoints, failed }: Tally): CampaignResult {
  const seeds = [...new Set(failed.map(({ seed }) => seed))].sort((one, other) => one - other)
  return { runs, crashPoints, violations: failed.length, failed: seeds }
}
