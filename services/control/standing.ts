/** Where the partitions of a project stand, by the tables: what is folded is in them. */

import { slotOf } from '../base/slot.ts'
import { restorePartition } from '../processor/fold/snapshot.ts'
import type { PartitionState, User } from '../processor/fold/state.ts'
import { restoreUser } from '../processor/fold/user-row.ts'
import { readTime } from '../store/rows.ts'
import type { Store } from '../store/store.ts'

export interface Standing {
  /** Whether imports are over. */
  readonly live: boolean
  /** The latest clock of all partitions; null before the first record that moves one. */
  readonly clockMs: number | null
}

export async function readStanding(store: Store, clicksTopic: string): Promise<Standing> {
  const [row] = await store.query<{ live: string; clock: string | null }>(
    `SELECT countIf(JSONExtractString(state, 'imports') = 'over') AS live, max(clock) AS clock
     FROM progress FINAL WHERE topic = {topic:String}`,
    { topic: clicksTopic },
  )
  return {
    live: Number(row!.live) > 0,
    clockMs: row!.clock === null ? null : readTime(row!.clock),
  }
}

/** The first offset that is not in the tables, by partition; none where nothing is. */
export async function readNextOffsets(store: Store, topic: string): Promise<Map<number, number>> {
  const rows = await store.query<{ partition: number; next_offset: string }>(
    'SELECT partition, next_offset FROM progress FINAL WHERE topic = {topic:String}',
    { topic },
  )
  return new Map(rows.map(row => [Number(row.partition), Number(row.next_offset)]))
}

/** The revisions that each partition's progress shows; none yet where it has none. */
export async function readRevisions(
  store: Store,
  clicksTopic: string,
  partitions: number,
): Promise<Map<number, Map<string, number>>> {
  const rows = await store.query<{ partition: number; state: string }>(
    'SELECT partition, state FROM progress FINAL WHERE topic = {topic:String}',
    { topic: clicksTopic },
  )
  const held = new Map<number, Map<string, number>>()
  for (let partition = 0; partition < partitions; partition++) held.set(partition, new Map())
  for (const { partition, state } of rows) {
    const { revisions } = JSON.parse(state) as { revisions: [string, number][] }
    held.set(Number(partition), new Map(revisions))
  }
  return held
}

/** A partition's state without its users, and one of them; undefined for who was never seen. */
export async function readUserState(
  place: { readonly store: Store; readonly project: string; readonly clicksTopic: string },
  partition: number,
  userId: string,
): Promise<{ readonly state: PartitionState; readonly user: User } | undefined> {
  const { store, project, clicksTopic } = place
  const [progress] = await store.query<{ state: string }>(
    'SELECT state FROM progress FINAL WHERE topic = {topic:String} AND partition = {partition:UInt16}',
    { topic: clicksTopic, partition },
  )
  const [row] = await store.query<{ state: string }>(
    'SELECT state FROM users FINAL WHERE slot = {slot:UInt16} AND user_id = {user:String}',
    { slot: slotOf(userId), user: userId },
  )
  if (!progress || !row) return undefined
  const state = restorePartition(project, progress.state)
  return { state, user: restoreUser(userId, row.state, 0) }
}
