/**
 * What must hold of any run (session-rule.md, "What follows"), as predicates over what went in and
 * what came out. They know neither the fold nor the model. Each gives undefined, or what is wrong.
 */
import { isAside } from './history.ts'
import { compareText } from './ids.ts'
import { type Click, flagsOf, lineOf } from './input.ts'
import { splitByGap } from './sessions.ts'

export type Run = { args: string[]; input: string[]; output: string[] }

type Fields = Record<string, unknown>
type SessionOut = {
  id: string
  userId: string
  start: number
  end: number
  clicks: number
  part: number
}

const ofKind = <Line = Fields>(run: Run, kind: string): Line[] =>
  run.output.map(line => JSON.parse(line)).flatMap(line => (line[kind] ? [line[kind]] : []))

const summaryOf = (run: Run) => ofKind<Record<string, number>>(run, 'summary')[0]!

/** Sessions with their parts put together, by (user, start). */
function wholeSessions(run: Run): Omit<SessionOut, 'part'>[] {
  const sessions = ofKind<SessionOut>(run, 'session')
  const ids = [...new Set(sessions.map(session => session.id))]
  return ids
    .map(id => {
      const parts = sessions.filter(session => session.id === id)
      return {
        id,
        userId: parts[0]!.userId,
        start: Math.min(...parts.map(part => part.start)),
        end: Math.max(...parts.map(part => part.end)),
        clicks: parts.reduce((total, part) => total + part.clicks, 0),
      }
    })
    .sort((one, other) => compareText(one.userId, other.userId) || one.start - other.start)
}

/** (a) No two final sessions of a user within the gap; the parts of a cut one count as one. */
function checkApart(run: Run): string | undefined {
  const { gapMs } = flagsOf(run.args).settings
  const sessions = wholeSessions(run)
  for (const [index, next] of sessions.entries()) {
    const last = sessions[index - 1]
    if (last && last.userId === next.userId && next.start - last.end <= gapMs)
      return `sessions of ${next.userId} at ${last.end} and ${next.start} are within the gap`
  }
  return undefined
}

/** (a) Parts count 1, 2, 3 and follow one another without overlap. */
function checkParts(run: Run): string | undefined {
  const sessions = ofKind<SessionOut>(run, 'session')
  for (const id of new Set(sessions.map(session => session.id))) {
    const parts = sessions.filter(session => session.id === id)
    for (const [index, part] of parts.entries()) {
      if (part.part !== index + 1) return `part ${part.part} of ${id} comes as number ${index + 1}`
      if (index > 0 && part.start < parts[index - 1]!.end) return `parts of ${id} overlap`
    }
  }
  return undefined
}

/** (b) Every accepted click is in exactly one session. Holds at the end of a run without erasures. */
function checkClicksOnce(run: Run): string | undefined {
  const total = wholeSessions(run).reduce((sum, session) => sum + session.clicks, 0)
  const { accepted } = summaryOf(run)
  return total === accepted ? undefined : `${accepted} accepted, ${total} in sessions`
}

const nameOf = (userId: unknown, timestamp: unknown, messageId: unknown) =>
  JSON.stringify([userId, timestamp, messageId])

/** The clicks of the input less those that the output names as something else. */
function acceptedClicks(run: Run): Click[] {
  const { serverEvents } = flagsOf(run.args)
  const refused = ['late', 'duplicate', 'quarantined'].flatMap(kind =>
    ofKind(run, kind).map(line => nameOf(line.userId, line.timestamp, line.messageId)),
  )
  return run.input.flatMap((text, index) => {
    const line = lineOf(text, index + 1)
    if (line.kind !== 'click') return []
    const { click } = line
    const at = refused.indexOf(nameOf(click.userId, click.ts, click.messageId))
    if (at >= 0) refused.splice(at, 1)
    return at >= 0 || isAside(click, serverEvents) ? [] : [click]
  })
}

/** (c) The final sessions equal a batch sessionization (sort, split, count) of the accepted clicks. */
function checkBatch(run: Run): string | undefined {
  const { gapMs } = flagsOf(run.args).settings
  const clicks = acceptedClicks(run)
  const userIds = [...new Set(clicks.map(click => click.userId))].sort(compareText)
  const batch = userIds.flatMap(userId => {
    const sorted = clicks
      .filter(click => click.userId === userId)
      .sort((one, other) => one.ts - other.ts)
    return splitByGap(sorted, gapMs).map(
      group => `${userId} ${group[0]!.ts}..${group.at(-1)!.ts} ${group.length}`,
    )
  })
  const seen = wholeSessions(run).map(
    session => `${session.userId} ${session.start}..${session.end} ${session.clicks}`,
  )
  return seen.join('\n') === batch.join('\n')
    ? undefined
    : `sessions\n${seen.join('\n')}\nin batch\n${batch.join('\n')}`
}

/** (d) received = accepted + late + aside + duplicate + quarantined + dead, and each is as printed. */
function checkAccounting(run: Run): string | undefined {
  const summary = summaryOf(run)
  const parts = ['accepted', 'late', 'aside', 'duplicate', 'quarantined', 'dead']
  const total = parts.reduce((sum, part) => sum + summary[part]!, 0)
  if (total !== summary.received) return `received ${summary.received}, parts give ${total}`
  for (const kind of ['late', 'duplicate', 'quarantined', 'dead'])
    if (summary[kind] !== ofKind(run, kind).length) return `summary.${kind} is ${summary[kind]}`
  if (summary.sessions !== ofKind(run, 'session').length) return 'summary.sessions is wrong'
  if (summary.alerts !== ofKind(run, 'alert').length) return 'summary.alerts is wrong'
  const lines = run.input.filter(text => text.trim() !== '')
  if (summary.lines !== lines.length) return 'summary.lines is wrong'
  const meant = lines.filter(text => ['click', 'dead'].includes(lineOf(text, 0).kind))
  return summary.received === meant.length ? undefined : 'summary.received is wrong'
}

/** Bounds and counts of the sessions: what must not depend on the order of arrival (e). */
export const boundsOf = (run: Run): string[] =>
  wholeSessions(run).map(({ userId, start, end, clicks }) => `${userId} ${start} ${end} ${clicks}`)

/** The clock after each line; settings do not change it. */
export function clocksOf(run: Pick<Run, 'args' | 'input'>): number[] {
  const flags = flagsOf(run.args)
  let clock = Number.NEGATIVE_INFINITY
  return run.input.map((text, index) => {
    const line = lineOf(text, index + 1)
    let time: number | null = null
    if (line.kind === 'tick' || line.kind === 'live') time = line.time
    if (line.kind === 'click') {
      const { ts, imported, receivedAt, logTime } = line.click
      const arrival = flags.clock === 'log' ? logTime : receivedAt
      const isFuture = arrival !== null && ts > arrival + flags.settings.skewMs
      const byClock = { event: ts, arrival: receivedAt, log: logTime, ticks: null }
      const own = imported && flags.clock !== 'ticks' ? ts : byClock[flags.clock]
      time = isFuture ? null : own
    }
    clock = Math.max(clock, time ?? clock)
    return clock
  })
}

/**
 * (f) Late with reason `bound` implies timestamp < clock - disorder - lateness at that line; `by` says
 * how much. A late line is matched to the last line it can stand for, and so down to the first.
 */
function checkLateBehindBound(run: Run): string | undefined {
  const { disorderMs, latenessMs } = flagsOf(run.args).settings
  const clocks = clocksOf(run)
  let index = run.input.length
  for (const late of ofKind(run, 'late').toReversed()) {
    const name = nameOf(late.userId, late.timestamp, late.messageId)
    for (index--; index >= 0; index--) {
      const line = lineOf(run.input[index]!, index + 1)
      if (line.kind !== 'click') continue
      if (nameOf(line.click.userId, line.click.ts, line.click.messageId) === name) break
    }
    if (index < 0) return `late ${name} is not in the input`
    const bound = clocks[index]! - disorderMs - latenessMs
    if (late.reason === 'bound' && Number(late.timestamp) >= bound)
      return `late ${name} is not behind the bound ${bound}`
  }
  return undefined
}

type AlertOut = {
  id: string
  message: string
  rule: string
  userId: string
  status: string
  since: number
  due: number
  threshold: number
  covers: number[]
}

/** Alert-rule.md 1, 3, 4: what any run's alerts keep, whoever worked them out. */
function checkAlerts(run: Run): string | undefined {
  const alerts = ofKind<AlertOut>(run, 'alert')
  const messages = alerts.map(alert => alert.message)
  if (new Set(messages).size !== messages.length) return 'a message comes twice'
  for (const [index, alert] of alerts.entries()) {
    const earlier = alerts.slice(0, index).filter(one => one.id === alert.id)
    const highest = Math.max(Number.NEGATIVE_INFINITY, ...earlier.map(one => one.threshold))
    const isEnd = alert.status === 'resolved' || alert.status === 'cancelled'
    if (alert.due !== alert.since + alert.threshold) return `${alert.message}: due is wrong`
    if (earlier.some(one => one.status === 'resolved' || one.status === 'cancelled'))
      return `${alert.message}: the episode had ended`
    if (isEnd && alert.threshold !== highest) return `${alert.message}: not the highest step`
    if (!isEnd && alert.threshold <= highest) return `${alert.message}: not above ${highest}`
    if (alert.covers.some(one => one <= highest || one >= alert.threshold))
      return `${alert.message}: covers what it does not stand for`
  }
  return undefined
}

type Check = (run: Run) => string | undefined

/** Of whole runs (flushed) under constant settings and without erasures. */
export const sessionChecks: Record<string, Check> = {
  'no two final sessions of a user within the gap': checkApart,
  'parts count up and do not overlap': checkParts,
  'every accepted click in exactly one session': checkClicksOnce,
  'the final sessions equal a batch sessionization of the accepted clicks': checkBatch,
  'late by bound is behind the bound': checkLateBehindBound,
}

/** Of any run. */
export const runChecks: Record<string, Check> = {
  'received = accepted + late + aside + duplicate + quarantined + dead': checkAccounting,
  'an episode records rising thresholds, once each, and ends once': checkAlerts,
}
