/**
 * The partition's own state as JSON, for the row it is kept in, and back; and how its users, from rows of theirs
 * (user-row.ts), are placed into it. JSON knows no NaN and no Infinity: they become null, and each field knows which
 * of the two it means.
 */

import type { Model } from './expected.ts'
import { createGuard } from './guard.ts'
import type { Rule } from './rule.ts'
import { armClosing } from './session.ts'
import type { Settings } from './settings.ts'
import { createState, type PartitionState, type User } from './state.ts'
import { armTimers } from './timer.ts'
import type { HeapUser } from './users.ts'

type Jsonable<T> = { [K in keyof T]: T[K] extends number ? number | null : T[K] }

const nan = (value: number | null): number => value ?? Number.NaN
const lowest = (value: number | null): number => value ?? Number.NEGATIVE_INFINITY

/** What `progress` keeps of a partition. */
interface PartitionSnapshot {
  readonly settings: Omit<Settings, 'serverEvents'> & { readonly serverEvents: string[] }
  readonly model: Model
  readonly highMinor: number | null
  readonly keepMinor: number | null
  readonly rules: Rule[]
  readonly revisions: [string, number][]
  readonly clockMs: number | null
  readonly boundMs: number | null
  readonly imports: PartitionState['imports']
  /** Left out while it is false, which it is but at the end of an epoch. */
  readonly sealed?: true
  readonly guard: Jsonable<PartitionState['guard']>
}

/** The partition-level state as JSON. */
export function snapshotPartition(state: PartitionState): string {
  const snapshot: PartitionSnapshot = {
    settings: { ...state.settings, serverEvents: [...state.settings.serverEvents] },
    model: state.model,
    highMinor: state.highMinor,
    keepMinor: state.keepMinor,
    rules: [...state.rules.values()],
    revisions: [...state.revisions],
    clockMs: state.clockMs,
    boundMs: state.boundMs,
    imports: state.imports,
    ...(state.sealed ? { sealed: true } : undefined),
    guard: state.guard,
  }
  return JSON.stringify(snapshot)
}

/** The partition-level state from its JSON, without users. */
export function restorePartition(project: string, json: string): PartitionState {
  const snapshot = JSON.parse(json) as PartitionSnapshot
  const { settings, guard } = snapshot
  const state = createState(project, { ...settings, serverEvents: new Set(settings.serverEvents) })
  state.model = snapshot.model
  state.highMinor = snapshot.highMinor ?? Number.POSITIVE_INFINITY
  state.keepMinor = snapshot.keepMinor ?? Number.POSITIVE_INFINITY
  for (const rule of snapshot.rules) state.rules.set(rule.id, rule)
  for (const [key, revision] of snapshot.revisions) state.revisions.set(key, revision)
  state.clockMs = lowest(snapshot.clockMs)
  state.boundMs = lowest(snapshot.boundMs)
  state.imports = snapshot.imports
  state.sealed = snapshot.sealed ?? false
  state.guard = {
    ...createGuard(),
    ...(guard as PartitionState['guard']),
    holdUntilMs: lowest(guard.holdUntilMs),
    firstClockMs: nan(guard.firstClockMs),
  }
  return state
}

/**
 * Puts a restored user, ids and all, into a state whose next record is `nextOffset`: at once, or frozen
 * until the replay has passed his version.
 */
export function placeUser(state: PartitionState, user: User, nextOffset: number): void {
  if (user.version >= nextOffset) {
    state.frozen.set(user.id, user)
    state.thawing.push(user)
  } else {
    state.users.set(user.id, user)
    arm(state, user, user)
  }
}

/**
 * As `placeUser`, for the row at `at` of a chunk (see packed-rows.ts), which stays packed: its user has the
 * ids of all his open sessions and is not ahead. `facts`: see `readDueFacts`; they are not kept.
 */
export function placeRow(state: PartitionState, facts: User, chunk: Buffer, at: number): void {
  const { users } = state
  const row = users.pack(chunk, at)
  arm(state, facts, row)
  users.setTimerKey(row, facts.timerKeyMs)
}

/** To be called once all users are placed. */
export function finishPlacing(state: PartitionState): void {
  state.users.index()
  state.thawing.sort((left, right) => right.version - left.version)
}

/** Lets the users go on whose versions lie before the record that is about to be folded. */
export function thaw(state: PartitionState): void {
  const { thawing } = state
  while (thawing.length > 0 && thawing[thawing.length - 1]!.version < state.offset) {
    const user = thawing.pop()!
    state.frozen.delete(user.id)
    state.users.set(user.id, user)
    arm(state, user, user)
  }
}

function arm(state: PartitionState, user: User, entry: HeapUser): void {
  armClosing(state, user, entry)
  armTimers(state, user, entry)
}
