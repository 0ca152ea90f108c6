/**
 * The session rule (session-rule.md) as a naive batch model. All it holds of a user is the flat list
 * of accepted clicks and the places where a cap cut; every question ("which sessions are there, which
 * of them are open?") is answered from scratch by sort and split. A merge is nothing but a gap between
 * two neighbours of the sorted list that is small enough.
 */
import { compareText, sessionId } from './ids.ts'
import type { Click, Settings } from './input.ts'
import { readings } from './readings.ts'

export type Accepted = {
  line: number
  ts: number
  messageId: string
  hasMessageId: boolean
  event: string
  /** Orders first counted in this click, in 1e-4. */
  value: number
  /** Clause 1: the gap of the session it opened or joined. */
  gapMs: number
  /** Line of the click that gives the id; read only where gaps differ, see `sessionsByLabel`. */
  chain: number
  part: number
}

/** Clause 7: what stands at or before `ts` and came up to `lastLine` is final, the rest follows. */
type Cut = { ts: number; lastLine: number }

export type SessionUser = { accepted: Accepted[]; cuts: Cut[] }

export type Session = {
  userId: string
  opening: Accepted
  /** In order of (time, line). */
  clicks: Accepted[]
  start: number
  end: number
  gapMs: number
  part: number
  /** Time of the cut before this part; null for a first part. */
  cut: number | null
  /** False: a later part has begun, so this one is final. */
  isLastPart: boolean
}

export type Verdict =
  | { verdict: 'duplicate' }
  | { verdict: 'late'; by: number; reason: 'bound' | 'cut' }
  | { verdict: 'accepted' }

const byTime = (one: Accepted, other: Accepted) => one.ts - other.ts || one.line - other.line

/** Neighbours at most `gap` apart belong together: the whole of clauses 1 and 3. */
export function splitByGap<Item extends { ts: number }>(sorted: Item[], gapMs: number): Item[][] {
  const groups: Item[][] = []
  for (const item of sorted) {
    const group = groups.at(-1)
    if (group && item.ts - group.at(-1)!.ts <= gapMs) group.push(item)
    else groups.push([item])
  }
  return groups
}

/** A chain (a session with all its parts) as sessions, part after part. */
function partsOf(userId: string, parts: Accepted[][]): Session[] {
  const gapOf = (clicks: Accepted[]) => Math.max(...clicks.map(click => click.gapMs))
  const opening = parts[0]!.reduce((one, other) => (other.line < one.line ? other : one))
  return parts.map((clicks, index) => ({
    userId,
    opening,
    clicks,
    start: clicks[0]!.ts,
    end: clicks.at(-1)!.ts,
    gapMs: gapOf(readings.partKeepsGap ? parts.flat() : clicks),
    part: index + 1,
    cut: index === 0 ? null : parts[index - 1]!.at(-1)!.ts,
    isLastPart: index === parts.length - 1,
  }))
}

function sessionsBySplit(userId: string, user: SessionUser, gapMs: number): Session[] {
  return splitByGap([...user.accepted].sort(byTime), gapMs).flatMap(chain => {
    const first = chain[0]!.ts
    const last = chain.at(-1)!.ts
    const cuts = user.cuts.filter(cut => cut.ts >= first && cut.ts <= last)
    const parts: Accepted[][] = Array.from({ length: cuts.length + 1 }, () => [])
    for (const click of chain) {
      const before = cuts.filter(cut => click.ts > cut.ts || click.line > cut.lastLine)
      parts[before.length]!.push(click)
    }
    return partsOf(userId, parts)
  })
}

/**
 * Where the setting `gap` changed on the way, each session has its own (clause 1) and one split cannot
 * tell them apart: then by the label that each click was given. model.test.ts checks that both agree
 * while there is one gap.
 */
export function sessionsByLabel(userId: string, user: SessionUser): Session[] {
  const chains = [...new Set(user.accepted.map(click => click.chain))]
  return chains.flatMap(chain => {
    const clicks = user.accepted.filter(click => click.chain === chain).sort(byTime)
    const parts = [...new Set(clicks.map(click => click.part))].sort((one, other) => one - other)
    return partsOf(
      userId,
      parts.map(part => clicks.filter(click => click.part === part)),
    )
  })
}

export function sessionsOf(userId: string, user: SessionUser): Session[] {
  const gaps = new Set(user.accepted.map(click => click.gapMs))
  if (gaps.size > 1 || readings.cutFreezes === 'own') return sessionsByLabel(userId, user)
  return sessionsBySplit(userId, user, [...gaps][0] ?? 0)
}

/** Clause 4, strictly; and clause 7: a part is final at the cut. */
export const isFinal = (session: Session, bound: number) =>
  !session.isLastPart || session.end + session.gapMs < bound

function breaksCap(clicks: { ts: number }[], settings: Settings): boolean {
  const times = clicks.map(click => click.ts)
  const spanMs = Math.max(...times) - Math.min(...times)
  if (settings.maxSessionMs > 0 && spanMs > settings.maxSessionMs) return true
  return settings.maxClicks > 0 && clicks.length > settings.maxClicks
}

/**
 * Clause 2, second half. Reading: lastClosedEnd is the largest end of a final session or part, and the
 * gap is that session's. A part of a cut chain counts as closed.
 */
function isTooNearToClosed(ts: number, closed: Session[]): boolean {
  if (closed.length === 0) return false
  const last = closed.reduce((one, other) => (other.end >= one.end ? other : one))
  return ts - last.end <= last.gapMs
}

/**
 * Clauses 2, 3, 6 and 7 for one click that is neither dead, quarantined nor aside; an accepted one is
 * added to the user. `bound` is L; `value` the orders first counted in the click.
 */
export function judge(
  user: SessionUser,
  click: Click,
  value: number,
  options: { settings: Settings; bound: number },
): Verdict {
  const { settings, bound } = options
  const { ts } = click
  const all = sessionsOf(click.userId, user)
  const open = all.filter(session => !isFinal(session, bound))
  const closed = all.filter(session => isFinal(session, bound))

  const known = open.flatMap(session => session.clicks).filter(one => one.hasMessageId)
  if (click.hasMessageId && known.some(one => one.messageId === click.messageId))
    return { verdict: 'duplicate' }

  const late = (reason: 'bound' | 'cut'): Verdict => {
    return { verdict: 'late', by: Math.max(0, bound - ts), reason }
  }
  const joined = open
    .filter(one => ts >= one.start - one.gapMs && ts <= one.end + one.gapMs)
    .sort((one, other) => one.start - other.start)
  if (ts < bound && joined.length === 0) return late('bound')
  const isFrozen = open.some(one => one.cut !== null && ts <= one.cut)
  if (isFrozen && readings.cutFreezes === 'all') return late('cut')
  const continuesCut = joined.some(one => one.cut !== null && ts > one.cut)
  if (isTooNearToClosed(ts, closed) && !continuesCut) return late(isFrozen ? 'cut' : 'bound')

  const gapMs = Math.max(...joined.map(one => one.gapMs))
  const accepted: Accepted = {
    line: click.line,
    ts,
    messageId: click.messageId,
    hasMessageId: click.hasMessageId,
    event: click.event,
    value,
    gapMs: joined.length === 0 ? settings.gapMs : gapMs,
    chain: click.line,
    part: 1,
  }
  if (!place(user, accepted, joined, settings)) return late('cut')
  if (accepted.part > 1 && !readings.partKeepsGap) accepted.gapMs = settings.gapMs
  user.accepted.push(accepted)
  return { verdict: 'accepted' }
}

/** Clause 7: where in its chain an accepted click stands. False: it is late with reason `cut`. */
function place(user: SessionUser, click: Accepted, joined: Session[], settings: Settings): boolean {
  if (joined.length === 0) return true
  const merged = [...joined.flatMap(one => one.clicks), click]
  if (!breaksCap(merged, settings)) {
    label(merged, chainOf(joined), Math.max(...joined.map(one => one.part)))
    return true
  }
  const earlier = joined[0]!
  const isCutByClick = breaksCap([...earlier.clicks, click], settings)
  if (isCutByClick) {
    if (click.ts < earlier.end) return false
    user.cuts.push({ ts: earlier.end, lastLine: click.line - 1 })
  }
  const part = earlier.part + (isCutByClick ? 1 : 0)
  label([click], chainOf([earlier]), part)
  // A bridge that breaks a cap: the later session becomes the next part of the earlier one.
  for (const [index, later] of joined.slice(1).entries()) {
    if (index === 0) user.cuts.push({ ts: click.ts, lastLine: click.line })
    label(later.clicks, chainOf([earlier]), part + 1)
  }
  return true
}

/** Clause 3: the lower opening offset gives the id; but a chain with final parts has its id for good. */
function chainOf(sessions: Session[]): number {
  const fixed = sessions.find(session => session.part > 1)
  return fixed ? fixed.opening.line : Math.min(...sessions.map(session => session.opening.line))
}

function label(clicks: Accepted[], chain: number, part: number): void {
  for (const click of clicks) Object.assign(click, { chain, part })
}

/** Closings come in order of (end, user, start); parts of one click in order of part. */
export const compareClosing = (one: Session, other: Session) =>
  one.end - other.end ||
  compareText(one.userId, other.userId) ||
  one.start - other.start ||
  one.part - other.part

export const idOfSession = ({ userId, opening }: Session) =>
  sessionId(userId, opening.messageId, opening.ts)

export function sessionLine(session: Session): string {
  const { userId, clicks, start, end, part } = session
  const value = clicks.reduce((sum, click) => sum + click.value, 0)
  return JSON.stringify({
    session: {
      id: idOfSession(session),
      userId,
      start,
      end,
      clicks: clicks.length,
      final: true,
      part,
      first: clicks[0]!.event,
      last: clicks.at(-1)!.event,
      value: value / 10_000,
    },
  })
}
