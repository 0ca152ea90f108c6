import assert from 'node:assert/strict'
import { request } from 'node:http'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { EbbError } from '../../services/base/errors.ts'
import { type StartOptions, startCollector } from '../../services/collector/collector.ts'
import { clicksOf, decoded, event, fakeLog, gate, now, silent, topic } from './fixture.ts'

async function start(t: TestContext, changes: Partial<StartOptions> = {}) {
  const log = fakeLog()
  const rows: object[] = []
  const collector = await startCollector({
    log,
    store: { insert: async (_table, inserted) => void rows.push(...inserted) },
    topic,
    host: '127.0.0.1',
    port: 0,
    clock: () => now,
    live: true,
    logger: silent,
    ...changes,
  })
  t.after(() => collector.stop())
  return { ...collector, log, rows }
}

function post(url: string, body: unknown): Promise<Response> {
  const headers = { 'content-type': 'application/json' }
  return fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })
}

test('over a real socket: taken, rejected, and stopped with the rejects written', async t => {
  const { url, stop, log, rows } = await start(t)
  const answer = await post(`${url}/v1/batch`, { batch: [event(), {}] })
  assert.equal(answer.status, 200)
  assert.deepEqual(await answer.json(), {
    success: true,
    accepted: 1,
    rejected: [{ index: 1, reason: 'type', message: 'type: missing' }],
  })
  assert.equal((await fetch(`${url}/readyz`)).status, 200)
  await stop()
  assert.equal(clicksOf(log).length, 1)
  assert.equal(rows.length, 1)
  await assert.rejects(fetch(`${url}/livez`))
})

test('a body over the bound is answered 413, and the connection can go on', async t => {
  const { url, log } = await start(t)
  const { hostname, port } = new URL(url)
  const bytes = 3_000_000
  const socket = connect(Number(port), hostname)
  socket.write(`POST /v1/track HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${bytes}\r\n\r\n`)
  socket.write('x'.repeat(bytes))
  socket.write('GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
  let answers = ''
  for await (const chunk of socket.setEncoding('utf8')) answers += chunk
  assert.deepEqual(answers.match(/HTTP\/1.1 \d+/g), ['HTTP/1.1 413', 'HTTP/1.1 200'])
  assert.match(answers, /"reason":"size"/)
  assert.equal(log.appends.length, 0)
})

for (const ticking of [true, false])
  test(`${ticking ? 'a live collector ticks until it is stopped' : 'in a replay it never ticks'}`, async t => {
    t.mock.timers.enable({ apis: ['setInterval'] })
    const { url, stop, log } = await start(t, { ticking })
    t.mock.timers.tick(5_000)
    await new Promise(setImmediate)
    await stop()
    t.mock.timers.tick(10_000)
    await new Promise(setImmediate)
    const tick = { kind: 'tick', atMs: now, writer: url }
    assert.deepEqual(decoded(log), ticking ? [tick] : [])
  })

test('stop lets a request that runs end, on a connection that would be kept alive', async t => {
  const { url, stop, log } = await start(t)
  const { closed, open } = gate()
  log.gate = closed
  const answer = post(`${url}/v1/track`, event())
  while (log.appends.length === 0) await new Promise(setImmediate)
  const stopped = stop()
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
  open()
  assert.equal((await answer).status, 200)
  assert.equal((await answer).headers.get('connection'), 'close')
  await stopped
  assert.equal(clicksOf(log).length, 1)
})

test('a client that goes away in the middle of its body leaves nothing behind', async t => {
  const { url, log } = await start(t)
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.write('POST /v1/track HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"userId"')
  await new Promise(resolve => socket.once('connect', resolve))
  socket.destroy()
  assert.equal((await post(`${url}/v1/track`, event())).status, 200)
  assert.equal(clicksOf(log).length, 1)
})

test('a request whose Host is a stranger’s name is refused', async t => {
  const { url } = await start(t)
  const { promise, resolve } = Promise.withResolvers<number | undefined>()
  request(url, { path: '/livez', headers: { host: 'evil.example' } }, response => {
    response.resume()
    resolve(response.statusCode)
  }).end()
  assert.equal(await promise, 403)
})

test('a taken port is told in a sentence', async t => {
  const { url } = await start(t)
  const port = Number(new URL(url).port)
  await assert.rejects(start(t, { port }), error => {
    assert.ok(error instanceof EbbError)
    assert.equal(error.code, 'portTaken')
    assert.equal(error.message, `Port ${port} of 127.0.0.1 is taken: something else listens there.`)
    return true
  })
})
