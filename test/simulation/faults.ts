/** The faults of a plan that are moments rather than fates of calls. */
import type { Tables } from './clickhouse/tables.ts'
import { changeEndpoint } from './endpoints.ts'
import { planMove } from './kafka/leaders.ts'
import type { Topics } from './kafka/topics.ts'
import { clicksTopic, type Damage, type Fault, type Plan } from './plan.ts'
import type { Received } from './receivers.ts'
import type { Scheduler } from './scheduler.ts'
import type { Supervisor } from './supervisor.ts'
import { startMs } from './virtual-time.ts'

interface Surroundings {
  readonly plan: Plan
  readonly scheduler: Scheduler
  readonly supervisor: Supervisor
  readonly topics: Topics
  readonly tables: Tables
  readonly evidence: { disturbances: number; excusedRepeats: number }
  readonly received: readonly Received[]
}

/** Longer than a request of the dead may be under way. */
const quietMs = 8_000
/** Longer than an attempt and the row that tells of it take, mostly. */
const underWayMs = 5_000

export function applyFaults(around: Surroundings): void {
  for (const fault of around.plan.faults)
    if (fault.kind === 'backup')
      around.scheduler.plan(Math.max(0, fault.fromMs - fault.forMs), null, 'backup', () =>
        planRestore(fault.fromMs, around),
      )
  if (around.plan.damage) planDamage(around.plan.damage, around)
  for (const [number, fault] of around.plan.faults.entries())
    around.scheduler.plan(fault.fromMs, null, `fault ${fault.kind}`, () =>
      begin(fault, number, around),
    )
}

function begin(fault: Fault, number: number, around: Surroundings): void {
  const { scheduler, supervisor, topics, evidence } = around
  const process = 'service' in fault ? supervisor.named(fault.service) : undefined
  const atEnd = (work: () => void) =>
    void scheduler.plan(fault.forMs, null, `fault ${fault.kind} ends`, work)
  const whom = 'service' in fault ? fault.service : fault.kind === 'visitor' ? fault.of : ''
  if (whom.startsWith('webhooks')) evidence.disturbances++
  switch (fault.kind) {
    case 'kill':
      if (process) supervisor.kill(process, fault.forMs)
      return
    case 'still':
      if (process) supervisor.stand(process, fault.forMs, fault.suspended)
      return
    case 'skew':
      if (process) supervisor.skew(process, fault.byMs)
      atEnd(() => process && supervisor.skew(process, 0))
      return
    case 'leader': {
      const place = topics.at(fault.topic, fault.partition)
      place.skewMs += fault.byMs
      atEnd(() => {
        place.skewMs -= fault.byMs
      })
      return
    }
    case 'move':
      planMove(scheduler, topics.at(fault.topic, fault.partition).leadership, fault)
      return
    case 'visitor': {
      const service = `${fault.of} visitor ${number}`
      supervisor.start(service)
      atEnd(() => supervisor.leave(supervisor.named(service)!, () => {}))
      return
    }
    case 'endpoint':
      changeEndpoint(
        around.tables,
        fault.endpoint,
        fault.how,
        startMs + Math.floor(scheduler.nowMs()),
      )
      return
    case 'retention':
      dropRead(around)
      return
    default:
      // The others are fates of calls, or planned beforehand.
      return
  }
}

/** Keeps a copy of the tables, and plans that it is put back, while nothing runs. */
function planRestore(atMs: number, around: Surroundings): void {
  const { scheduler, supervisor, tables, evidence, received } = around
  const putBack = tables.backup()
  // What was just under way is not in the copy either.
  const before = received.filter(({ atMs }) => atMs < scheduler.nowMs() - underWayMs).length
  scheduler.plan(atMs - scheduler.nowMs(), null, 'stop for a restore', () => {
    supervisor.haltAll(quietMs + 1_000)
    scheduler.plan(quietMs, null, 'restore', () => {
      putBack()
      evidence.excusedRepeats += received.length - before
    })
  })
}

function planDamage(
  damage: Damage,
  { plan, scheduler, supervisor, topics, tables }: Surroundings,
): void {
  scheduler.plan(plan.activeMs / 2, null, 'stop for a damage', () => {
    supervisor.haltAll(quietMs + 1_000)
    scheduler.plan(quietMs, null, damage, () => {
      const row = tables
        .rows('progress')
        .find(one => one.topic === clicksTopic && one.partition === 0)
      damageLog(topics, damage, Number(row?.next_offset ?? 0))
    })
  })
}

function damageLog(topics: Topics, damage: Damage, nextOffset: number): void {
  const { records } = topics.at(clicksTopic, 0)
  const tick = records.find(({ key }) => key === null)!
  const more = (count: number) => topics.append(clicksTopic, 0, new Array(count).fill(tick))
  switch (damage) {
    case 'expired':
      more(5)
      topics.dropBefore(clicksTopic, 0, nextOffset + 3)
      return
    case 'cut':
      topics.truncate(clicksTopic, 0, nextOffset - 2)
      return
    case 'replaced':
      topics.truncate(clicksTopic, 0, nextOffset - 2)
      more(5)
      return
    case 'recreated':
      topics.truncate(clicksTopic, 0, 0)
      more(nextOffset + 5)
  }
}

/** Retention takes the older half of what is in the tables; nothing that is still to be folded, or folded again. */
function dropRead({ plan, topics, tables }: Surroundings): void {
  if (plan.faults.some(({ kind }) => kind === 'backup')) return
  for (const row of tables.rows('progress'))
    if (row.topic === clicksTopic)
      topics.dropBefore(clicksTopic, Number(row.partition), Math.floor(Number(row.next_offset) / 2))
}
