/**
 * The state that a partition begins with, folded from the logs of the epochs before it: its share of what the
 * partition that was sealed for it ended in.
 */
import { slotOf } from '../base/slot.ts'
import type { LogRecord } from '../log/log.ts'
import { createBatch } from '../processor/batch.ts'
import { shareOfGuard } from '../processor/fold/guard.ts'
import { createState, type PartitionState } from '../processor/fold/state.ts'
import { createFolded, type Folded } from '../processor/folded.ts'
import { createRecordFold, type RecordFold } from '../processor/record-fold.ts'
import { epochUnit } from '../processor/rows.ts'
import { type Epoch, readEpochs } from '../rebuild/epochs.ts'
import { createPace, pieceSize } from './pace.ts'
import type { AuditSource } from './source.ts'

const readBytes = 1024 * 1024

/** Undefined where some log on the way no longer begins at its first record. */
export async function beginningOf(
  source: AuditSource,
  partition: number,
): Promise<PartitionState | undefined> {
  return begin(source, await readEpochs(source.store), source, partition)
}

async function begin(
  source: AuditSource,
  epochs: readonly Epoch[],
  { epoch, topic, partitions }: Epoch,
  partition: number,
): Promise<PartitionState | undefined> {
  if ((await source.log.bounds(topic, partition)).startOffset > 0) return undefined
  const at = epochs.findIndex(one => one.epoch === epoch)
  const previous = epochs[at - 1]
  if (!previous || epochs[at]!.rebuilt) return createState(source.project)
  const number = partition % previous.partitions
  const state = await begin(source, epochs, previous, number)
  if (!state) return undefined
  await foldToSeal(source, previous, number, state)
  state.sealed = false
  state.guard = shareOfGuard(state.guard, previous.partitions / partitions)
  for (const user of state.users.values())
    if (slotOf(user.id) % partitions === partition) {
      // Offsets of the epoch before stand below 0, in their order.
      const shift = (epoch - previous.epoch) * epochUnit
      user.version -= shift
      for (const session of user.open) session.openOffset -= shift
    } else {
      state.users.delete(user.id)
      user.erased = true
    }
  return state
}

async function foldToSeal(
  source: AuditSource,
  { epoch, topic }: Epoch,
  partition: number,
  state: PartitionState,
): Promise<void> {
  const folded = createFolded(state, 0, '')
  const records = createRecordFold(folded, { epoch, partition })
  const rest = createPace(source)
  const { endOffset } = await source.log.bounds(topic, partition)
  for (let offset = 0; offset < endOffset && !state.sealed; ) {
    for (const stored of await source.log.read(topic, partition, offset, readBytes)) {
      if (state.sealed) break
      foldWhole(records, stored)
      forgetRows(folded)
      offset = stored.offset + 1
      if (offset % pieceSize === 0) await rest()
    }
    await rest()
  }
}

/** The record and all that is due at it. */
export function foldWhole(records: RecordFold, stored: LogRecord): void {
  let finished = records.fold(stored)
  while (!finished) finished = records.resume()
}

/** What a processor would write. */
export function forgetRows(folded: Folded): void {
  folded.batch = createBatch()
  for (const user of folded.state.dirty) user.dirty = false
  folded.state.dirty = []
}
