/**
 * I4 while endpoints change: a request goes where the endpoint is when it is begun, or was a second before, signed with
 * the secret that it has then, and nowhere once it is removed or disabled.
 */
import { endpointsAgeMsMax } from '../../../services/webhooks/book.ts'
import { unseal } from '../../../services/webhooks/secrets.ts'
import { signatureFault } from '../../../services/webhooks/signature.ts'
import { endpointId, secretKey } from '../endpoints.ts'
import type { Evidence } from '../evidence.ts'
import type { Received } from '../receivers.ts'
import { startMs } from '../virtual-time.ts'

/** How an endpoint stands from a moment on. */
interface Revision {
  readonly fromMs: number
  readonly number: number
  readonly url: string
  /** Null: nothing is to be sent to it. */
  readonly secret: string | null
}

export function revisionsOf({
  inserts,
  plan,
}: Pick<Evidence, 'inserts' | 'plan'>): Map<string, Revision[]> {
  // A table that is put back goes on from a number of before.
  const isPutBack = plan.faults.some(({ kind }) => kind === 'backup')
  const revisions = new Map<string, Revision[]>()
  for (const { atMs, table, rows } of inserts)
    for (const row of table === 'endpoints' ? rows : []) {
      const id = String(row.endpoint_id)
      const before = revisions.get(id) ?? []
      const number = Number(row.revision)
      if (!isPutBack && number < (before.at(-1)?.number ?? 0)) continue
      const isOff = Boolean(row.removed) || Boolean(row.disabled)
      const secret = isOff ? null : unseal(secretKey, id, String(row.secret))
      revisions.set(id, [...before, { fromMs: atMs, number, url: String(row.url), secret }])
    }
  return revisions
}

export function checkEndpoints(evidence: Evidence): string[] {
  const revisions = revisionsOf(evidence)
  return evidence.received.flatMap(request => {
    const all = revisions.get(endpointId(request.endpoint)) ?? []
    const sinceMs = request.sentAtMs - slackMs(evidence, request)
    const possible = all.filter(
      ({ fromMs }, at) =>
        fromMs <= request.sentAtMs && (all[at + 1]?.fromMs ?? Number.POSITIVE_INFINITY) > sinceMs,
    )
    const fault = requestFault(request, possible)
    const { headers, endpoint, sentAtMs } = request
    return fault
      ? [
          `I4: message ${headers['webhook-id']} to ${endpoint}, begun at ${Math.floor(sentAtMs)} ms, ${fault}`,
        ]
      : []
  })
}

/** How old the endpoint may be that a request goes by. */
function slackMs({ plan }: Evidence, { by }: Received): number {
  // A table that is put back has older endpoints.
  if (plan.faults.some(({ kind }) => kind === 'backup')) return Number.POSITIVE_INFINITY
  const own = plan.faults.filter(fault => 'service' in fault && by.startsWith(`${fault.service}#`))
  let slack = endpointsAgeMsMax
  // That a machine was suspended shows in its wall clock alone, unless that one was set back.
  if (own.some(fault => fault.kind === 'skew'))
    for (const fault of own) if (fault.kind === 'still' && fault.suspended) slack += fault.forMs
  return slack
}

function requestFault(request: Received, possible: readonly Revision[]): string | undefined {
  const open = possible.filter(({ secret }) => secret !== null)
  if (open.length === 0) return 'was sent to an endpoint that is off'
  const there = open.filter(({ url }) => url === request.url)
  if (there.length === 0) return `was sent to ${request.url}, where the endpoint is no longer`
  const secrets = there.map(({ secret }) => String(secret))
  const { headers, body, atMs } = request
  const given = { headers: { ...headers }, body: Buffer.from(body), wallMs: startMs + atMs }
  const fault = signatureFault({ secrets, ...given })
  return fault ? `is not signed: ${fault}` : undefined
}
