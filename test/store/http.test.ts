import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { createClient } from '@clickhouse/client'
import type { EmbeddedStore } from '../../services/store/embedded.ts'
import { serveStore } from '../../services/store/http.ts'
import { refusal, temporaryEngine } from './fixture.ts'

const engine = temporaryEngine()
let store: EmbeddedStore
let server: Awaited<ReturnType<typeof serveStore>>
let url: string
before(async () => {
  store = await engine.open()
  await store.command('CREATE TABLE t (n UInt64, s String) ENGINE = MergeTree ORDER BY n')
  await store.insert('t', [
    { n: 1, s: 'one' },
    { n: 2, s: 'two' },
  ])
  server = await serveStore({ store, host: '127.0.0.1', port: 0 })
  url = `http://127.0.0.1:${server.port}/`
})
after(async () => {
  await server.close()
  await store.close()
  engine.remove()
})

/** Curl itself: its status, output and, with -i, the head. */
async function curl(...args: string[]): Promise<{ code: number; out: string }> {
  const child = spawn('curl', ['-sS', '--max-time', '20', ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const exited = once(child, 'exit')
  const out = await text(child.stdout)
  return { code: (await exited)[0], out }
}

const ask = (sql: string, more: Record<string, string> = {}, init: RequestInit = {}) =>
  fetch(`${url}?${new URLSearchParams({ query: sql, ...more })}`, init)

describe('curl', () => {
  test('asks in the URL, in the body, or half and half', async () => {
    assert.equal((await curl(`${url}?query=SELECT%201`)).out, '1\n')
    assert.equal((await curl(url, '-d', 'SELECT n, s FROM t ORDER BY n')).out, '1\tone\n2\ttwo\n')
    assert.equal((await curl(`${url}?query=SELECT%20sum(n)`, '-d', 'FROM t')).out, '3\n')
  })

  test('chooses the format in the query, the URL or a header', async () => {
    assert.equal(
      (await curl(url, '-d', 'SELECT n FROM t LIMIT 1 FORMAT JSONEachRow')).out,
      '{"n":1}\n',
    )
    assert.equal(
      (await curl(`${url}?default_format=CSVWithNames`, '-d', 'SELECT n FROM t LIMIT 1')).out,
      '"n"\n1\n',
    )
    assert.equal(
      (await curl(url, '-H', 'X-ClickHouse-Format: JSONCompactEachRow', '-d', 'SELECT 1')).out,
      '[1]\n',
    )
  })

  test('passes parameters, and settings for one query only', async () => {
    const query = 'SELECT {a:String} AS a, toUInt64(1) AS b FORMAT JSONEachRow'
    const given = (more: string) =>
      curl(
        '-G',
        url,
        '--data-urlencode',
        `query=${query}`,
        '--data-urlencode',
        more,
        '--data-urlencode',
        "param_a=it's\\t",
      )
    assert.equal(
      (await given('output_format_json_quote_64bit_integers=1')).out,
      '{"a":"it\'s\\t","b":"1"}\n',
    )
    assert.equal((await given('x=1')).out, '{"a":"it\'s\\t","b":1}\n')
    assert.match(
      (await curl('-G', url, '--data-urlencode', `query=${query}`)).out,
      /^Code: 456\..*UNKNOWN_QUERY_PARAMETER/,
    )
  })

  test('pings by GET and HEAD, at / too', async () => {
    for (const path of ['ping', '']) {
      assert.equal((await curl(url + path)).out, 'Ok.\n')
      assert.match((await curl('-I', url + path)).out, /^HTTP\/1.1 200 OK/)
    }
  })

  test('sees errors with the code and the status of ClickHouse', async () => {
    const cases: [string, number, number][] = [
      ['SELEC 1', 62, 400],
      ['SELECT * FROM nowhere', 60, 404],
      ['SELECT nothing', 47, 404],
      ["SELECT toUInt8('x')", 6, 400],
      ['SELECT count() FROM system.numbers', 159, 408],
      ['SELECT 1 FORMAT Nonsense', 73, 404],
      ['', 62, 400],
      ['SELECT throwIf(1)', 395, 500],
    ]
    for (const [sql, code, status] of cases) {
      // Only where it is the case: a busy machine takes as long for any query.
      const limit = code === 159 ? '?max_execution_time=0.1' : ''
      const { out } = await curl('-i', `${url}${limit}`, '-d', sql)
      assert.match(out, new RegExp(`^HTTP/1.1 ${status} `), sql)
      assert.match(
        out,
        new RegExp(
          `x-clickhouse-exception-code: ${code}\r\n[\\s\\S]*\r\n\r\nCode: ${code}\\. DB::Exception: .*[A-Z_]+\\)\n$`,
        ),
        sql,
      )
    }
  })

  test('sees that an answer that broke off is not whole, and why', async () => {
    const { code, out } = await curl(
      url,
      '-d',
      'SELECT throwIf(number = 3000000) FROM numbers(5000000)',
    )
    assert.equal(code, 18)
    assert.match(
      out,
      /^0\n0\n[\s\S]*\r\n__exception__\r\n(\w+)\r\nCode: 395\.[\s\S]*\n\d+ \1\r\n__exception__\r\n$/,
    )
  })

  test('gets gzip when it asks for it', async () => {
    const { out } = await curl(
      '-i',
      '--compressed',
      `${url}?enable_http_compression=1`,
      '-d',
      'SELECT n FROM t',
    )
    assert.match(out, /content-encoding: gzip[\s\S]*\r\n\r\n1\n2\n$/)
  })
})

describe('the interface', () => {
  test('takes a request in gzip, but none that grows beyond bounds', async () => {
    const headers = { 'content-encoding': 'gzip' }
    const post = (body: Buffer) =>
      fetch(url, { method: 'POST', headers, body: new Uint8Array(body) })
    assert.equal(await (await post(gzipSync('SELECT 1'))).text(), '1\n')
    assert.equal((await post(gzipSync(`SELECT '${'x'.repeat(2_000_000)}'`))).status, 413)
    assert.equal((await post(Buffer.from('no gzip'))).status, 400)
  })

  test('refuses a request that is too large', async () => {
    assert.equal((await fetch(url, { method: 'POST', body: 'x'.repeat(2_000_000) })).status, 413)
    assert.equal(
      (await fetch(url, { method: 'POST', body: `SELECT '${'x'.repeat(300_000)}'` })).status,
      400,
    )
  })

  test('streams a result that is larger than what it would build as a whole', async () => {
    const sql = 'SELECT number, repeat(toString(number), 20) FROM numbers(1000000)'
    let lines = 0
    const response = await ask(`${sql} FORMAT JSONEachRow`)
    for await (const chunk of response.body!) for (const byte of chunk) lines += byte === 10 ? 1 : 0
    assert.equal(lines, 1_000_000)
  })

  test('refuses a result that is too large to be built as a whole, with a sentence', async () => {
    const response = await ask(
      'SELECT number, repeat(toString(number), 20) FROM numbers(5000000) FORMAT JSON',
    )
    assert.equal(response.status, 500)
    assert.match(await response.text(), /Limit for result exceeded/)
  })

  test('gives one document of JSON however many blocks there are', async () => {
    for (const end of ['', ' SETTINGS extremes = 0']) {
      const json = await (await ask(`SELECT number FROM numbers(200000) FORMAT JSON${end}`)).text()
      assert.equal(JSON.parse(json).rows, 200_000)
    }
    const csv = await (await ask('SELECT number FROM numbers(200000) FORMAT CSVWithNames')).text()
    assert.equal(csv.split('"number"').length, 2)
  })

  test('answers in another database, and says when there is none', async () => {
    assert.equal(
      await (await ask('SELECT currentDatabase()', { database: 'system' })).text(),
      'system\n',
    )
    assert.equal(
      await (await ask('SELECT currentDatabase()', { database: 'default' })).text(),
      'ebb\n',
    )
    for (const database of ['nowhere', 'a`b', "x'"])
      assert.equal((await ask('SELECT 1', { database })).status, 404)
  })

  test('answers to names of this machine only', async () => {
    const withHost = async (host: string) =>
      (await curl('-o', '/dev/null', '-w', '%{http_code}', '-H', `Host: ${host}`, `${url}ping`)).out
    for (const host of ['127.0.0.1', 'localhost:1', 'LOCALHOST', '[::1]:8123'])
      assert.equal(await withHost(host), '200')
    for (const host of [
      'evil.example',
      '127.0.0.1.evil.example',
      'localhost.evil',
      '[::2]',
      '0.0.0.0',
    ])
      assert.equal(await withHost(host), '403')
  })

  test('does not answer pages of other sites', async () => {
    const page = (site: string) =>
      curl(
        '-o',
        '/dev/null',
        '-w',
        '%{http_code}',
        '-H',
        `Sec-Fetch-Site: ${site}`,
        url,
        '-d',
        'SELECT 1',
      )
    assert.equal((await page('cross-site')).out, '403')
    assert.equal((await page('none')).out, '200')
  })

  test('knows the users ebb and default without a password, and nobody else', async () => {
    const by = (headers: Record<string, string>) =>
      ask('SELECT 1', {}, { headers }).then(({ status }) => status)
    const basic = (pair: string) => ({
      authorization: `Basic ${Buffer.from(pair).toString('base64')}`,
    })
    for (const user of ['ebb', 'default'])
      assert.equal(await by({ 'x-clickhouse-user': user }), 200)
    assert.equal(await by(basic('ebb:')), 200)
    assert.equal(await by(basic('ebb:guess')), 403)
    assert.equal(await by({ 'x-clickhouse-user': 'writer' }), 403)
    assert.equal((await ask('SELECT 1', { user: 'admin' })).status, 403)
  })
})

describe('@clickhouse/client', () => {
  const open = (more = {}) =>
    createClient({ url, username: 'ebb', database: 'ebb', log: { level: 127 }, ...more })

  test('queries, streams, pings, with parameters and gzip', async () => {
    for (const compression of [{}, { compression: { request: true, response: true } }]) {
      const client = open(compression)
      const answer = await client.query({
        query: 'SELECT s FROM t WHERE n = {n:UInt64}',
        query_params: { n: 2 },
      })
      assert.deepEqual((await answer.json()).data, [{ s: 'two' }])
      const rows = await client.query({
        query: 'SELECT number FROM numbers(300000)',
        format: 'JSONEachRow',
      })
      let count = 0
      for await (const batch of rows.stream()) count += batch.length
      assert.equal(count, 300_000)
      assert.deepEqual(await client.ping(), { success: true })
      assert.equal((await client.ping({ select: true })).success, true)
      await client.close()
    }
  })

  test('gets errors as its own, before and in the middle of an answer', async () => {
    const client = open()
    await assert.rejects(client.query({ query: 'SELECT * FROM nowhere' }), {
      code: '60',
      type: 'UNKNOWN_TABLE',
    })
    const broken = await client.query({
      query: 'SELECT throwIf(number = 3000000) AS x FROM numbers(5000000)',
      format: 'JSONEachRow',
    })
    await assert.rejects(broken.json(), { code: '395' })
    await client.close()
  })
})

describe('side by side', () => {
  const runningMax = Number(process.env.UV_THREADPOOL_SIZE ?? 4) / 4
  const running = () =>
    store.query("SELECT 1 FROM system.processes WHERE Settings['log_comment'] LIKE 'ebb-http-%'")
  const long = 'SELECT sum(sipHash64(number)) FROM numbers(toUInt64(1e11))'

  async function untilRunning(count: number): Promise<void> {
    while ((await running()).length !== count);
  }

  test('a client that leaves has its query killed, in a result built whole and in a stream', async () => {
    for (const format of ['JSON', 'JSONEachRow']) {
      const leave = new AbortController()
      const answer = ask(`${long} FORMAT ${format}`, {}, { signal: leave.signal })
      await untilRunning(1)
      leave.abort()
      await assert.rejects(answer, { name: 'AbortError' })
      await untilRunning(0)
    }
  })

  test('a client that leaves in the middle of a stream has it ended', async () => {
    const response = await ask('SELECT number FROM numbers(1000000000) FORMAT JSONEachRow')
    const reader = response.body!.getReader()
    await reader.read()
    await untilRunning(1)
    await reader.cancel()
    await untilRunning(0)
  })

  test('long queries hold up neither ingest nor other readers, nor more than a few run', async () => {
    const leave = new AbortController()
    const answers = Array.from({ length: 6 }, () =>
      ask(long, {}, { signal: leave.signal }).catch(error => error.name),
    )
    await untilRunning(runningMax)
    await store.insert('t', [{ n: 3, s: 'three' }])
    assert.deepEqual(await store.query('SELECT count() AS count FROM t'), [{ count: '3' }])
    leave.abort()
    assert.deepEqual(new Set(await Promise.all(answers)), new Set(['AbortError']))
    await untilRunning(0)
    assert.equal(await (await ask('SELECT 1')).text(), '1\n')
  })

  test('past a number of waiting queries the next is refused', async () => {
    const leave = new AbortController()
    const refused = Promise.withResolvers<number>()
    const ends = Array.from({ length: runningMax + 64 + 1 }, () =>
      ask(long, {}, { signal: leave.signal }).then(
        ({ status }) => refused.resolve(status),
        error => error,
      ),
    )
    assert.equal(await refused.promise, 503)
    leave.abort()
    await Promise.all(ends)
  })

  test('a client that leaves one server harms no query of another on the same engine', async () => {
    const servers = [1, 2].map(() => serveStore({ store, host: '127.0.0.1', port: 0 }))
    const [left, other] = await Promise.all(servers)
    const sleep = 'SELECT sum(sleepEachRow(0.1)) FROM numbers(10)'
    const urlOf = (port: number, sql: string) =>
      `http://127.0.0.1:${port}/?query=${encodeURIComponent(sql)}`
    const leave = new AbortController()
    const gone = fetch(urlOf(left!.port, long), { signal: leave.signal }).catch(error => error.name)
    const answer = fetch(urlOf(other!.port, sleep))
    await untilRunning(2)
    leave.abort()
    assert.equal(await gone, 'AbortError')
    assert.equal(await (await answer).text(), '0\n')
    await Promise.all([left!.close(), other!.close()])
    await untilRunning(0)
  })

  test('closing ends what runs and leaves no query behind', async () => {
    await untilRunning(0)
    const other = await serveStore({ store, host: '127.0.0.1', port: 0 })
    const answer = fetch(`http://127.0.0.1:${other.port}/?query=${encodeURIComponent(long)}`).catch(
      error => error.name,
    )
    await untilRunning(1)
    await other.close()
    assert.equal(await answer, 'TypeError')
    await untilRunning(0)
  })

  test('a port that is taken is said so', async () => {
    await assert.rejects(
      serveStore({ store, host: '127.0.0.1', port: server.port }),
      refusal('portTaken', /is taken/),
    )
  })

  test('a half sent request harms nobody', async () => {
    const socket = connect(server.port, '127.0.0.1')
    await once(socket, 'connect')
    socket.write('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nSELECT')
    socket.destroy()
    assert.equal(await (await ask('SELECT 1')).text(), '1\n')
  })
})
