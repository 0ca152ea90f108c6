/**
 * The body of a webhook. Pure, so that the fold can call it: equal facts give equal bytes on every
 * machine, whatever order the caller's objects were built in. It carries no secret.
 */
import { assert } from '../base/errors.ts'

/** Holds by the limits of ids, of steps and of the number of signals, and by textUnitsMax. */
export const alertBodyBytesMax = 20_000

/** A text signal is somebody's input, an event's name say, as long as a click may be: here it is cut. */
const textUnitsMax = 200

/** Times are epoch ms; `since`, `due`, `tier` and `value90` are those frozen with the episode. */
export interface AlertFacts {
  readonly project: string
  readonly alertId: string
  readonly messageId: string
  readonly ruleId: string
  readonly ruleVersion: number
  readonly userId: string
  /** Only these two are ever sent. */
  readonly status: 'fired' | 'resolved'
  /** Of a resolved one, null on fired: the key is then left out of the body. */
  readonly reason: 'returned' | 'late' | null
  readonly sinceMs: number
  readonly dueMs: number
  readonly thresholdMs: number
  /** The lower thresholds that this one stands for, as the alert names them. */
  readonly coversMs: readonly number[]
  readonly tier: string | null
  /** In the project's currency, at most 4 decimals; null where nothing is known. */
  readonly value90: number | null
  /** The partition's clock at the record that made the alert. */
  readonly clockMs: number
  /** By the names they get in the body; null is unknown. They are written in the order of their names. */
  readonly signals: Readonly<Record<string, number | string | null>>
}

/** By code units, the same on every machine; a locale would not be. */
function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function shortSignal([name, value]: readonly [string, number | string | null]) {
  const isLong = typeof value === 'string' && value.length > textUnitsMax
  // The cut may go through a pair of surrogates.
  return [name, isLong ? `${value.slice(0, textUnitsMax).toWellFormed()}…` : value] as const
}

function isoTime(epochMs: number): string {
  return new Date(epochMs).toISOString()
}

/** JSON in Standard Webhooks' shape: type, timestamp, data. The order of keys is fixed. */
export function alertBody(facts: AlertFacts): string {
  const body = JSON.stringify({
    type: facts.status === 'fired' ? 'user.quiet' : 'user.returned',
    timestamp: isoTime(facts.clockMs),
    data: {
      alert_id: facts.alertId,
      message_id: facts.messageId,
      project: facts.project,
      rule: { id: facts.ruleId, version: facts.ruleVersion },
      user_id: facts.userId,
      status: facts.status,
      ...(facts.reason === null ? {} : { reason: facts.reason }),
      since: isoTime(facts.sinceMs),
      due: isoTime(facts.dueMs),
      threshold_ms: facts.thresholdMs,
      covers_ms: facts.coversMs,
      tier: facts.tier,
      value_90d: facts.value90,
      signals: Object.fromEntries(Object.entries(facts.signals).map(shortSignal).sort(byName)),
    },
  })
  assert(Buffer.byteLength(body) < alertBodyBytesMax, 'an alert is smaller than alertBodyBytesMax')
  return body
}
