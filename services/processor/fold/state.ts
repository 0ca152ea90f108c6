/** The state of one partition's fold: plain data, changed in place by the other files of this room. */
import type { Click } from '../../log/record.ts'
import type { FoldControl } from './control.ts'
import { type ActiveDays, createActiveDays } from './days.ts'
import { defaultModel, type Model } from './expected.ts'
import { createGuard, type Guard } from './guard.ts'
import { createHeap, type Heap } from './heap.ts'
import type { LedgerEntry } from './money.ts'
import type { Rule, SinceKind } from './rule.ts'
import { defaultSettings, type Settings } from './settings.ts'
import { noScores, noSegments } from './user-row.ts'
import { createUsers, type HeapUser, type Users } from './users.ts'

/** An open session, or a part of one; all times are event times. */
export interface Session {
  id: string
  /** The offset of the click that opened it: in a merge the lower one gives the id. */
  openOffset: number
  /** 1; a session cut by a cap goes on as part 2, 3, ... under the same id. */
  part: number
  /** The end of the part before: nothing at or before it can join. -Infinity for part 1. */
  cutMs: number
  startMs: number
  /** At or after startMs. */
  endMs: number
  clicks: number
  firstEvent: string
  lastEvent: string
  valueMinor: number
  /** The gap it was opened with; a merge keeps the larger. */
  gapMs: number
  /** Hashes of the ids of its accepted clicks (see idHash): as many as `clicks`. */
  ids: number[]
  /**
   * Of a part that begins at or before the time of its cut (a click between it and the part before made the cut): ids
   * among which are all of its clicks up to there. The table clicks cannot tell them from those of the part before.
   */
  beforeCut?: readonly number[]
}

/** What is remembered of a user under a rule, once there is something to remember. */
export interface Episode {
  /** The silence that recorded a step; NaN while none has. */
  sinceMs: number
  kind: SinceKind
  /** The highest threshold recorded in this silence; -1 while none is. */
  recordedMs: number
  /** When that step was due. */
  dueMs: number
  /** The rule's version at the first recorded step. */
  version: number
  /** The rule was removed: the silence is over for the rule, but its steps stay recorded. */
  cancelled: boolean
  /** Due time of the last step fired in this silence; NaN while none is. */
  firedDueMs: number
  /** Due time of the last step fired in an earlier silence: the cooldown counts from here. */
  coolDueMs: number
  /** W when the user became subject to the rule while already overdue; NaN else. */
  subjectMs: number
}

/** A day's counters, for user_days. */
export interface DayCount {
  readonly day: number
  clicks: number
  orders: number
  valueMinor: number
  refundsMinor: number
}

export interface User {
  readonly id: string
  /** Open sessions by start; any two are further apart than their gaps. */
  open: Session[]
  /** The largest end + gap of his closed sessions; -Infinity before the first. */
  closedUntilMs: number
  /** Accepted clicks. */
  clicks: number
  /** Sessions, the parts of one counted once; open ones too. */
  sessions: number
  /** Of closed sessions and parts. */
  sessionMsSum: number
  bounces: number
  /** Event times of activity, accepted or late; NaN before the first. */
  firstSeenMs: number
  lastSeenMs: number
  lastEvent: string
  lastPurchaseMs: number
  /** Days with a purchase, ascending. */
  purchaseDays: number[]
  days: ActiveDays
  /** Counters of the newest day with anything on it and of the day before. */
  dayCounts: DayCount[]
  ledger: LedgerEntry[]
  /** The activity that last ended a time of being quiet or churned; NaN if none did. */
  returnedMs: number
  segments: readonly string[]
  scores: Readonly<Record<string, number>>
  /** Value of the 90 days before the last activity, and before the last purchase: frozen with the silence. */
  activityValueMinor: number
  purchaseValueMinor: number
  activityHigh: boolean
  purchaseHigh: boolean
  /** By rule id. */
  episodes: Map<string, Episode>
  /** The key of his live entry in state.closing, at most his earliest close; Infinity without one. */
  closeKeyMs: number
  /** The key of his live entry in state.timers, at most his earliest due time; Infinity without one. */
  timerKeyMs: number
  /** Offset of the last record that changed him. */
  version: number
  /** He is in state.dirty. */
  dirty: boolean
  /** Forgotten: his entries in the heaps are to be passed over. */
  erased: boolean
}

/** A session that is to close or a step that is to fire, with what they are ordered by. */
export interface Due {
  readonly atMs: number
  readonly user: User
  readonly rule: Rule | null
  readonly session: Session | null
}

/** Where a record stands and what it does to the clock. */
export interface Position {
  readonly offset: number
  /** The clock moves up to here; NaN: not by this record. */
  readonly clockMs: number
  /** When the record came in, for the rule against false times; NaN: unknown, nothing is quarantined. */
  readonly arrivalMs: number
  /** Whether clicks older than 90 days at arrival are quarantined too (on a real log). */
  readonly refusesPast: boolean
  /** What identifies a click that carries no id of its own. */
  readonly fallbackId: string
}

export interface PartitionState {
  readonly project: string
  settings: Settings
  model: Model
  /** Integers of 1/10000; Infinity before the first Cutoffs: nobody is high. */
  highMinor: number
  keepMinor: number
  rules: Map<string, Rule>
  /** The highest revision held, by kind or `rule:<id>`. */
  revisions: Map<string, number>
  /** -Infinity before the first record that moves it. */
  clockMs: number
  /** The late bound L; it never goes back. */
  boundMs: number
  /** Imports hold alert timers from the first imported click until they are over, for good. */
  imports: 'none' | 'running' | 'over'
  /** A Seal was folded: nothing behind it is; the next epoch goes on from this state. */
  sealed: boolean
  guard: Guard
  readonly users: Users
  /**
   * After a restart: users whose rows are ahead of the partition, by id. No record, tick, rule or timer
   * touches them until the replay has passed their version; then they move to `users`.
   */
  frozen: Map<string, User>
  /** The same users, the largest version first. */
  thawing: User[]
  /** Offsets of the frozen users' accepted clicks that are replayed: the guards count them all the same. */
  acceptedAhead: ReadonlySet<number>
  closing: Heap<HeapUser>
  timers: Heap<HeapUser>
  /** The record that is being folded. */
  offset: number
  /** Users changed since the driver last took them. */
  dirty: User[]
  /** What is due at this record, in order, and how far it is worked off. */
  queue: Due[]
  queueAt: number
  /** The record that waits until the queue is worked off; null while none does. */
  waiting: { readonly record: Click | FoldControl; readonly position: Position } | null
}

export function createState(project: string, settings: Settings = defaultSettings): PartitionState {
  return {
    project,
    settings,
    model: defaultModel,
    highMinor: Number.POSITIVE_INFINITY,
    keepMinor: Number.POSITIVE_INFINITY,
    rules: new Map(),
    revisions: new Map(),
    clockMs: Number.NEGATIVE_INFINITY,
    boundMs: Number.NEGATIVE_INFINITY,
    imports: 'none',
    sealed: false,
    guard: createGuard(),
    users: createUsers(),
    frozen: new Map(),
    thawing: [],
    acceptedAhead: new Set(),
    closing: createHeap(),
    timers: createHeap(),
    offset: -1,
    dirty: [],
    queue: [],
    queueAt: 0,
    waiting: null,
  }
}

export function createUser(id: string): User {
  return {
    id,
    open: [],
    closedUntilMs: Number.NEGATIVE_INFINITY,
    clicks: 0,
    sessions: 0,
    sessionMsSum: 0,
    bounces: 0,
    firstSeenMs: Number.NaN,
    lastSeenMs: Number.NaN,
    lastEvent: '',
    lastPurchaseMs: Number.NaN,
    purchaseDays: [],
    days: createActiveDays(),
    dayCounts: [],
    ledger: [],
    returnedMs: Number.NaN,
    segments: noSegments,
    scores: noScores,
    activityValueMinor: 0,
    purchaseValueMinor: 0,
    activityHigh: false,
    purchaseHigh: false,
    episodes: new Map(),
    closeKeyMs: Number.POSITIVE_INFINITY,
    timerKeyMs: Number.POSITIVE_INFINITY,
    version: -1,
    dirty: false,
    erased: false,
  }
}

/** The user of that id, made if he is new. */
export function userOf(state: PartitionState, id: string): User {
  let user = state.users.get(id)
  if (!user) {
    user = createUser(id)
    state.users.set(id, user)
  }
  return user
}

/** The record being folded changes the user: his row is to be written, with this version. */
export function touch(state: PartitionState, user: User): void {
  user.version = state.offset
  if (user.dirty) return
  user.dirty = true
  state.dirty.push(user)
}

/** W: the promise that no on-time click is older. */
export function watermarkMs(state: PartitionState): number {
  return state.clockMs - state.settings.disorderMs
}
