/** One process alone with a simulated log, for tests of the log. */
import type { Log } from '../../services/log/log.ts'
import { createCalls } from './calls.ts'
import { chanceOf } from './chance.ts'
import { fatesOf } from './fates.ts'
import { type Coordinator, createCoordinator } from './kafka/coordinator.ts'
import { openLogPort } from './kafka/log-port.ts'
import { createTopics, type Topics } from './kafka/topics.ts'
import { planOf } from './plan.ts'
import { createScheduler, type Life, type Scheduler } from './scheduler.ts'
import { startMs, useVirtualTime } from './virtual-time.ts'

const silent = { debug() {}, info() {}, warn() {}, error() {} }

export interface LoneLife {
  readonly log: Log
  readonly topics: Topics
  readonly scheduler: Scheduler
  release(): Promise<void>
}

/** Nothing goes wrong but what the test sets off. */
export async function openLoneLife(leadersMove: boolean): Promise<LoneLife> {
  const plan = { ...planOf(1), faults: [] }
  const chance = chanceOf(1, 'contract')
  const scheduler = createScheduler(chance)
  const endVirtualTime = useVirtualTime(scheduler, chance)
  const life: Life = { name: 'test#1', alive: true, stillUntilMs: 0, missedMs: 0, skewMs: 0 }
  const groups = new Map<string, Coordinator>()
  const topics = createTopics(() => startMs + Math.floor(scheduler.nowMs()))
  const world = {
    scheduler,
    chance,
    topics,
    calls: createCalls({
      scheduler,
      chance,
      crashes: [],
      deaths: [],
      bugs: [],
      breaks: () => {},
      die: () => {},
    }),
    fates: fatesOf(plan, chance, scheduler.nowMs),
    leadersMove,
    acknowledged: () => {},
    coordinator(topic: string, group: string) {
      const coordinator = groups.get(topic + group) ?? createCoordinator(scheduler, group)
      groups.set(topic + group, coordinator)
      return coordinator
    },
  }
  const log = openLogPort(world, life, silent as unknown as Parameters<typeof openLogPort>[2])
  let over = false
  // A test may do nothing for a while: time goes on.
  const goOn = () => void scheduler.plan(10, null, 'goes on', goOn)
  goOn()
  // Whatever the test does between two events is done by the process under test.
  const running = scheduler.run(() => over)
  return {
    log,
    topics,
    scheduler,
    async release() {
      await log.close()
      over = true
      await running
      endVirtualTime()
    },
  }
}
