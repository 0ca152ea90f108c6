/** alert-rule.md: firing, returning, cancelling; and what a change of standing or rule sets off. */
import { assert } from '../../base/errors.ts'
import { contentId, contentShare } from '../../base/ids.ts'
import type { AlertStatus } from '../../log/record.ts'
import type { Effects } from './effects.ts'
import type { Rule } from './rule.ts'
import { sinceKindOf } from './rule.ts'
import {
  type Due,
  type Episode,
  type PartitionState,
  touch,
  type User,
  watermarkMs,
} from './state.ts'
import {
  armTimers,
  byDue,
  isSubject,
  nextDueMs,
  type Standing,
  sinceMs,
  stepsBefore,
} from './timer.ts'

function createEpisode(): Episode {
  return {
    sinceMs: Number.NaN,
    kind: 'activity',
    recordedMs: -1,
    dueMs: Number.NaN,
    version: 0,
    cancelled: false,
    firedDueMs: Number.NaN,
    coolDueMs: Number.NaN,
    subjectMs: Number.NaN,
  }
}

function episodeOf(user: User, rule: Rule): Episode {
  let episode = user.episodes.get(rule.id)
  if (!episode) {
    episode = createEpisode()
    user.episodes.set(rule.id, episode)
  }
  return episode
}

/** Works off one entry of the queue: a step that is due, or the end of a silence whose rule was removed. */
export function settle(state: PartitionState, due: Due, effects: Effects): void {
  const { user } = due
  const rule = due.rule!
  touch(state, user)
  if (rule.removed) {
    const episode = user.episodes.get(rule.id)!
    emit(state, user, rule, episode, 'cancelled', undefined, false, effects)
    episode.cancelled = true
    return
  }
  fire(state, user, rule, effects)
  armTimers(state, user)
}

/** Records the highest step that W passed; it stands for the lower ones (clauses 1, 4, 7-10). */
function fire(state: PartitionState, user: User, rule: Rule, effects: Effects): void {
  const w = watermarkMs(state)
  const steps = stepsBefore(state, user, rule, w)
  const thresholdMs = steps[steps.length - 1]
  assert(thresholdMs !== undefined, 'a step that is queued is due')
  const episode = episodeOf(user, rule)
  const since = sinceMs(user, rule, episode)
  if (episode.recordedMs < 0 || episode.cancelled) episode.version = rule.version
  episode.sinceMs = since
  episode.kind = sinceKindOf(rule.when)
  episode.cancelled = false
  episode.recordedMs = thresholdMs
  episode.dueMs = since + thresholdMs
  const status = statusOf(state, user, rule, episode, w)
  episode.subjectMs = Number.NaN
  if (status === 'fired') episode.firedDueMs = episode.dueMs
  effects.alert({
    ...named(state, user, episode, rule, status),
    coversMs: steps.slice(0, -1),
    reason: undefined,
    send: status === 'fired',
  })
}

/** Clause 10: stale, then held_out, then suppressed, then fired. */
function statusOf(
  state: PartitionState,
  user: User,
  rule: Rule,
  episode: Episode,
  w: number,
): AlertStatus {
  const overdueFromMs = Number.isNaN(episode.subjectMs)
    ? episode.dueMs
    : Math.max(episode.dueMs, episode.subjectMs)
  if (w - overdueFromMs > rule.maxAgeMs) return 'stale'
  if (rule.holdout > 0 && contentShare(state.project, rule.id, user.id) < rule.holdout)
    return 'held_out'
  // coolDueMs is of an earlier silence: a step never suppresses the later steps of its own.
  if (rule.cooldownMs > 0 && episode.dueMs - episode.coolDueMs <= rule.cooldownMs)
    return 'suppressed'
  return 'fired'
}

/** The part of an alert that the episode's recorded step decides. */
function named(
  state: PartitionState,
  user: User,
  episode: Episode,
  rule: Rule,
  status: AlertStatus,
) {
  const { sinceMs: since, dueMs, recordedMs: thresholdMs, version } = episode
  const id = contentId('a', state.project, user.id, rule.id, version, since)
  const message = contentId('m', id, thresholdMs, status)
  return { id, message, rule, version, user, status, sinceMs: since, dueMs, thresholdMs }
}

function emit(
  state: PartitionState,
  user: User,
  rule: Rule,
  episode: Episode,
  status: AlertStatus,
  reason: 'returned' | 'late' | undefined,
  send: boolean,
  effects: Effects,
): void {
  effects.alert({ ...named(state, user, episode, rule, status), coversMs: [], reason, send })
}

/**
 * Activity at `timeMs` that is newer than all before, as activity, as a purchase or as both: ends the recorded
 * silences that it is newer than by more than the gap, and says so (clauses 2, 3). Returns whether it ended
 * one: its rule starts anew then.
 */
export function endSilences(
  state: PartitionState,
  user: User,
  newest: { readonly activity: boolean; readonly purchase: boolean },
  timeMs: number,
  effects: Effects,
): boolean {
  if (user.episodes.size === 0) return false
  const ended: Due[] = []
  for (const [ruleId, episode] of user.episodes) {
    if (!newest[episode.kind]) continue
    // Overdue is counted anew in a new silence.
    if (episode.recordedMs < 0) episode.subjectMs = Number.NaN
    else if (timeMs > episode.sinceMs + state.settings.gapMs)
      ended.push({ atMs: episode.dueMs, user, rule: state.rules.get(ruleId)!, session: null })
  }
  ended.sort(byDue)
  for (const { rule } of ended) endSilence(state, user, rule!, timeMs, effects)
  return ended.length > 0
}

export function endSilence(
  state: PartitionState,
  user: User,
  rule: Rule,
  timeMs: number,
  effects: Effects,
): void {
  const episode = user.episodes.get(rule.id)!
  if (!episode.cancelled && rule.resolve) {
    const reason = timeMs > episode.dueMs ? 'returned' : 'late'
    const sent = !Number.isNaN(episode.firedDueMs)
    emit(state, user, rule, episode, 'resolved', reason, sent, effects)
  }
  const coolDueMs = Number.isNaN(episode.firedDueMs) ? episode.coolDueMs : episode.firedDueMs
  if (Number.isNaN(coolDueMs)) user.episodes.delete(rule.id)
  else user.episodes.set(rule.id, { ...createEpisode(), kind: episode.kind, coolDueMs })
}

/** The user's answer to "who" may have changed: whoever enters while overdue is overdue from now (clause 5). */
export function noteEntering(state: PartitionState, user: User, before: Standing): void {
  const w = watermarkMs(state)
  for (const rule of state.rules.values()) {
    if (rule.removed || rule.who.kind === 'everyone') continue
    const was = isSubject(rule, before)
    const is = isSubject(rule, user)
    if (was === is) continue
    if (is && nextDueMs(state, user, rule) < w) markSubject(user, rule, w)
    else if (!is) forgetSubject(user, rule)
  }
}

function markSubject(user: User, rule: Rule, w: number): void {
  const episode = episodeOf(user, rule)
  if (episode.recordedMs < 0) episode.kind = sinceKindOf(rule.when)
  episode.subjectMs = w
}

function forgetSubject(user: User, rule: Rule): void {
  const episode = user.episodes.get(rule.id)
  if (!episode) return
  episode.subjectMs = Number.NaN
  if (episode.recordedMs < 0 && Number.isNaN(episode.coolDueMs)) user.episodes.delete(rule.id)
}

/** Whether the rule has an unrecorded step of this user that W has passed. */
function isOverdue(state: PartitionState, user: User, rule: Rule, w: number): boolean {
  return !rule.removed && isSubject(rule, user) && nextDueMs(state, user, rule) < w
}

/**
 * Changes what rules mean by `change`: what that moves into the past counts as due now, but for rules newly
 * added (clauses 6, 7). `rulesOf` names the rules concerned, before and after.
 */
export function changeMeaning(
  state: PartitionState,
  rulesOf: () => Iterable<Rule>,
  change: () => void,
): void {
  const w = watermarkMs(state)
  const overdue = new Map<Rule['id'], Set<User['id']>>()
  for (const rule of rulesOf()) {
    if (rule.removed) continue
    const users = new Set<User['id']>()
    for (const user of state.users.inTurn()) if (isOverdue(state, user, rule, w)) users.add(user.id)
    overdue.set(rule.id, users)
  }
  change()
  for (const rule of rulesOf()) {
    const before = overdue.get(rule.id)
    if (!before) continue
    for (const user of state.users.inTurn()) {
      const now = isOverdue(state, user, rule, w)
      if (now === before.has(user.id)) continue
      touch(state, user)
      if (now) markSubject(user, rule, w)
      else forgetSubject(user, rule)
    }
  }
  for (const user of state.users.inTurn()) armTimers(state, user)
}

/** Queues the end of every recorded silence under a rule that was just removed. */
export function cancelSilences(state: PartitionState, rule: Rule): void {
  const ended: Due[] = []
  for (const user of state.users.inTurn()) {
    const episode = user.episodes.get(rule.id)
    if (!episode) continue
    touch(state, user)
    episode.subjectMs = Number.NaN
    if (episode.recordedMs >= 0 && !episode.cancelled)
      ended.push({ atMs: episode.dueMs, user, rule, session: null })
  }
  ended.sort(byDue)
  for (const end of ended) state.queue.push(end)
}
