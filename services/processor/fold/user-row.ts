/**
 * A user as the JSON list that his row keeps, and back. Facts only: heap entries follow from facts and rules. JSON
 * knows no NaN and no Infinity: they become null, and each field knows which of the two it means.
 */
import type { ActiveDays } from './days.ts'
import {
  enterList,
  isNull,
  leaveList,
  readFrom,
  readIdleList,
  readList,
  readName,
  readNumber,
  readText,
} from './json-bytes.ts'
import { restoreKeyedUser } from './keyed-row.ts'
import type { LedgerEntry } from './money.ts'
import type { DayCount, Episode, Session, User } from './state.ts'

/**
 * A row keeps the ids of a session up to so many clicks. Those of longer ones are read back from the table `clicks`:
 * they would be written again with every click.
 */
export const idsInRowMax = 64

// Shared by all users who have none: replaced, never changed in place.
export const noSegments: readonly string[] = []
export const noScores: Readonly<Record<string, number>> = {}

/** The row as JSON; it begins with 1 where ids have to be read back, else with 0. */
export function snapshotUser(user: User): string {
  const { days } = user
  return JSON.stringify([
    user.open.some(isLong) ? 1 : 0,
    user.open.map(listOfSession),
    user.closedUntilMs,
    user.clicks,
    user.sessions,
    user.sessionMsSum,
    user.bounces,
    user.firstSeenMs,
    user.lastSeenMs,
    user.lastEvent,
    user.lastPurchaseMs,
    user.purchaseDays,
    [days.newest, days.bits0, days.bits1, days.bits2],
    user.dayCounts.map(listOfDayCount),
    user.ledger.map(listOfEntry),
    user.returnedMs,
    user.segments,
    Object.entries(user.scores),
    user.activityValueMinor,
    user.purchaseValueMinor,
    user.activityHigh ? 1 : 0,
    user.purchaseHigh ? 1 : 0,
    Array.from(user.episodes, listOfEpisode),
  ])
}

function isLong(session: Session): boolean {
  return session.clicks > idsInRowMax
}

function listOfSession(session: Session): unknown[] {
  return [
    session.id,
    session.openOffset,
    session.part,
    session.cutMs,
    session.startMs,
    session.endMs,
    session.clicks,
    session.firstEvent,
    session.lastEvent,
    session.valueMinor,
    session.gapMs,
    // In one order, whatever merges and restores did to theirs: equal states are equal rows.
    isLong(session) ? null : session.ids.toSorted((left, right) => left - right),
    session.beforeCut ?? null,
  ]
}

function listOfDayCount({ day, clicks, orders, valueMinor, refundsMinor }: DayCount): unknown[] {
  return [day, clicks, orders, valueMinor, refundsMinor]
}

function listOfEntry({ key, order, timeMs, amountMinor, refunds }: LedgerEntry): unknown[] {
  return [key, order ? 1 : 0, timeMs, amountMinor, refunds]
}

function listOfEpisode([ruleId, episode]: [string, Episode]): unknown[] {
  return [
    ruleId,
    episode.sinceMs,
    episode.kind,
    episode.recordedMs,
    episode.dueMs,
    episode.version,
    episode.cancelled ? 1 : 0,
    episode.firedDueMs,
    episode.coolDueMs,
    episode.subjectMs,
  ]
}

/** The user from the JSON of his row; not all of his open sessions may have their ids (`hasIds`). */
export function restoreUser(id: string, json: string, version: number): User {
  const bytes = Buffer.from(json)
  return isKeyed(bytes, 0) ? restoreKeyedUser(id, json, version) : readUser(id, bytes, 0, version)
}

/** Whether the JSON that begins there was written by an earlier Ebb: an object, without ids. */
export function isKeyed(bytes: Buffer, at: number): boolean {
  return bytes[at] === openBrace
}

const openBrace = 0x7b

/** Whether the row that begins there, not keyed, has the ids of all its open sessions. */
export function hasAllIds(bytes: Buffer, at: number): boolean {
  return bytes[at + 1] === zero
}

const zero = 0x30

/** As `restoreUser`, from bytes in which the JSON begins at `at` and is not keyed. */
export function readUser(id: string, bytes: Buffer, at: number, version: number): User {
  readFrom(bytes, at, 'nothing')
  return readFacts(id, version)
}

/** The user as far as it decides when he is due, in a fraction of the time: without names, click ids, days and orders. */
export function readDueFacts(bytes: Buffer, at: number, version: number): User {
  readFrom(bytes, at, 'idle')
  return readFacts('', version)
}

function readFacts(id: string, version: number): User {
  enterList()
  readNumber()
  // Every field by name and in createUser's order, which is that of the row: one shape for all users.
  const user: User = {
    id,
    open: readList(readSession),
    closedUntilMs: readLowest(),
    clicks: readNumber(),
    sessions: readNumber(),
    sessionMsSum: readNumber(),
    bounces: readNumber(),
    firstSeenMs: readNumber(),
    lastSeenMs: readNumber(),
    lastEvent: readName(),
    lastPurchaseMs: readNumber(),
    purchaseDays: readList(readNumber),
    days: readDays(),
    dayCounts: readIdleList(readDayCount),
    ledger: readIdleList(readEntry),
    returnedMs: readNumber(),
    segments: readSegments(),
    scores: readScores(),
    activityValueMinor: readNumber(),
    purchaseValueMinor: readNumber(),
    activityHigh: readNumber() === 1,
    purchaseHigh: readNumber() === 1,
    episodes: new Map(readList(readEpisode)),
    closeKeyMs: Number.POSITIVE_INFINITY,
    timerKeyMs: Number.POSITIVE_INFINITY,
    version,
    dirty: false,
    erased: false,
  }
  leaveList()
  return user
}

/** Whether the session came with the ids of its clicks. */
export function hasIds(session: Session): boolean {
  return session.ids.length === session.clicks
}

function readLowest(): number {
  const value = readNumber()
  return Number.isNaN(value) ? Number.NEGATIVE_INFINITY : value
}

function readSession(): Session {
  enterList()
  const session: Session = {
    id: readName(),
    openOffset: readNumber(),
    part: readNumber(),
    cutMs: readLowest(),
    startMs: readNumber(),
    endMs: readNumber(),
    clicks: readNumber(),
    firstEvent: readName(),
    lastEvent: readName(),
    valueMinor: readNumber(),
    gapMs: readNumber(),
    ids: isNull() ? [] : readIdleList(readNumber),
  }
  if (!isNull()) session.beforeCut = readIdleList(readNumber)
  leaveList()
  return session
}

function readDays(): ActiveDays {
  enterList()
  const days = {
    newest: readNumber(),
    bits0: readNumber(),
    bits1: readNumber(),
    bits2: readNumber(),
  }
  leaveList()
  return days
}

function readDayCount(): DayCount {
  enterList()
  const count = {
    day: readNumber(),
    clicks: readNumber(),
    orders: readNumber(),
    valueMinor: readNumber(),
    refundsMinor: readNumber(),
  }
  leaveList()
  return count
}

function readEntry(): LedgerEntry {
  enterList()
  const entry = {
    key: readName(),
    order: readNumber() === 1,
    timeMs: readNumber(),
    amountMinor: readNumber(),
    refunds: readList(readName),
  }
  leaveList()
  return entry
}

function readSegments(): readonly string[] {
  const segments = readList(readText)
  return segments.length === 0 ? noSegments : segments
}

function readScores(): Readonly<Record<string, number>> {
  const scores = readList(readScore)
  return scores.length === 0 ? noScores : Object.fromEntries(scores)
}

function readScore(): [string, number] {
  enterList()
  const score: [string, number] = [readText(), readNumber()]
  leaveList()
  return score
}

function readEpisode(): [string, Episode] {
  enterList()
  const ruleId = readText()
  const episode: Episode = {
    sinceMs: readNumber(),
    kind: readText() === 'purchase' ? 'purchase' : 'activity',
    recordedMs: readNumber(),
    dueMs: readNumber(),
    version: readNumber(),
    cancelled: readNumber() === 1,
    firedDueMs: readNumber(),
    coolDueMs: readNumber(),
    subjectMs: readNumber(),
  }
  leaveList()
  return [ruleId, episode]
}
