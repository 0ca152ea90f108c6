/**
 * `ebb erase USER`: a record in the log of his partition. The processor that folds it drops his rows, and tells
 * the webhooks on their topic, behind his last alert; they end what still goes to him and drop that too.
 */

import { partitionOf } from '../base/slot.ts'
import { pause, steadyClock } from '../base/time.ts'
import { encodeRecord } from '../log/codec.ts'
import type { Store } from '../store/store.ts'
import { readProgress } from '../webhooks/progress.ts'
import type { Project } from './calls.ts'

export interface Erased {
  /** False: the webhooks have not read of it, since none run; they will when they do. */
  readonly webhooksKnow: boolean
}

const pollIntervalMs = 100
/** Longer than an attempt under way, which is the last, may take. */
const webhooksMsMax = 30_000

/** Resolves when nothing of him is in the tables that the processor writes; of deliveries the answer tells. */
export async function eraseUser(project: Project, userId: string): Promise<Erased> {
  const { log, store, partitions, clicksTopic, alertsTopic } = project
  const partition = partitionOf(userId, partitions)
  const record = { key: userId, value: encodeRecord({ kind: 'erase', userId }) }
  await log.append(clicksTopic, partition, [record])
  await project.caughtUp()
  const alertsPartition = partitionOf(userId, await log.partitions(alertsTopic))
  const { endOffset } = await log.bounds(alertsTopic, alertsPartition)
  const untilMs = steadyClock() + (project.delivers ? webhooksMsMax : 0)
  for (;;) {
    const webhooksKnow = await isRead(store, alertsTopic, alertsPartition, endOffset)
    if (webhooksKnow || steadyClock() >= untilMs) return { webhooksKnow }
    await pause(pollIntervalMs, new AbortController().signal)
  }
}

async function isRead(store: Store, topic: string, partition: number, offset: number) {
  const progress = await readProgress(store, topic, partition)
  return (progress?.seenOffset ?? 0) >= offset
}
