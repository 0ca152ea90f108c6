/** Clicks onto the log: one append for each partition that a request touches, its clicks in their order. */
import { partitionOf } from '../base/slot.ts'
import { encodeRecord } from '../log/codec.ts'
import type { NewRecord } from '../log/log.ts'
import type { Click } from '../log/record.ts'
import type { LiveGate } from './live.ts'
import type { Outlet } from './outlet.ts'
import { Refusal } from './refusal.ts'

/** Resolves when every click is durable. A Refusal `log` means: unknown, any of them may be there. */
export type Intake = (clicks: readonly Click[]) => Promise<void>

export function intakeOf(outlet: Outlet, live: LiveGate): Intake {
  return async clicks => {
    if (clicks.length === 0) return
    try {
      await live.enter()
    } catch (error) {
      throw refusal(error)
    }
    const groups = byPartition(clicks, outlet.partitions)
    const appends = [...groups].map(([partition, records]) => outlet.append(partition, records))
    // All, also after a failure: until then the request's bytes are in memory.
    const outcomes = await Promise.allSettled(appends)
    const refused = outcomes.find(outcome => outcome.status === 'rejected')
    if (refused) throw refusal(refused.reason)
  }
}

function refusal(cause: unknown): Refusal {
  return new Refusal('log', sentence, { cause })
}

const sentence =
  'Not confirmed: the log could not take every event. Send the same events again, with the same ' +
  'messageIds: what was taken already does not count twice.'

function byPartition(clicks: readonly Click[], partitions: number): Map<number, NewRecord[]> {
  const groups = new Map<number, NewRecord[]>()
  for (const click of clicks) {
    const partition = partitionOf(click.userId, partitions)
    const record = { key: click.userId, value: encodeRecord(click) }
    const group = groups.get(partition)
    if (group) group.push(record)
    else groups.set(partition, [record])
  }
  return groups
}
