/**
 * From historic to live. A project begins historic: imported clicks carry their own time, and nobody ticks.
 * The first live click ends that: `Live` stands in every partition, durable, before the click is appended.
 * There is no way back. A second `Live` (two collectors, a retry after a failure) says nothing new.
 */
import { encodeRecord } from '../log/codec.ts'
import type { NewRecord } from '../log/log.ts'

interface Partitions {
  readonly partitions: number
  append(partition: number, records: readonly NewRecord[]): Promise<unknown>
}

/** Appends `Live` to every partition and waits until all are durable; what `ebb live` does. */
export async function goLive(topic: Partitions, atMs: number): Promise<void> {
  const record = { key: null, value: encodeRecord({ kind: 'live', atMs }) }
  const appends = Array.from({ length: topic.partitions }, (_, partition) =>
    topic.append(partition, [record]),
  )
  const outcomes = await Promise.allSettled(appends)
  const refused = outcomes.find(outcome => outcome.status === 'rejected')
  if (refused) throw refused.reason
}

export interface LiveGate {
  isLive(): boolean
  /** Resolves once the project is live; all who come meanwhile wait for the same attempt. */
  enter(): Promise<void>
}

export interface LiveGateOptions {
  readonly live: boolean
  readonly goLive: () => Promise<void>
}

export function liveGate(options: LiveGateOptions): LiveGate {
  let live = options.live
  /** Non-null exactly while an attempt is running. */
  let attempt: Promise<void> | null = null

  async function attemptOnce(): Promise<void> {
    try {
      await options.goLive()
      live = true
    } finally {
      attempt = null
    }
  }

  async function enter(): Promise<void> {
    if (live) return
    attempt ??= attemptOnce()
    await attempt
  }

  return { isLive: () => live, enter }
}
