/**
 * Reads a partition's state back: progress first, then the rows, which may be ahead of it and never behind.
 * A log that is not the one progress speaks of is refused with a sentence.
 */
import { EbbError } from '../base/errors.ts'
import type { Log } from '../log/log.ts'
import type { Store } from '../store/store.ts'
import { progressRow } from './flush.ts'
import { shareOfGuard } from './fold/guard.ts'
import { restorePartition } from './fold/snapshot.ts'
import { createState, type PartitionState } from './fold/state.ts'
import { createFolded, type Folded, forgetGathered, lastHashOf } from './folded.ts'
import { findFault } from './log-fault.ts'
import { readFirst, restoreUsers } from './restored-users.ts'
import type { Place } from './rows.ts'

export interface RestoreSource {
  readonly log: Log
  readonly store: Store
  readonly topic: string
  readonly partitions: number
  readonly project: string
  /** The epoch before, where there was one: a partition without progress begins with what that one ended in. */
  readonly previous?: PreviousEpoch | undefined
  /** How much of a partition's state is read back: a share, up to 1; told every few seconds. */
  readonly restoring?: ((partition: number, share: number) => void) | undefined
}

export interface PreviousEpoch {
  readonly topic: string
  readonly partitions: number
}

export async function restore(source: RestoreSource, place: Place): Promise<Folded> {
  const { project } = source
  const progress = await readProgress(source, place)
  const state = progress
    ? restorePartition(project, progress.state)
    : await beginState(source, place)
  // Nothing folded: from the very first record on. Where that one is gone, somebody must know of it.
  const { nextOffset, lastHash } = progress ?? { nextOffset: 0, lastHash: '' }
  // Behind progress: rows may be ahead of it and never behind.
  const [fault, first] = await Promise.all([
    findFault(source, place, { nextOffset, lastHash }),
    readFirst(source, place),
  ])
  if (fault) throw fault
  await restoreUsers(source, place, state, nextOffset, first)
  const folded = createFolded(state, nextOffset, lastHash, first.erased)
  folded.isOfOneMoment = (await readProgress(source, place))?.nextOffset === progress?.nextOffset
  return folded
}

/**
 * Says of partitions of which nothing was ever folded, and whose first records are gone, that they begin at the first
 * ones that are there. For an operator who has nothing to bring them back from.
 */
export async function acceptLoss(
  source: RestoreSource & { readonly epoch: number },
  wallClock: () => number,
  tell: (sentence: string) => void,
): Promise<void> {
  const { log, store, topic, epoch } = source
  for (const partition of await findLost(source)) {
    const place = { epoch, partition }
    const { startOffset } = await log.bounds(topic, partition)
    const state = await beginState(source, place)
    const reached = { nextOffset: startOffset, lastHash: '' }
    await store.insert('progress', [progressRow({ topic, wallClock }, place, state, reached)])
    tell(`${topic} partition ${partition} begins at ${startOffset}: what stood before is lost.`)
  }
}

/** Partitions of which nothing was ever folded, and whose first records are gone. */
export async function findLost(
  source: RestoreSource & { readonly epoch: number },
): Promise<number[]> {
  const { log, topic, partitions, epoch } = source
  const lost: number[] = []
  for (let partition = 0; partition < partitions; partition++) {
    const { startOffset } = await log.bounds(topic, partition)
    if (startOffset > 0 && !(await readProgress(source, { epoch, partition }))) lost.push(partition)
  }
  return lost
}

/** The state that a partition begins with: nothing, or its share of the partition of the epoch before. */
async function beginState(source: RestoreSource, place: Place): Promise<PartitionState> {
  const { project, previous, partitions } = source
  if (!previous) return createState(project)
  const partition = place.partition % previous.partitions
  const progress = await readProgress({ ...source, topic: previous.topic }, { ...place, partition })
  const state = progress && restorePartition(project, progress.state)
  if (!state?.sealed)
    throw new EbbError(
      'topicMismatch',
      `${source.topic} goes on where ${previous.topic} ends, and partition ${partition} of that one is not drained yet.`,
    )
  state.sealed = false
  state.guard = shareOfGuard(state.guard, previous.partitions / partitions)
  return state
}

/**
 * What was folded here before, brought up to what the tables hold now, if one can go on from it: the log
 * still has the records behind it, and the tables were not set back. Else undefined: then `restore`.
 */
export async function resume(
  source: RestoreSource,
  place: Place,
  folded: Folded,
): Promise<Folded | undefined> {
  const progress = await readProgress(source, place)
  if (!progress || progress.nextOffset < folded.flushedOffset || !folded.isOfOneMoment)
    return undefined
  const here = { nextOffset: folded.nextOffset, lastHash: lastHashOf(folded) }
  if ((await findFault(source, place, here)) || (await findFault(source, place, progress)))
    return undefined
  folded.flushedOffset = progress.nextOffset
  if (folded.nextOffset <= folded.flushedOffset) forgetGathered(folded)
  return folded
}

interface Progress {
  readonly nextOffset: number
  readonly lastHash: string
  readonly state: string
}

async function readProgress(source: RestoreSource, place: Place): Promise<Progress | undefined> {
  const [row] = await source.store.query<{ next_offset: string; state: string; last_hash: string }>(
    `SELECT next_offset, state, last_hash FROM progress FINAL
     WHERE topic = {topic:String} AND partition = {partition:UInt16}`,
    { topic: source.topic, partition: place.partition },
  )
  return row && { nextOffset: Number(row.next_offset), lastHash: row.last_hash, state: row.state }
}
