/**
 * The alert rule (alert-rule.md) without caring for speed: after every line, for every user and rule,
 * the whole history is looked at to see which silence is on, which steps are due and who is asked.
 * Remembered are only the recorded steps and, per line, how the question was answered (to know later
 * since when a user has been subject to a rule). Not here: the guards (clause 13) and accounts.
 */
import {
  dayOf,
  type History,
  isHigh,
  type Kind,
  purchaseDays,
  usualGapMs,
  valueAt,
} from './history.ts'
import { alertId, compareText, isHeldOut, messageIdOf } from './ids.ts'
import { type Cutoffs, dayMs, type Model, type Rule } from './input.ts'
import { readings } from './readings.ts'

type Status = 'fired' | 'stale' | 'held_out' | 'suppressed' | 'resolved' | 'cancelled'

/** A recorded step of the silence (user, rule, since). */
export type Step = {
  at: number
  userId: string
  rule: string
  /** How often the rule had been removed before: a rule that comes back is a new one (clause 6). */
  life: number
  version: number
  since: number
  due: number
  threshold: number
  status: Status
}

/** How things stood for one user and rule after one line. */
type Answer = {
  userId: string
  rule: string
  life: number
  since: number | null
  isSubject: boolean
  /** A threshold that is not recorded has passed. */
  isOverdue: boolean
  /** Overdue is counted from here if it is later than due (clause 7). */
  overdueFrom: number
}

export type Alerts = {
  /** Every rule line, null for a removal. */
  ruleLog: { id: string; rule: Rule | null }[]
  cutoffsLog: { at: number; cutoffs: Cutoffs }[]
  model: Model
  steps: Step[]
  answers: Answer[]
}

/** Before the first fit (foresight.md, "What follows" 1). */
const modelDefault: Model = { r: 0.243, alpha: 4.414, a: 0.793, b: 2.426 }

export const emptyAlerts = (): Alerts => ({
  ruleLog: [],
  cutoffsLog: [],
  model: modelDefault,
  steps: [],
  answers: [],
})

type AlertLine = { due: number; userId: string; rule: string; text: string }

/** Lines of one step come in order of (due, user, rule). */
const inOrder = (lines: AlertLine[]): string[] =>
  lines
    .sort(
      (one, other) =>
        one.due - other.due ||
        compareText(one.userId, other.userId) ||
        compareText(one.rule, other.rule),
    )
    .map(line => line.text)

function alertLine(step: Step, status: Status, extra: object): AlertLine {
  const { userId, rule, version, since, due, threshold } = step
  const id = alertId(userId, rule, version, since)
  const message = messageIdOf(id, threshold, status)
  const head = { id, message, rule, version, userId, status, since, due, threshold }
  return { due, userId, rule, text: JSON.stringify({ alert: { ...head, covers: [], ...extra } }) }
}

// Rules and their versions

const meaningOf = ({ when, who }: Rule) => JSON.stringify([when, who])

/** Version = 1 + changes of meaning and removals so far; a return adds nothing. */
function standingOf(
  alerts: Alerts,
  id: string,
): { rule: Rule | null; version: number; life: number } {
  let rule: Rule | null = null
  let version = 1
  let life = 0
  for (const entry of alerts.ruleLog.filter(one => one.id === id)) {
    if (rule && !entry.rule) {
      version++
      life++
    } else if (rule && entry.rule && meaningOf(rule) !== meaningOf(entry.rule)) version++
    rule = entry.rule
  }
  return { rule, version, life }
}

function rulesOf(alerts: Alerts): { rule: Rule; version: number; life: number }[] {
  const ids = [...new Set(alerts.ruleLog.map(entry => entry.id))]
  return ids.flatMap(id => {
    const standing = standingOf(alerts, id)
    return standing.rule ? [{ ...standing, rule: standing.rule }] : []
  })
}

// The silence

export const kindOf = ({ when }: Rule): Kind =>
  when.kind === 'expected' || (when.kind === 'quiet_for' && when.since === 'purchase')
    ? 'purchase'
    : 'activity'

/**
 * Clause 2: the largest event time; but once a step is recorded only what is newer than since + gap
 * moves it. Reading: a step with any status, as in clause 1, and also while the rule is removed.
 */
function sinceOf(alerts: Alerts, history: History, rule: Rule): number | null {
  let since: number | null = null
  let newest = Number.NEGATIVE_INFINITY
  for (const activity of history.activities) {
    if (kindOf(rule) === 'purchase' && !activity.isPurchase) continue
    const isNews = activity.ts > newest || readings.oldActivityReturns
    newest = Math.max(newest, activity.ts)
    const isRecorded = alerts.steps.some(
      step =>
        step.userId === history.userId &&
        step.rule === rule.id &&
        step.since === since &&
        step.at < activity.at,
    )
    const above = since === null || activity.ts > since + (isRecorded ? activity.gapMs : 0)
    if (isNews && above) since = activity.ts
  }
  return since
}

/** foresight.md, "The formula": q whole days after the last purchase; weeks. */
function firstExpectedMs(
  history: History,
  since: number,
  when: Extract<Rule['when'], { kind: 'expected' }>,
  model: Model,
): number {
  const { r, alpha, a, b } = model
  const days = purchaseDays(history).filter(
    day => day <= dayOf(since) || readings.expectedCountsDaysAfterSince,
  )
  const x = days.length - 1
  const tx = (days.at(-1)! - days[0]!) / 7
  for (let q = Math.ceil(when.notBeforeMs / dayMs); ; q++) {
    const age = tx + q / 7
    const horizon = Math.max(0, (when.goneAfterMs / dayMs - q) / 7)
    const gone = x > 0 ? (a / (b + x - 1)) * ((alpha + age) / (alpha + tx)) ** (r + x) : 0
    const alive = 1 / (1 + gone)
    const score = 1 - alive * (1 - ((alpha + age) / (alpha + age + horizon)) ** (r + x))
    if (Math.round(score * 1e9) / 1e9 >= when.probability || horizon === 0) return q * dayMs
  }
}

function firstThresholdMs(
  alerts: Alerts,
  history: History,
  rule: Rule,
  since: number,
): number | null {
  if (rule.when.kind === 'quiet_for') return rule.when.quietMs
  if (rule.when.kind === 'expected') return firstExpectedMs(history, since, rule.when, alerts.model)
  // "The usual gap at since": the days up to since, of what is known today.
  const usualMs = usualGapMs(
    history.activities.filter(one => one.ts <= since),
    since,
  )
  return usualMs === null ? null : Math.round(rule.when.ratio * usualMs)
}

/** The first threshold, then the escalations above it. */
function thresholdsOf(alerts: Alerts, history: History, rule: Rule, since: number): number[] {
  const first = firstThresholdMs(alerts, history, rule, since)
  if (first === null) return []
  const above = rule.escalateMs.filter(threshold => threshold > first)
  return [first, ...new Set(above.sort((one, other) => one - other))]
}

/** Clause 5: by what was true when the silence began; only the segments are those of today. */
function isAsked(alerts: Alerts, history: History, rule: Rule, since: number | null): boolean {
  if (rule.who.kind === 'everyone') return true
  if (rule.who.kind === 'segment') return history.segments.includes(rule.who.segment)
  if (since === null) return false
  if (rule.who.kind === 'value') return valueAt(history, since) >= rule.who.atLeast
  return isHigh(history, kindOf(rule), alerts.cutoffsLog)
}

// What is due

/** How it stands for one user under one rule; `since` is null while there is no silence. */
type Silence = {
  history: History
  rule: Rule
  version: number
  life: number
  since: number | null
  /** Every step of this silence, whatever life of the rule recorded it. */
  recorded: Step[]
  /** Thresholds above the highest recorded one that have passed. */
  passed: number[]
  isSubject: boolean
}

function silencesOf(alerts: Alerts, users: History[], watermark: number): Silence[] {
  return users.flatMap(history =>
    rulesOf(alerts).map(({ rule, version, life }) => {
      const since = sinceOf(alerts, history, rule)
      const recorded = alerts.steps.filter(
        step => step.userId === history.userId && step.rule === rule.id && step.since === since,
      )
      const highest = Math.max(Number.NEGATIVE_INFINITY, ...recorded.map(step => step.threshold))
      const thresholds = since === null ? [] : thresholdsOf(alerts, history, rule, since)
      const passed = thresholds.filter(
        threshold => threshold > highest && watermark > since! + threshold,
      )
      const isSubject = isAsked(alerts, history, rule, since)
      return { history, rule, version, life, since, recorded, passed, isSubject }
    }),
  )
}

const lastAnswer = (alerts: Alerts, { history, rule, life }: Silence) => {
  const last = alerts.answers.findLast(
    answer => answer.userId === history.userId && answer.rule === rule.id,
  )
  return last && last.life === life ? last : null
}

/**
 * Clause 7: overdue is counted from due, or from W at the record by which the user became subject: he
 * entered the audience (5), or a changed rule or model moved the due time into the past (6).
 */
function overdueFrom(
  alerts: Alerts,
  silence: Silence,
  options: { watermark: number; isRuleOrModel: boolean },
): number {
  const before = lastAnswer(alerts, silence)
  const isSameSilence = before?.since === silence.since
  // A rule newly added: always from due.
  if (!before && options.isRuleOrModel) return Number.NEGATIVE_INFINITY
  const wasSubject = before ? before.isSubject : silence.rule.who.kind === 'everyone'
  const hasEntered = silence.isSubject && !wasSubject
  if (hasEntered && (isSameSilence || readings.entersWithSilence)) return options.watermark
  if (!before || !isSameSilence) return Number.NEGATIVE_INFINITY
  const isMoved = options.isRuleOrModel && silence.passed.length > 0 && !before.isOverdue
  return isMoved ? options.watermark : before.overdueFrom
}

function statusOf(alerts: Alerts, silence: Silence, due: number, overdueMs: number): Status {
  const { rule, history, since } = silence
  if (overdueMs > rule.maxAgeMs) return 'stale'
  if (isHeldOut(rule.id, history.userId, rule.holdoutShare)) return 'held_out'
  const lastFired = alerts.steps.findLast(
    step =>
      step.userId === history.userId &&
      step.rule === rule.id &&
      step.status === 'fired' &&
      step.since !== since,
  )
  const isWithin = lastFired !== undefined && due - lastFired.due <= rule.cooldownMs
  return rule.cooldownMs > 0 && isWithin ? 'suppressed' : 'fired'
}

/**
 * Records every step that is due now and returns its lines. Clause 4: of several steps passed, the
 * highest, which covers the others.
 */
export function fire(
  alerts: Alerts,
  users: History[],
  options: { at: number; watermark: number; isRuleOrModel: boolean },
): string[] {
  const lines = silencesOf(alerts, users, options.watermark).flatMap(silence => {
    const { history, rule, life, since, recorded, passed, isSubject } = silence
    if (since === null || passed.length === 0 || !isSubject) return []
    const threshold = passed.at(-1)!
    const due = since + threshold
    const overdueMs = options.watermark - Math.max(due, overdueFrom(alerts, silence, options))
    const first = recorded.find(step => step.life === life)
    const step: Step = {
      at: options.at,
      userId: history.userId,
      rule: rule.id,
      life,
      version: first?.version ?? silence.version,
      since,
      due,
      threshold,
      status: statusOf(alerts, silence, due, overdueMs),
    }
    return [{ step, line: alertLine(step, step.status, { covers: passed.slice(0, -1) }) }]
  })
  alerts.steps.push(...lines.map(({ step }) => step))
  return inOrder(lines.map(({ line }) => line))
}

/** At the end of each line: how the question stands, for `overdueFrom` of later lines. */
export function noteAnswers(
  alerts: Alerts,
  users: History[],
  options: { watermark: number; isRuleOrModel: boolean },
): void {
  const answers = silencesOf(alerts, users, options.watermark).map(silence => ({
    userId: silence.history.userId,
    rule: silence.rule.id,
    life: silence.life,
    since: silence.since,
    isSubject: silence.isSubject,
    isOverdue: silence.passed.length > 0,
    overdueFrom: overdueFrom(alerts, silence, options),
  }))
  alerts.answers.push(...answers)
}

/** Clause 3: the silences that the user's newest activity ended, if they had recorded a step. */
export function resolve(alerts: Alerts, history: History): string[] {
  const newest = history.activities.at(-1)!
  const earlier = { ...history, activities: history.activities.slice(0, -1) }
  const lines = rulesOf(alerts).flatMap(({ rule, life }) => {
    const since = sinceOf(alerts, earlier, rule)
    if (since === sinceOf(alerts, history, rule)) return []
    const recorded = alerts.steps.filter(
      step =>
        step.userId === history.userId &&
        step.rule === rule.id &&
        step.life === life &&
        step.since === since,
    )
    const highest = recorded.at(-1)
    if (!highest || !rule.resolve) return []
    const reason = newest.ts > highest.due ? 'returned' : 'late'
    return [alertLine(highest, 'resolved', { reason })]
  })
  return inOrder(lines)
}

/** Clause 6: a removed rule ends its episodes; those with a recorded step are cancelled. */
export function remove(alerts: Alerts, users: History[], id: string): string[] {
  const { rule, life } = standingOf(alerts, id)
  if (!rule) return []
  const lines = users.flatMap(history => {
    const since = sinceOf(alerts, history, rule)
    const highest = alerts.steps.findLast(
      step =>
        step.userId === history.userId &&
        step.rule === id &&
        step.life === life &&
        step.since === since,
    )
    return highest ? [alertLine(highest, 'cancelled', {})] : []
  })
  alerts.ruleLog.push({ id, rule: null })
  return inOrder(lines)
}

/** Clause 11. */
export function forget(alerts: Alerts, userId: string): void {
  alerts.steps = alerts.steps.filter(step => step.userId !== userId)
  alerts.answers = alerts.answers.filter(one => one.userId !== userId)
}
