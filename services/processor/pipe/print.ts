/** The output lines of `ebb pipe`, exactly as documented: one JSON object each. */
import type { Click } from '../../log/record.ts'
import type { Alert, Effects, LateReason } from '../fold/effects.ts'
import type { Signals } from '../fold/signals.ts'
import type { Session, User } from '../fold/state.ts'

/** What `--summary` counts. */
export interface Summary {
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

export function createSummary(): Summary {
  return {
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
  }
}

/** Minor units as decimals of the currency: 1/10000 is exact to 4 places. */
function amount(minor: number): number {
  return minor / 10_000
}

export function sessionLine(user: User, session: Session): string {
  return JSON.stringify({
    session: {
      id: session.id,
      userId: user.id,
      start: session.startMs,
      end: session.endMs,
      clicks: session.clicks,
      final: true,
      part: session.part,
      first: session.firstEvent,
      last: session.lastEvent,
      value: amount(session.valueMinor),
    },
  })
}

export function alertLine(alert: Alert): string {
  return JSON.stringify({
    alert: {
      id: alert.id,
      message: alert.message,
      rule: alert.rule.id,
      version: alert.version,
      userId: alert.user.id,
      status: alert.status,
      since: alert.sinceMs,
      due: alert.dueMs,
      threshold: alert.thresholdMs,
      covers: alert.coversMs,
      reason: alert.reason,
    },
  })
}

export function userLine(signals: Signals): string {
  const { value90Minor, ...rest } = signals
  const user: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(rest)) {
    user[key] = value
    if (key === 'orders90') user.value90 = value90Minor === null ? null : amount(value90Minor)
  }
  return JSON.stringify({ user })
}

/** Effects as lines, counted on the way. `messageId()` is the id of the click being folded. */
export function printEffects(
  print: (line: string) => void,
  summary: Summary,
  messageId: () => string,
): Effects {
  const named = (click: Click) => ({
    userId: click.userId,
    timestamp: click.timestampMs,
    messageId: messageId(),
  })
  return {
    session(user, session) {
      summary.sessions++
      print(sessionLine(user, session))
    },
    tombstone() {},
    accepted() {
      summary.accepted++
    },
    late(click, byMs: number, reason: LateReason) {
      summary.late++
      print(JSON.stringify({ late: { ...named(click), by: byMs, reason } }))
    },
    aside() {
      summary.aside++
    },
    duplicate(click) {
      summary.duplicate++
      print(JSON.stringify({ duplicate: named(click) }))
    },
    quarantined(click, reason) {
      summary.quarantined++
      print(JSON.stringify({ quarantined: { ...named(click), reason } }))
    },
    alert(alert) {
      summary.alerts++
      print(alertLine(alert))
    },
    dayDone() {},
    oldDay() {},
    erased() {},
  }
}
