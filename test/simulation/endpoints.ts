/** The endpoints of the simulation as rows: what an operator writes of them, one revision after the other. */
import { hash } from 'node:crypto'
import { type SecretKey, seal } from '../../services/webhooks/secrets.ts'
import type { Row, Tables } from './clickhouse/tables.ts'
import type { EndpointChange } from './plan.ts'

export const secretKey: SecretKey = { id: 'simkey00', bytes: Buffer.alloc(32, 'simulation') }

export function endpointId(endpoint: number): string {
  return `endpoint-${endpoint}`
}

/** Each revision has a secret of its own, should it change it: nobody may find one in a log line or an answer. */
function secretOf(endpoint: number, revision: number): string {
  const bytes = Buffer.from(hash('sha256', `secret ${revision} of endpoint ${endpoint}`), 'hex')
  return `whsec_${bytes.toString('base64')}`
}

function urlOf(endpoint: number, revision: number): string {
  return `https://receiver-${endpoint}.example/hook/${revision}`
}

const sealed = new Map<string, string>()

/** Sealed once in a process: it takes a while, and no trace shows it. */
function sealedSecret(endpoint: number, revision: number): string {
  const secret = secretOf(endpoint, revision)
  const text = sealed.get(secret) ?? seal(secretKey, endpointId(endpoint), secret)
  sealed.set(secret, text)
  return text
}

export function firstRow(endpoint: number, nowMs: number): Row {
  return {
    endpoint_id: endpointId(endpoint),
    revision: 1,
    url: urlOf(endpoint, 1),
    secret: sealedSecret(endpoint, 1),
    disabled: false,
    removed: false,
    changed_at: nowMs,
  }
}

/** Writes a revision as an operator does, unless the endpoint is removed. */
export function changeEndpoint(
  tables: Tables,
  endpoint: number,
  how: EndpointChange,
  nowMs: number,
): void {
  const [newest] = tables
    .rows('endpoints')
    .filter(row => row.endpoint_id === endpointId(endpoint))
    .sort((one, other) => Number(other.revision) - Number(one.revision))
  if (!newest || newest.removed) return
  const revision = Number(newest.revision) + 2
  const change = {
    secret: { secret: sealedSecret(endpoint, revision) },
    url: { url: urlOf(endpoint, revision) },
    removed: { removed: true, secret: '' },
  }[how]
  tables.insert('endpoints', [{ ...newest, ...change, revision, changed_at: nowMs }])
}
