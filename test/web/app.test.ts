/** The web room over real sockets on the real engine. */

import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, type TestContext, test } from 'node:test'
import { EbbError } from '../../services/base/errors.ts'
import { wallClock } from '../../services/base/time.ts'
import type { Store } from '../../services/store/store.ts'
import { startWeb, type WebOptions, webApp } from '../../services/web/app.ts'
import { storeScene } from './scene.ts'
import { clickRow, openShopStore, progressRow, type Shop, shopClockMs } from './shop.ts'

let opened: Awaited<ReturnType<typeof openShopStore>>
let shop: Shop

before(async () => {
  opened = await openShopStore()
  shop = await storeScene(opened.store)
})

after(() => opened.close())

const quietLogger = { warn: () => {}, error: () => {} }

function optionsOf(given: Partial<WebOptions>): WebOptions {
  const { store } = opened
  return { store, project: 'demo', replay: true, wallClock, logger: quietLogger, ...given }
}

/** Served on a socket until the test ends, also when it fails. */
async function serve(t: TestContext, given: Partial<WebOptions> & { port?: number } = {}) {
  const web = await startWeb({ ...optionsOf(given), host: '127.0.0.1', port: given.port ?? 0 })
  t.after(() => web.stop())
  return web
}

/** The messages of a stream of events, as they come. */
async function* messages(response: Response): AsyncGenerator<Record<string, unknown>> {
  let text = ''
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk
    const parts = text.split('\n\n')
    text = parts.pop()!
    for (const part of parts)
      if (part.startsWith('data: ')) yield JSON.parse(part.slice('data: '.length))
  }
}

test('the stream sends the whole page first, then only what changed', async t => {
  const web = await serve(t)
  const response = await fetch(`${web.url}/api/live`)
  assert.equal(response.headers.get('content-type'), 'text/event-stream; charset=utf-8')
  const stream = messages(response)
  const first = (await stream.next()).value!
  assert.deepEqual(Object.keys(first).sort(), [
    'active',
    'alerts',
    'health',
    'lifecycle',
    'pulse',
    'retention',
    'risk',
    'setup',
    'trouble',
  ])
  const clicks = shop.visits.length
  await opened.store.insert('clicks', [clickRow('ada.lovelace.0', 'fresh', shopClockMs)])
  await opened.store.insert('progress', [progressRow(shopClockMs + 1_000, clicks + 1, 2)])
  for await (const update of stream) {
    assert.ok(!('setup' in update), 'what did not change is not sent again')
    const pulse = update.pulse as { clicks: number } | undefined
    if (pulse?.clicks === clicks + 1) break
  }
})

test('two viewers are served by one reader, and nobody watching reads nothing', async t => {
  let queries = 0
  const store: Store = {
    ...opened.store,
    query: (sql, params) => {
      queries++
      return opened.store.query(sql, params)
    },
  }
  const web = await serve(t, { store })
  assert.equal(queries, 0)
  const viewers = await Promise.all([fetch(`${web.url}/api/live`), fetch(`${web.url}/api/live`)])
  const streams = viewers.map(messages)
  await Promise.all(streams.map(stream => stream.next()))
  assert.ok(queries < 20, `${queries} queries for one page`)
  await Promise.all(streams.map(stream => stream.return(undefined)))
})

test('stop ends the streams of those who watch', { timeout: 10_000 }, async t => {
  const web = await serve(t)
  const stream = messages(await fetch(`${web.url}/api/live`))
  await stream.next()
  await web.stop()
  while (!(await stream.next()).done);
})

test('a store that does not answer: 503 at once, and the stream says so', async t => {
  const refused = () => Promise.reject(new EbbError('storeRefused', 'The store is closed.'))
  const web = await serve(t, { store: { ...opened.store, query: refused } })
  const answer = await fetch(`${web.url}/api/snapshot`)
  assert.equal(answer.status, 503)
  assert.equal(answer.headers.get('content-type'), 'application/problem+json; charset=utf-8')
  const stream = messages(await fetch(`${web.url}/api/live`))
  assert.deepEqual((await stream.next()).value, { trouble: 'storeSilent' })
  await stream.return(undefined)
})

test('a section that fails leaves the others alive, and heals', async t => {
  let broken = true
  const store: Store = {
    ...opened.store,
    query: (sql, params) =>
      broken && sql.includes('FROM rejects')
        ? Promise.reject(new EbbError('storeRefused', 'Too busy.'))
        : opened.store.query(sql, params),
  }
  const web = await serve(t, { store })
  const stream = messages(await fetch(`${web.url}/api/live`))
  const first = (await stream.next()).value!
  assert.equal(first.trouble, 'storeSilent')
  assert.ok('retention' in first && !('health' in first))
  broken = false
  for await (const update of stream) if ('health' in update) break
})

test('the snapshot is the same page, once', async () => {
  const app = webApp(optionsOf({}))
  const answer = await app.inject({ url: '/api/snapshot', headers: { host: 'localhost' } })
  assert.equal(answer.statusCode, 200)
  assert.equal(answer.json().lifecycle.length, 30)
  await app.close()
})

test('one user by any id, however it is spelt', async () => {
  const app = webApp(optionsOf({}))
  const ask = (id: string) =>
    app.inject({ url: `/api/users/${encodeURIComponent(id)}`, headers: { host: 'localhost' } })
  const known = shop.visits[0]!.userId
  assert.equal((await ask(known)).json().user.userId, known)
  for (const id of ['nobody', "o'brien/%2e..\\", '%', 'ü'.repeat(128)]) {
    const answer = await ask(id)
    assert.equal(answer.statusCode, 404, id)
    assert.equal(answer.json().detail, 'No processor has seen this user yet.')
  }
  assert.equal((await ask('x'.repeat(257))).statusCode, 400)
  await app.close()
})

test('every answer carries the security headers; the page has no inline script or style', async () => {
  const app = webApp(optionsOf({}))
  for (const url of ['/', '/page.js', '/api/users/nobody', '/nothing']) {
    const { headers } = await app.inject({ url, headers: { host: '127.0.0.1:4280' } })
    const policy = String(headers['content-security-policy'])
    assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self'/, url)
    assert.match(policy, /frame-ancestors 'none'; base-uri 'none'; form-action 'self'/)
    assert.equal(headers['x-content-type-options'], 'nosniff')
    assert.equal(headers['referrer-policy'], 'no-referrer')
    assert.equal(headers['cross-origin-resource-policy'], 'same-origin')
  }
  const html = (await app.inject({ url: '/', headers: { host: 'localhost' } })).body
  assert.doesNotMatch(html, /\sstyle=|\son\w+=|<style|<script(?![^>]*src=)|https?:\/\/(?!127|your)/)
  assert.doesNotMatch(html, /\{\{/)
  await app.close()
})

test('only names of this machine are answered', async () => {
  const app = webApp({ ...optionsOf({}), names: ['ebb.example'] })
  for (const host of ['localhost:4280', '127.0.0.1', '[::1]:4280', 'LOCALHOST', 'ebb.example'])
    assert.equal((await app.inject({ url: '/', headers: { host } })).statusCode, 200, host)
  for (const host of ['ebb.evil.example', 'localhost.evil.example', '127.0.0.1.evil.example:80'])
    assert.equal((await app.inject({ url: '/', headers: { host } })).statusCode, 421, host)
  await app.close()
})

test('nothing outside public/ is served, and a project name is only text', async () => {
  const app = webApp(optionsOf({ project: '<img src=x>' }))
  const ask = (url: string) => app.inject({ url, headers: { host: 'localhost' } })
  for (const url of ['/../app.ts', '/%2e%2e/app.ts', '/app.ts', '/public/page.js'])
    assert.equal((await ask(url)).statusCode, 404, url)
  assert.doesNotMatch((await ask('/')).body, /<img/)
  const { headers } = await ask('/theme.css')
  const again = { host: 'localhost', 'if-none-match': String(headers.etag) }
  assert.equal((await app.inject({ url: '/theme.css', headers: again })).statusCode, 304)
  await app.close()
})

test('a taken port is refused with a sentence', async t => {
  const web = await serve(t)
  const port = Number(new URL(web.url).port)
  await assert.rejects(serve(t, { port }), (error: unknown) => {
    assert.ok(error instanceof EbbError)
    assert.equal(error.code, 'portTaken')
    assert.match(error.message, new RegExp(`Port ${port} of 127.0.0.1 is taken`))
    return true
  })
})

test('a viewer who hangs up mid-stream is let go', { timeout: 10_000 }, async t => {
  const web = await serve(t)
  const socket = connect(Number(new URL(web.url).port), '127.0.0.1')
  socket.write('GET /api/live HTTP/1.1\r\nhost: localhost\r\n\r\n')
  await new Promise(resolve => socket.once('data', resolve))
  socket.destroy()
})
