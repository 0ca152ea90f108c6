/**
 * Standard Webhooks 1.0.0, symmetric (v1): HMAC-SHA256 over `id.timestamp.body`. The id is the message's
 * and the same for every attempt; the timestamp is the attempt's own, in real seconds even in a replay,
 * or receivers would refuse it.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

const secretPrefix = 'whsec_'
const secretBytes = 32

/** What receivers, too, accept by default: the signature's clock may be off by so much either way. */
export const toleranceMs = 300_000

export interface SignedHeaders {
  readonly 'webhook-id': string
  readonly 'webhook-timestamp': string
  readonly 'webhook-signature': string
}

export function newSecret(): string {
  return secretPrefix + randomBytes(secretBytes).toString('base64')
}

function mac(secret: string, id: string, timestamp: string, body: string | Buffer): string {
  const key = Buffer.from(secret.slice(secretPrefix.length), 'base64')
  return createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64')
}

export function sign(options: {
  readonly secret: string
  readonly messageId: string
  readonly wallMs: number
  readonly body: string
}): SignedHeaders {
  const timestamp = String(Math.floor(options.wallMs / 1000))
  return {
    'webhook-id': options.messageId,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${mac(options.secret, options.messageId, timestamp, options.body)}`,
  }
}

function equal(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}

/**
 * Why a request is not to be believed, as a sentence; undefined for a good one. Any of the secrets and any
 * of the header's signatures will do, so that a secret can be changed without a gap.
 */
export function signatureFault(options: {
  readonly secrets: readonly string[]
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
  readonly wallMs: number
}): string | undefined {
  const id = options.headers['webhook-id']
  const timestamp = options.headers['webhook-timestamp']
  const signatures = options.headers['webhook-signature']
  if (typeof id !== 'string' || typeof timestamp !== 'string' || typeof signatures !== 'string')
    return 'A header of Standard Webhooks is missing.'
  if (!/^\d{1,12}$/.test(timestamp)) return 'The timestamp is no number of seconds.'
  if (Math.abs(options.wallMs - Number(timestamp) * 1000) > toleranceMs)
    return 'The timestamp is too far from this clock.'
  const given = signatures.split(' ').filter(entry => entry.startsWith('v1,'))
  const wanted = options.secrets.map(secret => `v1,${mac(secret, id, timestamp, options.body)}`)
  if (wanted.some(good => given.some(entry => equal(entry, good)))) return undefined
  return 'No signature fits the secret.'
}
