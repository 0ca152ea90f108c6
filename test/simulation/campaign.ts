/** Many seeds over some processes, saved as it goes on; what was done before is not done again. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
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
    await Promise.all(Array.from({ length: count }, () => work(todo, withCrashes, done)))
  } finally {
    if (stateFile && total > 0) saveTally(stateFile, way, tally)
  }
  return resultOf(tally)
}

async function work(
  todo: number[],
  withCrashes: boolean,
  done: (result: SeedResult) => void,
): Promise<void> {
  const child = fork(new URL('worker.ts', import.meta.url), {
    execArgv: ['--disable-warning=ExperimentalWarning'],
  })
  try {
    for (let seed = todo.shift(); seed !== undefined; seed = todo.shift()) {
      child.send({ seed, withCrashes })
      done(await answerOf(child, seed))
    }
  } finally {
    child.kill()
  }
}

async function answerOf(child: ChildProcess, seed: number): Promise<SeedResult> {
  const answered = new AbortController()
  const { signal } = answered
  try {
    return await Promise.race([
      once(child, 'message', { signal }).then(([result]) => result as SeedResult),
      once(child, 'exit', { signal }).then(() => {
        throw new Error(`The process that ran seed ${seed} ended.`)
      }),
    ])
  } finally {
    answered.abort()
  }
}

function resultOf({ runs, crashPoints, failed }: Tally): CampaignResult {
  const seeds = [...new Set(failed.map(({ seed }) => seed))].sort((one, other) => one - other)
  return { runs, crashPoints, violations: failed.length, failed: seeds }
}
