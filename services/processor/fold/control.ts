/** Records that change the rules of the game: rules, cutoffs, model, settings, audiences, erasure. */
import { assert } from '../../base/errors.ts'
import { refreshTiers } from './activity.ts'
import { cancelSilences, changeMeaning, noteEntering } from './alert.ts'
import { raiseBound } from './clock.ts'
import type { Effects } from './effects.ts'
import type { Model } from './expected.ts'
import { nextRule, type RuleText } from './rule.ts'
import { changeSettings } from './settings.ts'
import { type TakenOver, takeOver } from './standing.ts'
import { type PartitionState, touch, userOf } from './state.ts'
import { armTimers, standingOf } from './timer.ts'

/** Control records as the fold takes them: parsed and checked. `revision` NaN: applies in any case. */
export type FoldControl =
  | { readonly kind: 'tick' }
  | { readonly kind: 'live' }
  | { readonly kind: 'seal' }
  | { readonly kind: 'rule'; readonly revision: number; readonly rule: RuleText }
  | {
      readonly kind: 'cutoffs'
      readonly revision: number
      readonly highMinor: number
      readonly keepMinor: number
    }
  | { readonly kind: 'model'; readonly revision: number; readonly model: Model }
  | {
      readonly kind: 'settings'
      readonly revision: number
      readonly values: Readonly<Record<string, unknown>>
    }
  | {
      readonly kind: 'audience'
      readonly userId: string
      readonly segments: readonly string[]
      readonly scores: Readonly<Record<string, number>>
    }
  | { readonly kind: 'erase'; readonly userId: string }
  /** Of an earlier epoch; its revision is its offset there. */
  | {
      readonly kind: 'carriedErase'
      readonly userId: string
      readonly epoch: number
      readonly revision: number
    }
  | TakenOver

/** What a revision belongs to: each is held apart. */
export function revisionKey(record: FoldControl): string | undefined {
  if (record.kind === 'rule') return `rule:${record.rule.id}`
  if (record.kind === 'carriedErase') return `erase:${record.epoch}`
  return 'revision' in record ? record.kind : undefined
}

/** Whether this revision was seen already (broadcasts repeat); remembers it otherwise. */
function isStale(state: PartitionState, record: FoldControl): boolean {
  const key = revisionKey(record)
  if (key === undefined || !('revision' in record) || Number.isNaN(record.revision)) return false
  if (record.revision <= (state.revisions.get(key) ?? Number.NEGATIVE_INFINITY)) return true
  state.revisions.set(key, record.revision)
  return false
}

export function applyControl(state: PartitionState, record: FoldControl, effects: Effects): void {
  if (isStale(state, record)) return
  switch (record.kind) {
    case 'tick':
    case 'live':
      break
    case 'seal':
      state.sealed = true
      break
    case 'rule':
      applyRule(state, record.rule)
      break
    case 'cutoffs':
      applyCutoffs(state, record.highMinor, record.keepMinor)
      break
    case 'model':
      applyModel(state, record.model)
      break
    case 'settings':
      applySettings(state, record.values)
      break
    case 'audience':
      applyAudience(state, record)
      break
    case 'erase':
    case 'carriedErase':
      applyErase(state, record.userId, effects)
      break
    case 'standing':
      takeOver(state, record, effects)
      break
  }
}

function applyRule(state: PartitionState, text: RuleText): void {
  const held = state.rules.get(text.id)
  const next = nextRule(held, text)
  if (!next || next === held) return
  const concerned = () => {
    const rule = state.rules.get(text.id)
    return rule ? [rule] : []
  }
  changeMeaning(state, concerned, () => state.rules.set(text.id, next))
  if (next.removed) cancelSilences(state, next)
}

function applyModel(state: PartitionState, model: Model): void {
  const concerned = () => [...state.rules.values()].filter(rule => rule.when.kind === 'expected')
  changeMeaning(state, concerned, () => {
    state.model = model
  })
}

/** Tiers change by the frozen values: silence itself moves nobody (clause 5). */
function applyCutoffs(state: PartitionState, highMinor: number, keepMinor: number): void {
  state.highMinor = highMinor
  state.keepMinor = keepMinor
  for (const user of state.users.inTurn()) {
    const before = standingOf(user)
    refreshTiers(state, user)
    if (user.activityHigh === before.activityHigh && user.purchaseHigh === before.purchaseHigh)
      continue
    touch(state, user)
    noteEntering(state, user, before)
    armTimers(state, user)
  }
}

/** Settings were checked when the record was read, so they hold. */
function applySettings(state: PartitionState, values: Readonly<Record<string, unknown>>): void {
  const next = changeSettings(state.settings, values)
  assert(typeof next !== 'string', `settings are checked before they are folded: ${next}`)
  state.settings = next
  raiseBound(state)
  for (const user of state.users.inTurn()) armTimers(state, user)
}

function applyAudience(
  state: PartitionState,
  record: Extract<FoldControl, { kind: 'audience' }>,
): void {
  if (state.frozen.has(record.userId)) return
  const user = userOf(state, record.userId)
  const before = standingOf(user)
  user.segments = record.segments
  user.scores = record.scores
  touch(state, user)
  noteEntering(state, user, before)
  armTimers(state, user)
}

function applyErase(state: PartitionState, userId: string, effects: Effects): void {
  if (state.frozen.has(userId)) return
  const user = state.users.get(userId)
  if (user) user.erased = true
  state.users.delete(userId)
  effects.erased(userId)
}
