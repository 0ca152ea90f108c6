import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Webhook } from 'standardwebhooks'
import { newSecret, sign, signatureFault, toleranceMs } from '../../services/webhooks/signature.ts'

const secret = newSecret()
const body = '{"type":"user.quiet","data":{"user_id":"Zoë"}}'
/** The independent package verifies against the real time. */
const wallMs = Date.now()

function headers(changes: Record<string, string> = {}): Record<string, string> {
  return { ...sign({ secret, messageId: 'm1', wallMs, body }), ...changes }
}

function fault(changes: Record<string, string> = {}, secrets = [secret], text = body) {
  return signatureFault({ secrets, headers: headers(changes), body: Buffer.from(text), wallMs })
}

test('a secret is whsec_ and 32 bytes in base64, another one each time', () => {
  assert.match(secret, /^whsec_[A-Za-z0-9+/]{43}=$/)
  assert.notEqual(newSecret(), secret)
})

test('the independent package believes what we sign', () => {
  assert.deepEqual(new Webhook(secret).verify(body, headers()), JSON.parse(body))
  assert.throws(() => new Webhook(secret).verify(`${body} `, headers()))
  assert.throws(() => new Webhook(newSecret()).verify(body, headers()))
})

test('we believe what the independent package signs', () => {
  const signature = new Webhook(secret).sign('m1', new Date(wallMs), body)
  assert.equal(fault({ 'webhook-signature': signature }), undefined)
})

test('the timestamp is whole seconds of the attempt', () => {
  const signed = sign({ secret, messageId: 'm1', wallMs: 1_700_000_000_999, body })
  assert.equal(signed['webhook-timestamp'], '1700000000')
})

test('a changed body, id, time or secret is refused', () => {
  assert.equal(fault(), undefined)
  const unfit = 'No signature fits the secret.'
  assert.equal(fault({}, [secret], `${body} `), unfit)
  assert.equal(fault({ 'webhook-id': 'm2' }), unfit)
  assert.equal(fault({ 'webhook-timestamp': String(Math.floor(wallMs / 1000) - 1) }), unfit)
  assert.equal(fault({}, [newSecret()]), unfit)
  assert.equal(fault({ 'webhook-signature': '' }), unfit)
})

test('while a secret is changed, either one fits, and either of two signatures', () => {
  assert.equal(fault({}, [newSecret(), secret]), undefined)
  const other = sign({ secret: newSecret(), messageId: 'm1', wallMs, body })['webhook-signature']
  const own = headers()['webhook-signature']
  assert.equal(fault({ 'webhook-signature': `${other} v1a,ignored ${own}` }), undefined)
})

test('a signature older or younger than the tolerance is refused', () => {
  const at = (ageMs: number) =>
    signatureFault({
      secrets: [secret],
      headers: { ...sign({ secret, messageId: 'm1', wallMs: 1_700_000_000_000 - ageMs, body }) },
      body: Buffer.from(body),
      wallMs: 1_700_000_000_000,
    })
  assert.equal(at(toleranceMs), undefined)
  assert.match(at(toleranceMs + 1000) ?? '', /too far/)
  assert.match(at(-toleranceMs - 1000) ?? '', /too far/)
})

test('a header that is missing or no number is refused', () => {
  const options = { secrets: [secret], body: Buffer.from(body), wallMs }
  assert.match(signatureFault({ ...options, headers: {} }) ?? '', /missing/)
  assert.match(fault({ 'webhook-timestamp': 'NaN' }) ?? '', /no number/)
})
