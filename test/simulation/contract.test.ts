/** The log of the simulation keeps what every adapter of the port keeps, on time that nobody waits for. */
import { logContract } from '../log/contract.ts'
import type { LogFixture } from '../log/fixture.ts'
import { createCalls } from './calls.ts'
import { chanceOf } from './chance.ts'
import { fatesOf } from './fates.ts'
import { type Coordinator, createCoordinator } from './kafka/coordinator.ts'
import { openLogPort } from './kafka/log-port.ts'
import { createTopics } from './kafka/topics.ts'
import { planOf } from './plan.ts'
import { createScheduler, type Life } from './scheduler.ts'
import { startMs, useVirtualTime } from './virtual-time.ts'

const silent = { debug() {}, info() {}, warn() {}, error() {} }

async function open(): Promise<LogFixture> {
  const plan = { ...planOf(1), faults: [] }
  const chance = chanceOf(1, 'contract')
  const scheduler = createScheduler(chance)
  const endVirtualTime = useVirtualTime(scheduler, chance)
  const life: Life = { name: 'test#1', alive: true, stillUntilMs: 0, missedMs: 0, skewMs: 0 }
  const groups = new Map<string, Coordinator>()
  const driftMs = 0
  const topics = createTopics(() => startMs + Math.floor(scheduler.nowMs()) + driftMs)
  const world = {
    scheduler,
    chance,
    topics,
    calls: createCalls({ scheduler, chance, crashes: [], deaths: [], die: () => {} }),
    fates: fatesOf(plan, chance, scheduler.nowMs),
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
    async release() {
      await log.close()
      over = true
      await running
      endVirtualTime()
    },
  }
}

logContract('simulation', { durable: false, retains: false, open })
