/** session-rule.md: joining, merging, cutting and closing sessions of one user. */
import { contentId } from '../../base/ids.ts'
import type { Click } from '../../log/record.ts'
import type { Effects, LateReason } from './effects.ts'
import { heapPush } from './heap.ts'
import type { PartitionState, Session, User } from './state.ts'
import type { HeapUser } from './users.ts'

/**
 * 53 bits of a message id. Ids are compared only among the clicks of one user's open sessions, at most
 * some 10,000, so that two of them collide by chance once in 10^8 such users.
 */
export function idHash(id: string): number {
  let high = 0x811c9dc5
  let low = 0x9747b28c
  for (let at = 0; at < id.length; at++) {
    const unit = id.charCodeAt(at)
    high = Math.imul(high ^ unit, 0x01000193)
    low = Math.imul(low ^ (unit + (high >>> 15)), 0x5bd1e995)
  }
  high ^= Math.imul(high ^ (low >>> 13), 0x85ebca6b)
  low ^= Math.imul(low ^ (high >>> 16), 0xc2b2ae35)
  return (high >>> 0) * 0x200000 + ((low ^ (low >>> 15)) >>> 11)
}

export function isDuplicate(user: User, hash: number): boolean {
  for (const session of user.open) if (session.ids.includes(hash)) return true
  return false
}

/** Where a click would go: no session, or the first and the last of the open ones that it joins. */
interface Place {
  readonly first: number
  readonly last: number
}

function joins(session: Session, timeMs: number): boolean {
  return timeMs >= session.startMs - session.gapMs && timeMs <= session.endMs + session.gapMs
}

// One object, reused: judge() is on the way of every click.
const place: { first: number; last: number } = { first: -1, last: -1 }

function findPlace(user: User, timeMs: number): Place {
  place.first = -1
  place.last = -1
  const { open } = user
  for (let at = 0; at < open.length; at++) {
    if (!joins(open[at]!, timeMs)) continue
    if (place.first < 0) place.first = at
    place.last = at
  }
  // What lies before a continued part is final: a click behind the cut belongs to the later part alone.
  while (place.last > place.first && open[place.last]!.part > 1) place.first++
  return place
}

/** Rule 2, and rule 7 for earlier clicks: why a click at that time is in no session; undefined if it is. */
function lateReason(
  state: PartitionState,
  user: User,
  timeMs: number,
  at: Place,
): LateReason | undefined {
  if (at.first < 0 && timeMs < state.boundMs) return 'bound'
  const joined = at.first < 0 ? undefined : user.open[at.first]!
  if (timeMs <= user.closedUntilMs && !continues(user, joined, timeMs)) {
    for (const session of user.open) if (timeMs <= session.cutMs) return 'cut'
    return 'bound'
  }
  return joined && timeMs < joined.endMs && breaksCap(state, joined, timeMs) ? 'cut' : undefined
}

/** Whether the click goes on with a cut session, and no other closed session lies between it and the cut. */
function continues(user: User, joined: Session | undefined, timeMs: number): boolean {
  if (!joined || joined.part === 1 || timeMs <= joined.cutMs) return false
  return user.closedUntilMs <= joined.cutMs + joined.gapMs
}

function breaksCap(state: PartitionState, session: Session, timeMs: number): boolean {
  const { clicksMax, sessionMsMax } = state.settings
  if (clicksMax > 0 && session.clicks + 1 > clicksMax) return true
  if (sessionMsMax === 0) return false
  const startMs = Math.min(session.startMs, timeMs)
  return Math.max(session.endMs, timeMs) - startMs > sessionMsMax
}

/** A click on its way into a session. Its id is no duplicate. */
export interface Arrival {
  readonly click: Click
  readonly messageId: string
  readonly hash: number
  /** What it adds to the session's value. */
  readonly valueMinor: number
}

/**
 * Puts the click into the session it belongs to, opening, merging and cutting as needed; or changes nothing
 * and says why the click is late.
 */
export function placeClick(
  state: PartitionState,
  user: User,
  arrival: Arrival,
  effects: Effects,
): LateReason | undefined {
  const timeMs = arrival.click.timestampMs
  const at = findPlace(user, timeMs)
  const late = lateReason(state, user, timeMs, at)
  if (late) return late
  user.clicks++
  const { first } = at
  if (first < 0) {
    openSession(state, user, arrival)
    return undefined
  }
  for (let later = at.last - first; later > 0; later--) {
    if (mergeBreaksCap(state, user.open[first]!, user.open[first + 1]!)) {
      bridgeByCut(state, user, first, arrival, effects)
      return undefined
    }
    merge(user, first, effects)
  }
  extend(state, user, first, arrival, effects)
  return undefined
}

/** A session of that click alone. */
function sessionOf(state: PartitionState, id: string, arrival: Arrival): Session {
  const { click } = arrival
  return {
    id,
    openOffset: state.offset,
    part: 1,
    cutMs: Number.NEGATIVE_INFINITY,
    startMs: click.timestampMs,
    endMs: click.timestampMs,
    clicks: 1,
    firstEvent: click.name,
    lastEvent: click.name,
    valueMinor: arrival.valueMinor,
    gapMs: state.settings.gapMs,
    ids: [arrival.hash],
  }
}

function openSession(state: PartitionState, user: User, arrival: Arrival): void {
  const { click, messageId } = arrival
  const id = contentId('s', state.project, user.id, messageId, click.timestampMs)
  const session = sessionOf(state, id, arrival)
  let at = user.open.length
  while (at > 0 && user.open[at - 1]!.startMs > session.startMs) at--
  user.open.splice(at, 0, session)
  user.sessions++
  armClosing(state, user)
}

/** Joins the click to the session at `at`, or cuts that session and opens its next part with the click. */
function extend(
  state: PartitionState,
  user: User,
  at: number,
  arrival: Arrival,
  effects: Effects,
): Session {
  const session = user.open[at]!
  const { click } = arrival
  const timeMs = click.timestampMs
  if (timeMs >= session.endMs && breaksCap(state, session, timeMs)) {
    const next = sessionOf(state, session.id, arrival)
    continueAs(next, session)
    next.gapMs = session.gapMs
    user.open.splice(at + 1, 0, next)
    closePart(user, session, effects)
    armClosing(state, user)
    return next
  }
  session.clicks++
  session.ids.push(arrival.hash)
  session.valueMinor += arrival.valueMinor
  if (timeMs < session.startMs) {
    session.startMs = timeMs
    session.firstEvent = click.name
  }
  if (timeMs >= session.endMs) {
    session.endMs = timeMs
    session.lastEvent = click.name
  }
  return session
}

/** Makes `next` the part after `session`. */
function continueAs(next: Session, session: Session): void {
  next.id = session.id
  next.openOffset = session.openOffset
  next.part = session.part + 1
  next.cutMs = session.endMs
  if (next.startMs <= next.cutMs) next.beforeCut = [...next.ids]
}

/** Whether the session at `at`, the one after it and a click between them are too much for one session. */
function mergeBreaksCap(state: PartitionState, earlier: Session, later: Session): boolean {
  const { clicksMax, sessionMsMax } = state.settings
  if (clicksMax > 0 && earlier.clicks + later.clicks + 1 > clicksMax) return true
  return sessionMsMax > 0 && later.endMs - earlier.startMs > sessionMsMax
}

/** Merges the session after `at` into the one at `at`; the one opened first gives the id. */
function merge(user: User, at: number, effects: Effects): void {
  const earlier = user.open[at]!
  const later = user.open[at + 1]!
  // Parts before this one are final under its id, so a continued session keeps it.
  const keeps = earlier.part > 1 || earlier.openOffset < later.openOffset
  effects.tombstone(user, keeps ? later.id : earlier.id, 1)
  if (!keeps) {
    earlier.id = later.id
    earlier.openOffset = later.openOffset
  }
  earlier.endMs = later.endMs
  earlier.lastEvent = later.lastEvent
  earlier.clicks += later.clicks
  earlier.valueMinor += later.valueMinor
  earlier.gapMs = Math.max(earlier.gapMs, later.gapMs)
  for (const id of later.ids) earlier.ids.push(id)
  user.open.splice(at + 1, 1)
  user.sessions--
}

/**
 * A click between two sessions whose merge would break a cap goes to the earlier one alone; the later one
 * becomes the next part after it. What lies before the last part is final.
 */
function bridgeByCut(
  state: PartitionState,
  user: User,
  at: number,
  arrival: Arrival,
  effects: Effects,
): void {
  const later = user.open[at + 1]!
  const joined = extend(state, user, at, arrival, effects)
  effects.tombstone(user, later.id, later.part)
  continueAs(later, joined)
  later.gapMs = Math.max(later.gapMs, joined.gapMs)
  user.sessions--
  closePart(user, joined, effects)
}

/** Makes the session final. */
export function closeSession(user: User, session: Session, effects: Effects): void {
  if (isBounce(session)) user.bounces++
  closePart(user, session, effects)
}

/** Makes a session final as far as it goes: it is continued by its next part, or over. */
function closePart(user: User, session: Session, effects: Effects): void {
  user.open.splice(user.open.indexOf(session), 1)
  user.closedUntilMs = Math.max(user.closedUntilMs, session.endMs + session.gapMs)
  user.sessionMsSum += partMs(session)
  effects.session(user, session)
}

/** What a part adds to the length of its session: the parts of one add up to its last click less its first. */
export function partMs(session: Session): number {
  return session.endMs - (session.part > 1 ? session.cutMs : session.startMs)
}

/** A session of one click, over as it stands. */
export function isBounce(session: Session): boolean {
  return session.clicks === 1 && session.part === 1
}

/** Sees to it that the user comes out of the heap no later than his earliest session can close, as `entry`. */
export function armClosing(state: PartitionState, user: User, entry: HeapUser = user): void {
  let earliestMs = Number.POSITIVE_INFINITY
  for (const session of user.open) earliestMs = Math.min(earliestMs, session.endMs + session.gapMs)
  if (earliestMs >= user.closeKeyMs) return
  user.closeKeyMs = earliestMs
  heapPush(state.closing, earliestMs, entry)
}

/** The sessions of the user that are final at this bound (rule 4: strictly). */
export function closable(state: PartitionState, user: User): Session[] {
  return user.open.filter(session => session.endMs + session.gapMs < state.boundMs)
}
