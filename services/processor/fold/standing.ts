/**
 * What clicks alone do not say of a user, taken over from an earlier epoch behind its clicks: his audience, and what
 * was told of his silences. So nothing is told twice, and who comes back is still told of.
 */
import { isObject, userIdFault } from '../../log/segment.ts'
import { endSilence } from './alert.ts'
import type { Effects } from './effects.ts'
import { type Episode, type PartitionState, touch, type User, userOf } from './state.ts'
import { armTimers } from './timer.ts'

/** One value of the two that are frozen with silences, in 1/10000, and whether it made the user high. */
interface Frozen {
  readonly value: number
  readonly high: boolean
}

export interface TakenOver {
  readonly kind: 'standing'
  readonly userId: string
  readonly segments: readonly string[]
  readonly scores: Readonly<Record<string, number>>
  readonly activity: Frozen
  readonly purchase: Frozen
  /** By rule. */
  readonly silences: readonly (readonly [string, Episode])[]
}

/** As JSON: times that are none are null there, the rule is named `rule`. */
export function standingJson(user: User): string {
  const { segments, scores } = user
  return JSON.stringify({
    segments,
    scores,
    activity: { value: user.activityValueMinor, high: user.activityHigh },
    purchase: { value: user.purchaseValueMinor, high: user.purchaseHigh },
    silences: [...user.episodes].map(([rule, episode]) => ({ rule, ...episode })),
  })
}

/** Whether there is anything that clicks do not say, or that depends on when cutoffs came. */
export function hasStanding(user: User): boolean {
  const { segments, scores, episodes, activityValueMinor, purchaseValueMinor } = user
  return (
    episodes.size > 0 ||
    segments.length > 0 ||
    Object.keys(scores).length > 0 ||
    activityValueMinor !== 0 ||
    purchaseValueMinor !== 0
  )
}

/** The rules of the game came first, so those of the silences are known; one that is not is passed over. */
export function takeOver(state: PartitionState, record: TakenOver, effects: Effects): void {
  if (state.frozen.has(record.userId)) return
  const user = userOf(state, record.userId)
  touch(state, user)
  user.segments = record.segments
  user.scores = record.scores
  // How he became high is history; what has become of his value since, by clicks that are new, is not.
  if (user.activityValueMinor === record.activity.value) user.activityHigh = record.activity.high
  if (user.purchaseValueMinor === record.purchase.value) user.purchaseHigh = record.purchase.high
  user.episodes.clear()
  for (const [ruleId, episode] of record.silences)
    if (state.rules.has(ruleId)) user.episodes.set(ruleId, { ...episode })
  endSilencesBroken(state, user, effects)
  armTimers(state, user)
}

/** A silence that newly known clicks break ends here, as it would have ended at the click. */
function endSilencesBroken(state: PartitionState, user: User, effects: Effects): void {
  for (const [ruleId, { kind, sinceMs, recordedMs }] of [...user.episodes]) {
    const newestMs = kind === 'purchase' ? user.lastPurchaseMs : user.lastSeenMs
    if (recordedMs >= 0 && newestMs > sinceMs + state.settings.gapMs)
      endSilence(state, user, state.rules.get(ruleId)!, newestMs, effects)
  }
}

const times = ['sinceMs', 'dueMs', 'firedDueMs', 'coolDueMs', 'subjectMs'] as const

/** The control, or what is wrong with it. */
export function parseStanding(value: unknown): TakenOver | string {
  if (!isObject(value)) return 'standing: must be an object'
  const { userId, segments, scores, activity, purchase, silences } = value
  const fault = userIdFault(userId)
  if (fault) return `standing.userId: ${fault}`
  if (!Array.isArray(segments) || !segments.every(segment => typeof segment === 'string'))
    return 'standing.segments: must be a list of names'
  if (!isObject(scores) || !Object.values(scores).every(Number.isFinite))
    return 'standing.scores: must be numbers by name'
  if (!isFrozen(activity)) return 'standing.activity: must have a value and whether it is high'
  if (!isFrozen(purchase)) return 'standing.purchase: must have a value and whether it is high'
  if (!Array.isArray(silences)) return 'standing.silences: must be a list'
  const episodes: [string, Episode][] = []
  for (const silence of silences) {
    const episode = parseSilence(silence)
    if (!episode) return 'standing.silences: one of them lacks a field, or has a wrong one'
    episodes.push(episode)
  }
  return {
    kind: 'standing',
    userId: userId as string,
    segments,
    scores: scores as Record<string, number>,
    activity,
    purchase,
    silences: episodes,
  }
}

function isFrozen(value: unknown): value is Frozen {
  return isObject(value) && Number.isFinite(value.value) && typeof value.high === 'boolean'
}

function parseSilence(value: unknown): [string, Episode] | undefined {
  if (!isObject(value)) return undefined
  const { rule, kind, recordedMs, version, cancelled } = value
  const good =
    typeof rule === 'string' &&
    (kind === 'activity' || kind === 'purchase') &&
    Number.isFinite(recordedMs) &&
    Number.isInteger(version) &&
    typeof cancelled === 'boolean' &&
    times.every(time => value[time] === null || Number.isFinite(value[time]))
  if (!good) return undefined
  const time = (name: (typeof times)[number]) => (value[name] ?? Number.NaN) as number
  return [
    rule,
    {
      sinceMs: time('sinceMs'),
      kind,
      recordedMs: recordedMs as number,
      dueMs: time('dueMs'),
      version: version as number,
      cancelled,
      firedDueMs: time('firedDueMs'),
      coolDueMs: time('coolDueMs'),
      subjectMs: time('subjectMs'),
    },
  ]
}
