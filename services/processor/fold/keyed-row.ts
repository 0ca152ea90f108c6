/**
 * Users as an earlier Ebb wrote them: a JSON object each, without the ids of their open sessions. A row is written in
 * the present form when a record changes its user next.
 */
import type { Episode, Session, User } from './state.ts'

type Jsonable<T> = { [K in keyof T]: T[K] extends number ? number | null : T[K] }

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
export function restoreKeyedUser(id: string, json: string, version: number): User {
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
