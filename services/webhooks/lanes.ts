/**
 * Bounded concurrency, one lane for each endpoint: in a lane jobs start in order, at most `laneMax` at a
 * time; the lanes take turns for `totalMax` places. So an endpoint that hangs holds laneMax places, and
 * its queue holds up nobody else's.
 */
import { assert } from '../base/errors.ts'

interface Lane<Job> {
  readonly ready: Set<Job>
  running: number
}

export interface Lanes<Job> {
  push(name: string, job: Job): void
  /** Takes back a job that has not begun. */
  drop(name: string, job: Job): void
  /** Nothing further begins; resolves when nothing runs. */
  stop(): Promise<void>
}

/** `run` must not reject. */
export function createLanes<Job>(options: {
  readonly totalMax: number
  readonly laneMax: number
  run(job: Job): Promise<void>
}): Lanes<Job> {
  // In the order of their turns: who starts a job goes to the end.
  const lanes = new Map<string, Lane<Job>>()
  let running = 0
  let stopped: PromiseWithResolvers<void> | undefined

  function startNext(): boolean {
    if (stopped || running >= options.totalMax) return false
    for (const [name, lane] of lanes) {
      if (lane.running >= options.laneMax || lane.ready.size === 0) continue
      const [job] = lane.ready
      assert(job !== undefined, 'a lane that is ready has a job')
      lane.ready.delete(job)
      lanes.delete(name)
      lanes.set(name, lane)
      void start(name, lane, job)
      return true
    }
    return false
  }

  async function start(name: string, lane: Lane<Job>, job: Job): Promise<void> {
    lane.running++
    running++
    await options.run(job)
    lane.running--
    running--
    if (lane.running === 0 && lane.ready.size === 0) lanes.delete(name)
    if (running === 0) stopped?.resolve()
    fill()
  }

  function fill(): void {
    while (startNext());
  }

  return {
    push(name, job) {
      const lane = lanes.get(name) ?? { ready: new Set(), running: 0 }
      lanes.set(name, lane)
      lane.ready.add(job)
      fill()
    },
    drop(name, job) {
      lanes.get(name)?.ready.delete(job)
    },
    stop() {
      stopped ??= Promise.withResolvers()
      if (running === 0) stopped.resolve()
      return stopped.promise
    },
  }
}
