/**
 * State as JSON, for the rows it is kept in, and back. Facts only: heap entries follow from facts and rules,
 * ids of accepted clicks are read back from `clicks`. JSON knows no NaN and no Infinity: they become null,
 * and each field knows which of the two it means.
 */

import type { Model } from './expected.ts'
import { createGuard } from './guard.ts'
import type { Rule } from './rule.ts'
import { armClosing } from './session.ts'
import type { Settings } from './settings.ts'
import { createState, type Episode, type PartitionState, type Session, type User } from './state.ts'
import { armTimers } from './timer.ts'

type Jsonable<T> = { [K in keyof T]: T[K] extends number ? number | null : T[K] }

/** The user as JSON. */
export function snapshotUser(user: User): string {
  const { open, episodes, id, closeKeyMs, timerKeyMs, version, dirty, erased, ...facts } = user
  return JSON.stringify({
    ...facts,
    open: open.map(({ ids, ...session }) => session),
    episodes: [...episodes],
  })
}

const nan = (value: number | null): number => value ?? Number.NaN
const lowest = (value: number | null): number => value ?? Number.NEGATIVE_INFINITY

/** Those of a user's times that may be none. */
type UserTimes = Pick<
  User,
  'closedUntilMs' | 'firstSeenMs' | 'lastSeenMs' | 'lastPurchaseMs' | 'returnedMs'
>

type UserFacts = Omit<User, keyof UserTimes | 'open' | 'episodes'> &
  Jsonable<UserTimes> & {
    open: Jsonable<Omit<Session, 'ids'>>[]
    episodes: [string, Jsonable<Episode>][]
  }

/** The user from his JSON; his open sessions still lack their ids. */
export function restoreUser(id: string, json: string, version: number): User {
  const facts = JSON.parse(json) as UserFacts
  // Every field by name and in createUser's order: one shape for all users, and nothing is copied twice.
  return {
    id,
    open: facts.open.map(restoreSession),
    closedUntilMs: lowest(facts.closedUntilMs),
    clicks: facts.clicks,
    sessions: facts.sessions,
    sessionMsSum: facts.sessionMsSum,
    bounces: facts.bounces,
    firstSeenMs: nan(facts.firstSeenMs),
    lastSeenMs: nan(facts.lastSeenMs),
    lastEvent: facts.lastEvent,
    lastPurchaseMs: nan(facts.lastPurchaseMs),
    purchaseDays: facts.purchaseDays,
    days: facts.days,
    dayCounts: facts.dayCounts,
    ledger: facts.ledger,
    returnedMs: nan(facts.returnedMs),
    segments: facts.segments,
    scores: facts.scores,
    activityValueMinor: facts.activityValueMinor,
    purchaseValueMinor: facts.purchaseValueMinor,
    activityHigh: facts.activityHigh,
    purchaseHigh: facts.purchaseHigh,
    episodes: new Map(facts.episodes.map(([rule, episode]) => [rule, restoreEpisode(episode)])),
    closeKeyMs: Number.POSITIVE_INFINITY,
    timerKeyMs: Number.POSITIVE_INFINITY,
    version,
    dirty: false,
    erased: false,
  }
}

function restoreSession(session: Jsonable<Omit<Session, 'ids'>>): Session {
  const restored = session as Session
  restored.cutMs = lowest(session.cutMs)
  restored.ids = []
  return restored
}

function restoreEpisode(episode: Jsonable<Episode>): Episode {
  return {
    ...(episode as Episode),
    sinceMs: nan(episode.sinceMs),
    dueMs: nan(episode.dueMs),
    firedDueMs: nan(episode.firedDueMs),
    coolDueMs: nan(episode.coolDueMs),
    subjectMs: nan(episode.subjectMs),
  }
}

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
  } else arm(state, user)
}

/** To be called once all users are placed. */
export function orderThawing(state: PartitionState): void {
  state.thawing.sort((left, right) => right.version - left.version)
}

/** Lets the users go on whose versions lie before the record that is about to be folded. */
export function thaw(state: PartitionState): void {
  const { thawing } = state
  while (thawing.length > 0 && thawing[thawing.length - 1]!.version < state.offset) {
    const user = thawing.pop()!
    state.frozen.delete(user.id)
    arm(state, user)
  }
}

function arm(state: PartitionState, user: User): void {
  state.users.set(user.id, user)
  armClosing(state, user)
  armTimers(state, user)
}
