/** alert-rule.md: when a step of a silence is due, and who is asked. Firing is in alert.ts. */
import { usualGapDays } from './days.ts'
import { expectedDays } from './expected.ts'
import { guardHolds } from './guard.ts'
import { heapPop, heapPush, heapTop } from './heap.ts'
import { compareUtf8 } from './order.ts'
import { type Rule, sinceKindOf } from './rule.ts'
import { dayOf } from './settings.ts'
import { type Due, type Episode, type PartitionState, type User, watermarkMs } from './state.ts'
import type { HeapUser } from './users.ts'

const dayMs = 86_400_000

/** What decides whether a user is in a rule's audience; frozen with the silence. */
export interface Standing {
  readonly activityValueMinor: number
  readonly purchaseValueMinor: number
  readonly activityHigh: boolean
  readonly purchaseHigh: boolean
  readonly segments: readonly string[]
}

/** The user's standing as it is now, kept apart from his changes. */
export function standingOf(user: User): Standing {
  const { activityValueMinor, purchaseValueMinor, activityHigh, purchaseHigh, segments } = user
  return { activityValueMinor, purchaseValueMinor, activityHigh, purchaseHigh, segments }
}

export function isSubject(rule: Rule, standing: Standing): boolean {
  const { who } = rule
  if (who.kind === 'everyone') return true
  if (who.kind === 'segment') return standing.segments.includes(who.segment)
  const purchase = sinceKindOf(rule.when) === 'purchase'
  if (who.kind === 'tier') return purchase ? standing.purchaseHigh : standing.activityHigh
  const valueMinor = purchase ? standing.purchaseValueMinor : standing.activityValueMinor
  return valueMinor >= who.atLeastMinor
}

/** When the silence began: pinned once a step is recorded. NaN: there is none. */
export function sinceMs(user: User, rule: Rule, episode: Episode | undefined): number {
  if (episode && episode.recordedMs >= 0) return episode.sinceMs
  return sinceKindOf(rule.when) === 'purchase' ? user.lastPurchaseMs : user.lastSeenMs
}

/** The rule's first threshold for this user's silence since `since`; NaN: unknown, so no timer. */
function firstThresholdMs(state: PartitionState, user: User, rule: Rule, since: number): number {
  const { when } = rule
  if (when.kind === 'quiet') return when.quietForMs
  if (when.kind === 'ratio') {
    const gapDays = usualGapDays(user.days, dayOf(state.settings, user.lastSeenMs))
    return Math.round(when.ratio * gapDays * dayMs)
  }
  const days = user.purchaseDays
  let count = days.length
  // A purchase of the same visit on the next day is no other silence: it counts from the next one on.
  for (const sinceDay = dayOf(state.settings, since); count > 0 && days[count - 1]! > sinceDay; )
    count--
  if (count === 0) return Number.NaN
  return (
    dayMs *
    expectedDays(
      state.model,
      count - 1,
      days[count - 1]! - days[0]!,
      when.goneAfterMs / dayMs,
      when.probability,
      when.notBeforeMs / dayMs,
    )
  )
}

/** The thresholds not yet recorded whose due time is below `beforeMs`, ascending. */
export function stepsBefore(
  state: PartitionState,
  user: User,
  rule: Rule,
  beforeMs: number,
): readonly number[] {
  const episode = user.episodes.get(rule.id)
  const since = sinceMs(user, rule, episode)
  const first = firstThresholdMs(state, user, rule, since)
  if (!(since + first < beforeMs)) return noSteps
  const recordedMs = episode ? episode.recordedMs : -1
  const steps: number[] = first > recordedMs ? [first] : []
  for (const step of rule.escalateMs)
    if (step > first && step > recordedMs && since + step < beforeMs) steps.push(step)
  return steps
}

const noSteps: readonly number[] = []

/** When the next step is due that is not yet recorded; Infinity: never. */
export function nextDueMs(state: PartitionState, user: User, rule: Rule): number {
  const episode = user.episodes.get(rule.id)
  const since = sinceMs(user, rule, episode)
  const first = firstThresholdMs(state, user, rule, since)
  if (Number.isNaN(since + first)) return Number.POSITIVE_INFINITY
  const recordedMs = episode ? episode.recordedMs : -1
  if (first > recordedMs) return since + first
  for (const step of rule.escalateMs) if (step > first && step > recordedMs) return since + step
  return Number.POSITIVE_INFINITY
}

/** Sees to it that the user comes out of the heap no later than his earliest step is due, as `entry`. */
export function armTimers(state: PartitionState, user: User, entry: HeapUser = user): void {
  let earliestMs = Number.POSITIVE_INFINITY
  for (const rule of state.rules.values()) {
    if (rule.removed || !isSubject(rule, user)) continue
    earliestMs = Math.min(earliestMs, nextDueMs(state, user, rule))
  }
  if (earliestMs >= user.timerKeyMs) return
  user.timerKeyMs = earliestMs
  heapPush(state.timers, earliestMs, entry)
}

/** Why alert timers wait now; undefined while they do not. */
export function timersHeld(state: PartitionState): 'import' | 'hole' | 'low intake' | undefined {
  if (state.imports === 'running') return 'import'
  return guardHolds(state.guard, state.settings.guards, state.clockMs)
}

/** Puts the steps that are due into the queue, in order of (due, user, rule). */
export function collectSteps(state: PartitionState): void {
  const w = watermarkMs(state)
  if (!(heapTop(state.timers) < w) || timersHeld(state)) return
  const due: Due[] = []
  const quiet: User[] = []
  while (heapTop(state.timers) < w) {
    const keyMs = heapTop(state.timers)
    const user = state.users.ofEntry(heapPop(state.timers))
    // Only his newest entry counts: what is left of earlier ones is passed over.
    if (!user || user.erased || keyMs !== user.timerKeyMs) continue
    user.timerKeyMs = Number.POSITIVE_INFINITY
    const before = due.length
    for (const rule of state.rules.values()) {
      if (rule.removed || !isSubject(rule, user)) continue
      const steps = stepsBefore(state, user, rule, w)
      if (steps.length === 0) continue
      const since = sinceMs(user, rule, user.episodes.get(rule.id))
      due.push({ atMs: since + steps[steps.length - 1]!, user, rule, session: null })
    }
    // He moved on since the entry was made: back into the heap, at his present due time.
    if (due.length === before) quiet.push(user)
  }
  for (const user of quiet) armTimers(state, user)
  due.sort(byDue)
  for (const step of due) state.queue.push(step)
}

export function byDue(left: Due, right: Due): number {
  return (
    left.atMs - right.atMs ||
    compareUtf8(left.user.id, right.user.id) ||
    compareUtf8(left.rule!.id, right.rule!.id)
  )
}
