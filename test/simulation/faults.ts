/** The faults of a plan that are moments rather than fates of calls. */
import type { Tables } from './clickhouse/tables.ts'
import type { Topics } from './kafka/topics.ts'
import { clicksTopic, type Fault, type Plan } from './plan.ts'
import type { Scheduler } from './scheduler.ts'
import type { Supervisor } from './supervisor.ts'

interface Surroundings {
  readonly plan: Plan
  readonly scheduler: Scheduler
  readonly supervisor: Supervisor
  readonly topics: Topics
  readonly tables: Tables
  readonly evidence: { disturbances: number }
}

export function applyFaults(around: Surroundings): void {
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
  if (['kill', 'still', 'cut', 'visitor', 'skew'].includes(fault.kind)) evidence.disturbances++
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
    case 'visitor': {
      const service = `${fault.of} visitor ${number}`
      supervisor.start(service)
      atEnd(() => supervisor.leave(supervisor.named(service)!, () => {}))
      return
    }
    case 'retention':
      dropRead(around)
  }
}

/** Retention takes the older half of what is in the tables; nothing that is still to be folded. */
function dropRead({ topics, tables }: Surroundings): void {
  for (const row of tables.rows('progress'))
    if (row.topic === clicksTopic)
      topics.dropBefore(clicksTopic, Number(row.partition), Math.floor(Number(row.next_offset) / 2))
}
