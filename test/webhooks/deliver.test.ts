import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createTcpServer } from 'node:net'
import { afterEach, test } from 'node:test'
import { Webhook } from 'standardwebhooks'
import { createSender, type Sender } from '../../services/webhooks/deliver.ts'
import { newSecret } from '../../services/webhooks/signature.ts'
import { answerWith, startHook } from './fixture.ts'

const secret = newSecret()
const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

function sender(timeoutMs = 10_000): Sender {
  const made = createSender({ totalTimeoutMs: timeoutMs, connectTimeoutMs: timeoutMs })
  closing.push(() => made.destroy())
  return made
}

async function hook(answer: Parameters<typeof startHook>[0]) {
  const made = await startHook(answer)
  closing.push(made.stop)
  return made
}

function post(to: Sender, url: string) {
  const endpoint = { id: 'e1', url, secret, disabled: false, changedMs: 0 }
  return to.send({ endpoint, messageId: 'm1', body: '{"a":"ü"}', wallMs: Date.now() })
}

/** A server that writes these bytes over and over, or once, and never ends an answer by itself. */
async function rawServer(first: string, again = ''): Promise<string> {
  const server = createTcpServer(socket => {
    socket.on('error', () => {})
    socket.once('data', () => {
      socket.write(first)
      const more = () => {
        if (again !== '') while (!socket.destroyed && socket.write(again));
      }
      socket.on('drain', more)
      more()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(async () => {
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as { port: number }).port}/`
}

test('a POST of JSON that the independent package verifies', async () => {
  const { url, hits } = await hook(answerWith(204))
  const answer = await post(sender(), url)
  assert.deepEqual([answer.code, answer.error], [204, ''])
  assert.equal(hits[0]!.headers['content-type'], 'application/json')
  assert.deepEqual(new Webhook(secret).verify(hits[0]!.body, hits[0]!.headers), { a: 'ü' })
})

test('a redirect is an answer and is not followed', async () => {
  const target = await hook(answerWith(204))
  const { url } = await hook(answerWith(301, { location: target.url }))
  assert.equal((await post(sender(), url)).code, 301)
  assert.equal(target.hits.length, 0)
})

test('Retry-After is handed on', async () => {
  const { url } = await hook(answerWith(429, { 'retry-after': '7' }))
  const answer = await post(sender(), url)
  assert.deepEqual([answer.code, answer.retryAfterMs], [429, 7000])
})

test('no answer within the time is a failure', async () => {
  const { url } = await hook(() => {})
  const answer = await post(sender(300), url)
  assert.deepEqual([answer.code, answer.error], [0, 'TIMEOUT'])
  assert.ok(answer.durationMs >= 290)
})

test('a connection reset after the request is a failure', async () => {
  const { url } = await hook((_, __, request) => request.socket.resetAndDestroy())
  const answer = await post(sender(), url)
  assert.deepEqual([answer.code, answer.error], [0, 'ECONNRESET'])
})

test('nobody listening is a failure', async () => {
  const { url, stop } = await hook(answerWith(204))
  closing.splice(closing.indexOf(stop), 1)
  await stop()
  assert.equal((await post(sender(), url)).error, 'ECONNREFUSED')
})

test('an endless body is cut off, and the status counts', { timeout: 10_000 }, async () => {
  const url = await rawServer(
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n',
    `400\r\n${'x'.repeat(1024)}\r\n`,
  )
  assert.equal((await post(sender(60_000), url)).code, 200)
})

test('a body that never comes is waited for no longer than the time', async () => {
  const url = await rawServer('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n')
  assert.equal((await post(sender(300), url)).code, 200)
})

test('a long body that is announced is not read', async () => {
  const url = await rawServer('HTTP/1.1 500 No\r\ncontent-length: 100000000\r\n\r\n')
  assert.equal((await post(sender(60_000), url)).code, 500)
})

test('endless headers are cut off', { timeout: 10_000 }, async () => {
  const url = await rawServer('HTTP/1.1 200 OK\r\n', `x-a: ${'y'.repeat(1000)}\r\n`)
  const answer = await post(sender(60_000), url)
  assert.deepEqual([answer.code, answer.error], [0, 'UND_ERR_HEADERS_OVERFLOW'])
})

test('an answer that is no HTTP is a failure, and nothing of it is kept', async () => {
  const answer = await post(sender(), await rawServer('SECRET-OF-THE-RECEIVER\r\n\r\n'))
  assert.equal(answer.code, 0)
  assert.ok(!JSON.stringify(answer).includes('SECRET'))
})
