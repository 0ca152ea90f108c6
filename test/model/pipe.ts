/**
 * `ebb pipe` as the model has it: "What happens to a line, in this order" (pipe.md), step by step, over
 * sessions.ts, alerts.ts and signals.ts. Slow on purpose; takes lines and flags, gives lines.
 */
import * as alertRule from './alerts.ts'
import {
  emptyHistory,
  type History,
  isAside,
  isRefund,
  newOrder,
  newRefund,
  valueWindowMs,
} from './history.ts'
import { compareText } from './ids.ts'
import { type Click, type Flags, flagsOf, type Line, lineOf, type Settings } from './input.ts'
import { readings } from './readings.ts'
import { compareClosing, isFinal, judge, sessionLine, sessionsOf } from './sessions.ts'
import { userLine } from './signals.ts'

type Counts = {
  lines: number
  received: number
  accepted: number
  late: number
  aside: number
  duplicate: number
  quarantined: number
  dead: number
  sessions: number
  alerts: number
}

type World = {
  flags: Flags
  settings: Settings
  /** Minus infinity until something moves it. */
  clock: number
  /** L: never goes back, whatever the settings say. */
  bound: number
  /** Import: timers are held from the first imported click, and never again once that is over. */
  hold: 'not yet' | 'on' | 'over'
  at: number
  users: Map<string, History>
  alerts: alertRule.Alerts
  printedSessions: Set<string>
  counts: Counts
  out: string[]
}

const watermarkOf = (world: World) => world.clock - world.settings.disorderMs

function historyOf(world: World, userId: string): History {
  const history = world.users.get(userId) ?? emptyHistory(userId)
  world.users.set(userId, history)
  return history
}

/** Later than arrival + skew; without an arrival, never. Null: it is not. */
function quarantineOf(world: World, click: Click): 'future' | 'past' | null {
  const arrival = world.flags.clock === 'log' ? click.logTime : click.receivedAt
  if (arrival === null) return null
  if (click.ts > arrival + world.settings.skewMs) return 'future'
  const isPast = !click.imported && click.ts < arrival - valueWindowMs
  if (isPast && world.flags.clock === 'log' && readings.quarantinesPastUnderLog) return 'past'
  return null
}

/** To where a line moves the clock; null: it does not. */
function clockTimeOf(line: Line, clock: Flags['clock']): number | null {
  if (line.kind === 'tick' || line.kind === 'live') return line.time
  if (line.kind !== 'click' || clock === 'ticks') return null
  if (line.click.imported || clock === 'event') return line.click.ts
  return clock === 'arrival' ? line.click.receivedAt : line.click.logTime
}

function updateBound(world: World): void {
  const { disorderMs, latenessMs } = world.settings
  world.bound = Math.max(world.bound, world.clock - disorderMs - latenessMs)
}

function printFinalSessions(world: World, bound: number): void {
  const sessions = [...world.users.values()]
    .flatMap(history => sessionsOf(history.userId, history.sessions))
    .filter(session => isFinal(session, bound))
    .sort(compareClosing)
  for (const session of sessions) {
    const key = `${session.opening.line}/${session.part}`
    if (world.printedSessions.has(key)) continue
    world.printedSessions.add(key)
    world.out.push(sessionLine(session))
    world.counts.sessions++
  }
}

function printAlerts(world: World, lines: string[]): void {
  world.out.push(...lines)
  world.counts.alerts += lines.length
}

function fireTimers(world: World, isRuleOrModel: boolean): void {
  if (world.hold === 'on') return
  const options = { at: world.at, watermark: watermarkOf(world), isRuleOrModel }
  printAlerts(world, alertRule.fire(world.alerts, [...world.users.values()], options))
  world.at++
}

function updateHold(world: World, line: Line): void {
  const isImported = line.kind === 'click' && line.click.imported
  if (isImported && world.hold === 'not yet') world.hold = 'on'
  if (line.kind === 'live' && !readings.holdsAfterLive) world.hold = 'over'
  const isEnd = ['live', 'tick', 'click'].includes(line.kind) && !isImported
  if (isEnd && world.hold === 'on') world.hold = 'over'
}

/** Step 4 for a click. */
function foldClick(world: World, click: Click): void {
  const history = historyOf(world, click.userId)
  const { at, settings, counts, out } = world
  if (isAside(click, world.flags.serverEvents)) {
    counts.aside++
    const refund = isRefund(click) ? newRefund(history, click, world.clock) : null
    if (refund) history.refunds.push({ at, ...refund })
    return
  }
  const order = newOrder(history, click, world.clock)
  const bound = world.bound
  const verdict = judge(history.sessions, click, order?.amount ?? 0, { settings, bound })
  counts[verdict.verdict]++
  const { userId, ts, messageId, event, line } = click
  const named = { userId, timestamp: ts, messageId }
  if (verdict.verdict === 'duplicate') {
    out.push(JSON.stringify({ duplicate: named }))
    return
  }
  if (verdict.verdict === 'late') {
    const { by, reason } = verdict
    out.push(JSON.stringify({ late: { ...named, by, reason } }))
  }
  // Activity and money of late clicks count all the same.
  if (order) history.orders.push({ at, ...order })
  const isPurchase = order !== null
  history.activities.push({ at, line, ts, event, isPurchase, gapMs: settings.gapMs })
  printFinalSessions(world, bound)
  printAlerts(world, alertRule.resolve(world.alerts, history))
}

/** Step 4 for everything else. */
function applyRecord(world: World, line: Line): void {
  const { alerts, at } = world
  const users = [...world.users.values()]
  if (line.kind === 'rule') alerts.ruleLog.push({ id: line.rule.id, rule: line.rule })
  if (line.kind === 'removed') printAlerts(world, alertRule.remove(alerts, users, line.id))
  if (line.kind === 'cutoffs') alerts.cutoffsLog.push({ at, cutoffs: line.cutoffs })
  if (line.kind === 'model') alerts.model = line.model
  if (line.kind === 'audience') historyOf(world, line.userId).segments = line.segments
  if (line.kind === 'settings') {
    world.settings = { ...world.settings, ...line.settings }
    updateBound(world)
    printFinalSessions(world, world.bound)
  }
  if (line.kind === 'erase') {
    world.users.delete(line.userId)
    alertRule.forget(alerts, line.userId)
  }
}

function takeLine(world: World, text: string, n: number): void {
  // 1. It is parsed; dead or quarantined lines end here.
  const line = lineOf(text, n)
  const { counts, out } = world
  if (line.kind === 'blank') return
  counts.lines++
  if (line.kind === 'dead') {
    counts.dead++
    out.push(JSON.stringify({ dead: { line: n, reason: line.reason } }))
    return
  }
  const reason = line.kind === 'click' ? quarantineOf(world, line.click) : null
  if (line.kind === 'click' && reason) {
    counts.quarantined++
    const { userId, ts, messageId } = line.click
    const named = { userId, timestamp: ts, messageId }
    out.push(JSON.stringify({ quarantined: { ...named, reason } }))
    return
  }
  // 2. It moves the clock, if it may.
  const time = clockTimeOf(line, world.flags.clock)
  if (time !== null) world.clock = Math.max(world.clock, time)
  updateBound(world)
  updateHold(world, line)
  // 3. All that is now due happens: sessions, then timers.
  printFinalSessions(world, world.bound)
  fireTimers(world, false)
  // 4. It is folded, and what it makes due happens at once.
  if (line.kind === 'click') foldClick(world, line.click)
  else applyRecord(world, line)
  world.at++
  const isRuleOrModel = ['rule', 'removed', 'model'].includes(line.kind)
  fireTimers(world, isRuleOrModel)
  const options = { watermark: watermarkOf(world), isRuleOrModel }
  alertRule.noteAnswers(world.alerts, [...world.users.values()], options)
}

/** The output lines for the input lines, which may be texts or parsed objects. */
export function runModel(lines: Iterable<string | object>, args: string[]): string[] {
  const flags = flagsOf(args)
  const world: World = {
    flags,
    settings: flags.settings,
    clock: Number.NEGATIVE_INFINITY,
    bound: Number.NEGATIVE_INFINITY,
    hold: 'not yet',
    at: 0,
    users: new Map(),
    alerts: alertRule.emptyAlerts(),
    printedSessions: new Set(),
    counts: {
      lines: 0,
      received: 0,
      accepted: 0,
      late: 0,
      aside: 0,
      duplicate: 0,
      quarantined: 0,
      dead: 0,
      sessions: 0,
      alerts: 0,
    },
    out: [],
  }
  world.alerts.ruleLog.push(...flags.rules.map(rule => ({ id: rule.id, rule })))
  let n = 0
  for (const line of lines)
    takeLine(world, typeof line === 'string' ? line : JSON.stringify(line), ++n)

  if (flags.flush) printFinalSessions(world, Number.POSITIVE_INFINITY)
  if (flags.signals)
    for (const userId of [...world.users.keys()].sort(compareText)) {
      const history = world.users.get(userId)!
      const text = userLine(history, world.clock, world.alerts.cutoffsLog)
      if (text) world.out.push(text)
    }
  if (flags.summary) {
    const { counts } = world
    counts.received =
      counts.accepted +
      counts.late +
      counts.aside +
      counts.duplicate +
      counts.quarantined +
      counts.dead
    world.out.push(JSON.stringify({ summary: counts }))
  }
  return world.out
}
