import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import {
  type ReceivedMessage,
  type Receiver,
  startReceiver,
} from '../../services/webhooks/receiver.ts'
import { newSecret, sign } from '../../services/webhooks/signature.ts'

const secret = newSecret()
const received: ReceivedMessage[] = []
const refused: string[] = []
let receiver: Receiver
let failures = 0

beforeEach(async () => {
  received.length = refused.length = failures = 0
  receiver = await startReceiver({
    port: 0,
    secrets: () => [secret],
    onMessage(message) {
      if (failures-- > 0) throw new Error('no paper')
      received.push(message)
    },
    onRefused: reason => refused.push(reason),
  })
})
afterEach(() => receiver.stop())

async function post(options: { id?: string; body?: string; ageMs?: number; by?: string } = {}) {
  const body = options.body ?? '{"type":"user.quiet"}'
  const wallMs = Date.now() - (options.ageMs ?? 0)
  const messageId = options.id ?? 'm1'
  const headers = { ...sign({ secret: options.by ?? secret, messageId, wallMs, body }) }
  return (await fetch(receiver.url, { method: 'POST', headers, body })).status
}

test('a signed message is taken once, however often it comes', async () => {
  assert.deepEqual([await post(), await post(), await post({ id: 'm2' })], [204, 204, 204])
  assert.deepEqual(
    received.map(({ id }) => id),
    ['m1', 'm2'],
  )
  assert.equal(received[0]!.body, '{"type":"user.quiet"}')
})

test('another secret or an old signature is refused, and said aloud', async () => {
  assert.equal(await post({ by: newSecret() }), 401)
  assert.equal(await post({ ageMs: 301_000 + 1000 }), 401)
  assert.deepEqual(refused, [
    'No signature fits the secret.',
    'The timestamp is too far from this clock.',
  ])
  assert.equal(received.length, 0)
})

test('a message that could not be taken is taken when it comes again', async () => {
  failures = 1
  assert.deepEqual([await post(), await post()], [500, 204])
  assert.equal(received.length, 1)
  assert.match(refused[0]!, /no paper/)
})

test('a long body and another method are refused', async () => {
  assert.equal(await post({ body: 'x'.repeat(100_000) }), 413)
  assert.equal((await fetch(receiver.url)).status, 405)
})

test('a taken port gets a sentence', async () => {
  const port = Number(new URL(receiver.url).port)
  const second = { port, secrets: () => [], onMessage() {}, onRefused() {} }
  await assert.rejects(startReceiver(second), { code: 'portTaken' })
})
