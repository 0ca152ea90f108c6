/** Processors on one log and one store, their partitions handed out by the test instead of by a group. */
import assert from 'node:assert/strict'
import type { Lease, Log, LogRecord, Owner } from '../../services/log/log.ts'
import type { RestoredFrom } from '../../services/processor/meter.ts'
import { startProcessor } from '../../services/processor/processor.ts'
import type { Store } from '../../services/store/store.ts'

const readBytes = 1 << 16

export interface Member {
  /** Where each partition that it was given came from, in order. */
  readonly from: RestoredFrom[]
  /** What made a partition stand still. */
  readonly failures: Error[]
  /** Resolves to the offset that it wants to read from. */
  open(partition: number): Promise<number>
  /** Hands it records from there on, at most about `count`; the partition is lost behind `lostAfter` of them. */
  feed(partition: number, count: number, lostAfter?: number): Promise<void>
  giveBack(partition: number): Promise<void>
  lose(partition: number): Promise<void>
  /** How far it has been fed. */
  next(partition: number): number
  stop(): Promise<void>
}

export async function startMember(log: Log, store: Store): Promise<Member> {
  const nextOffsets = new Map<number, number>()
  const from: RestoredFrom[] = []
  const failures: Error[] = []
  let owner: Owner | undefined
  const handed: Log = {
    ...log,
    async own(_topic, _group, itsOwner) {
      owner = itsOwner
      return { stop: async () => {} }
    },
  }
  const partitions = await log.partitions('clicks')
  const processor = await startProcessor({
    ...{ log: handed, store, topic: 'clicks', partitions, project: 'default', epoch: 0 },
    ...{ alertsTopic: 'alerts', alertsPartitions: partitions },
    troubled: (_partition, error) => failures.push(error),
    failed: (_partition, error) => failures.push(error),
    opened: (_partition, _nextOffset, source) => from.push(source),
  })
  assert.ok(owner)
  const { open, records, close } = owner

  async function read(partition: number, count: number): Promise<LogRecord[]> {
    const batch: LogRecord[] = []
    for (;;) {
      const offset = nextOffsets.get(partition)! + batch.length
      const more = await log.read('clicks', partition, offset, readBytes)
      batch.push(...more.slice(0, count - batch.length))
      if (more.length === 0 || batch.length === count) return batch
    }
  }

  return {
    from,
    failures,
    async open(partition) {
      const offset = await open(partition)
      nextOffsets.set(partition, offset)
      return offset
    },
    async feed(partition, count, lostAfter = Number.POSITIVE_INFINITY) {
      const batch = await read(partition, count)
      let looks = 0
      const lease: Lease = {
        get lost() {
          return looks++ >= lostAfter
        },
        beat: async () => {},
        fail: error => void failures.push(error as Error),
        commit: async () => {},
      }
      await records(partition, batch, lease)
      nextOffsets.set(partition, nextOffsets.get(partition)! + batch.length)
      if (lostAfter < Number.POSITIVE_INFINITY) await close(partition, true)
    },
    giveBack: partition => close(partition, false),
    lose: partition => close(partition, true),
    next: partition => nextOffsets.get(partition)!,
    stop: () => processor.stop(),
  }
}
