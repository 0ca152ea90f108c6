/**
 * I4, delivery: every alert to be sent reached each endpoint, or its delivery says why not; nothing else was sent;
 * every request carried the body that is on the log; and what came twice had a reason.
 */
import type { AlertRecord } from '../../../services/log/record.ts'
import { endings } from '../../../services/webhooks/verdict.ts'
import type { Row } from '../clickhouse/tables.ts'
import { endpointId } from '../endpoints.ts'
import type { Evidence } from '../evidence.ts'
import { webhookSettings } from '../services.ts'
import { alertsOn } from './alerts.ts'
import { erasuresOn } from './erasures.ts'

export function checkDeliveries(evidence: Evidence): string[] {
  const sent = new Map(
    alertsOn(evidence.topics).flatMap(({ alert }) =>
      alert.send ? [[alert.messageId, alert]] : [],
    ),
  )
  const erased = erasuresOn(evidence.topics)
  const bodies = Map.groupBy(
    alertsOn(evidence.topics).filter(({ alert }) => alert.send),
    ({ alert }) => alert.messageId,
  )
  return [
    ...checkRequests(evidence, bodies),
    ...checkEnds(
      evidence,
      [...sent.values()].filter(({ userId }) => !erased.has(userId)),
    ),
    ...checkRepeats(evidence),
  ]
}

function checkRequests(
  { received }: Evidence,
  bodies: ReadonlyMap<string, readonly { readonly alert: AlertRecord }[]>,
): string[] {
  return received.flatMap(({ headers, body }) => {
    const id = headers['webhook-id']!
    if (bodies.get(id) === undefined) return [`I4: message ${id} was sent and is not on the log`]
    if (!bodies.get(id)!.some(({ alert }) => alert.body === body))
      return [`I4: message ${id} was sent with another body`]
    return []
  })
}

function checkEnds(evidence: Evidence, alerts: readonly AlertRecord[]): string[] {
  const { plan, tables, received } = evidence
  const latest = new Map<string, Row>()
  for (const row of tables.rows('deliveries')) {
    const key = `${row.message_id} ${row.endpoint_id}`
    const before = latest.get(key)
    if (!before || saysMore(row, before)) latest.set(key, row)
  }
  const taken = new Set(
    received
      .filter(({ code }) => code >= 200 && code < 300)
      .map(({ headers, endpoint }) => `${headers['webhook-id']} ${endpointId(endpoint)}`),
  )
  // Tables that were put back have forgotten attempts.
  const isPutBack = plan.faults.some(({ kind }) => kind === 'backup')
  const off = new Set(
    tables.rows('endpoints').flatMap(row => (row.disabled || row.removed ? [row.endpoint_id] : [])),
  )
  const wrong: string[] = []
  for (const { messageId } of alerts)
    for (let endpoint = 1; endpoint <= plan.endpoints; endpoint++) {
      const key = `${messageId} ${endpointId(endpoint)}`
      const [row, isTaken] = [latest.get(key), taken.has(key)]
      const fault =
        endFault(row, isTaken, off.has(endpointId(endpoint))) ??
        (isTaken && !isPutBack ? silenceFault(row) : undefined)
      if (fault) wrong.push(`I4: ${key} ${fault}`)
    }
  return isPutBack ? wrong : [...wrong, ...checkReturns(evidence, alerts, latest, taken)]
}

/** Who was told of a silence hears of its end, and nobody else does. */
function checkReturns(
  { plan }: Evidence,
  alerts: readonly AlertRecord[],
  latest: ReadonlyMap<string, Row>,
  taken: ReadonlySet<string>,
): string[] {
  const silences = Map.groupBy(
    alerts.filter(({ status }) => status === 'fired'),
    ({ alertId }) => alertId,
  )
  const wrong: string[] = []
  for (const { messageId, alertId, status } of alerts)
    for (let endpoint = 1; status === 'resolved' && endpoint <= plan.endpoints; endpoint++) {
      const keyOf = (id: string) => `${id} ${endpointId(endpoint)}`
      const row = latest.get(keyOf(messageId))
      const steps = (silences.get(alertId) ?? []).map(step => keyOf(step.messageId))
      const rows = steps.map(key => latest.get(key)).filter(row => row !== undefined)
      if (row && isVoid(row) && steps.some(key => taken.has(key)))
        wrong.push(`I4: ${keyOf(messageId)} is called void, and the silence was told`)
      if (taken.has(keyOf(messageId)) && rows.length > 0 && rows.every(isUnsaid))
        wrong.push(`I4: ${keyOf(messageId)} was sent, and no step of the silence was`)
    }
  return wrong
}

function isVoid({ status, error }: Row): boolean {
  return status === 'cancelled' && error === endings.returned.error
}

function isUnsaid(row: Row): boolean {
  return row.attempt === 0 && (row.status === 'stale' || isVoid(row))
}

/** What was delivered is delivered, what has ended has ended; else a later attempt is newer. */
function saysMore(row: Row, before: Row): boolean {
  const rankOf = ({ status, next_at }: Row) =>
    status === 'delivered' ? 2 : next_at === null ? 1 : 0
  const more = rankOf(row) - rankOf(before)
  return more > 0 || (more === 0 && Number(before.attempt) <= Number(row.attempt))
}

/** What is wrong with the end of a delivery. */
function endFault(row: Row | undefined, taken: boolean, off: boolean): string | undefined {
  if (!row) return off ? undefined : 'has no delivery'
  if (row.next_at !== null) return `is still ${row.status}`
  switch (row.status) {
    case 'delivered':
      return taken ? undefined : 'is called delivered, and nobody got it'
    case 'dead':
      return off || row.attempt === webhookSettings.scheduleMs.length
        ? undefined
        : `is dead after ${row.attempt} attempts: ${row.error}`
    case 'cancelled':
    case 'stale':
      return undefined
    default:
      return `ended as ${row.status}`
  }
}

/**
 * What is wrong with the end of a delivery that was taken: who was told of a silence is to hear of its end, even if
 * whoever told him died before that was stored.
 */
function silenceFault(row: Row | undefined): string | undefined {
  if (row?.status === 'stale') return 'was taken, and is called too old for a first attempt'
  return row && isVoid(row) ? 'was taken, and is called void, as the user returned' : undefined
}

/** A message that an endpoint has taken comes again only where nobody could know that it had. */
function checkRepeats({ received, disturbances, excusedRepeats, plan }: Evidence): string[] {
  const times = new Map<string, number>()
  let unheard = 0
  for (const one of received) {
    if (one.code < 200 || one.code > 299) continue
    if (one.unheard) unheard++
    const key = `${one.headers['webhook-id']} ${one.endpoint}`
    times.set(key, (times.get(key) ?? 0) + 1)
  }
  let repeats = 0
  for (const count of times.values()) repeats += count - 1
  const { endpointMax, unstoredMax } = webhookSettings
  const allowed =
    unheard + excusedRepeats + disturbances * (unstoredMax + endpointMax * plan.endpoints)
  return repeats > allowed
    ? [`I4: ${repeats} messages came again, and ${allowed} may have been under way`]
    : []
}
