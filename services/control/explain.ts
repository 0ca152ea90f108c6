/** `ebb user ID`: what Ebb knows of one user, what it waits for, and why there is no alert. */
import { formatDuration } from '../base/duration.ts'
import { partitionOf, slotOf } from '../base/slot.ts'
import type { Rule } from '../processor/fold/rule.ts'
import { sinceKindOf } from '../processor/fold/rule.ts'
import { type Signals, signalsAt } from '../processor/fold/signals.ts'
import { type PartitionState, type User, watermarkMs } from '../processor/fold/state.ts'
import { isSubject, nextDueMs, sinceMs, timersHeld } from '../processor/fold/timer.ts'
import type { Store } from '../store/store.ts'
import { readUserState } from './standing.ts'

export interface RuleView {
  readonly rule: string
  /** What the rule waits for, or why it does not; one sentence. */
  readonly says: string
  readonly sinceMs: number | null
  /** When the next step is due; null: never. */
  readonly dueMs: number | null
}

export interface Explanation {
  readonly userId: string
  readonly partition: number
  readonly clockMs: number | null
  /** Null: Ebb never saw this user. */
  readonly signals: Signals | null
  /** In 1/10000: the money of the 90 days before the last activity, frozen with the silence. */
  readonly valueAtSilenceMinor: number
  readonly segments: readonly string[]
  readonly rules: readonly RuleView[]
  /** The newest first. */
  readonly sessions: readonly Record<string, unknown>[]
  readonly alerts: readonly Record<string, unknown>[]
}

const rowsShown = 10

/** By the tables: what is folded and not in them yet does not count. */
export async function explainUser(
  project: {
    readonly store: Store
    readonly project: string
    readonly clicksTopic: string
    readonly partitions: number
  },
  userId: string,
): Promise<Explanation> {
  const { store } = project
  const partition = partitionOf(userId, project.partitions)
  const known = await readUserState(project, partition, userId)
  const params = { slot: slotOf(userId), user: userId, rows: rowsShown }
  const sessions = await store.query<Record<string, unknown>>(
    `SELECT start, end, clicks, first_event, last_event, toFloat64(value) AS value, final, part
     FROM sessions FINAL WHERE slot = {slot:UInt16} AND user_id = {user:String}
     ORDER BY start DESC LIMIT {rows:UInt32}`,
    params,
  )
  const alerts = await store.query<Record<string, unknown>>(
    `SELECT clock, rule_id, status, reason, since, due, threshold_ms
     FROM alerts FINAL WHERE user_id = {user:String} ORDER BY clock DESC LIMIT {rows:UInt32}`,
    { user: userId, rows: rowsShown },
  )
  const none = { clockMs: null, signals: null, valueAtSilenceMinor: 0, segments: [], rules: [] }
  return { userId, partition, ...(known ? viewUser(known) : none), sessions, alerts }
}

function viewUser({ state, user }: { readonly state: PartitionState; readonly user: User }) {
  return {
    clockMs: Number.isFinite(state.clockMs) ? state.clockMs : null,
    signals: signalsAt(user, state.clockMs, state.settings),
    valueAtSilenceMinor: user.activityValueMinor,
    segments: user.segments,
    rules: [...state.rules.values()].map(rule => viewRule(state, user, rule)),
  }
}

function viewRule(state: PartitionState, user: User, rule: Rule): RuleView {
  const episode = user.episodes.get(rule.id)
  const since = sinceMs(user, rule, episode)
  const due = rule.removed ? Number.POSITIVE_INFINITY : nextDueMs(state, user, rule)
  return {
    rule: rule.id,
    says: sentence(state, user, rule, due),
    sinceMs: Number.isNaN(since) ? null : since,
    dueMs: Number.isFinite(due) ? due : null,
  }
}

function sentence(state: PartitionState, user: User, rule: Rule, dueMs: number): string {
  const episode = user.episodes.get(rule.id)
  const recorded = episode !== undefined && episode.recordedMs >= 0
  const had = recorded ? ` The step of ${formatDuration(episode.recordedMs)} is recorded.` : ''
  if (rule.removed) return `The rule was removed.${had}`
  if (!isSubject(rule, user)) return `${notAsked(state, user, rule)}${had}`
  if (sinceKindOf(rule.when) === 'purchase' && Number.isNaN(user.lastPurchaseMs))
    return 'No timer: the rule counts from the last purchase, and there is none.'
  if (!Number.isFinite(dueMs)) {
    if (recorded) return `All steps of this silence are recorded.${had}`
    return 'No timer: the usual gap is unknown, it takes 6 active days within 90.'
  }
  const held = timersHeld(state)
  const overdue = dueMs < watermarkMs(state)
  if (overdue && held === 'import')
    return `Overdue; timers wait until imports are over (ebb live).${had}`
  if (overdue && held) return `Overdue; timers wait, because clicks are missing (${held}).${had}`
  return `Armed.${had}`
}

/** Why the user is not in the audience of the rule. */
function notAsked(state: PartitionState, user: User, rule: Rule): string {
  const purchase = sinceKindOf(rule.when) === 'purchase'
  const valueMinor = purchase ? user.purchaseValueMinor : user.activityValueMinor
  const value = (valueMinor / 10_000).toFixed(2)
  if (rule.who.kind === 'segment')
    return `Not asked: the user is not in segment ${rule.who.segment}.`
  if (rule.who.kind === 'value') {
    const least = (rule.who.atLeastMinor / 10_000).toFixed(2)
    return `Not asked: the value before this silence is ${value}, the rule begins at ${least}.`
  }
  if (!Number.isFinite(state.highMinor))
    return 'Not asked: nobody is high-value yet, there were no cutoffs so far.'
  const high = (state.highMinor / 10_000).toFixed(2)
  return `Not asked: the value before this silence is ${value}, high-value begins at ${high}.`
}
