/**
 * The engine of this process over ClickHouse's HTTP interface, so that curl, Grafana and ClickHouse's own
 * clients can read the tables while Ebb runs. The way of a request:
 *
 *   host and origin  -> 403         a page of a stranger, or a name that is not this machine's
 *   question.ts      -> 4xx         not understood
 *   user             -> 403         a name that is not `ebb` or `default`
 *   gate.ts          -> 400, 403    no single statement, or none for readers
 *   pool.ts          -> 503         too many wait
 *   the engine       -> its code    with readonly = 1
 *   the answer       -> cut off, with the error as its last lines, when it fails in the middle
 */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { EbbError } from '../base/errors.ts'
import { answer, type Exchange } from './answer.ts'
import type { EmbeddedStore } from './embedded.ts'
import { exceptionOf } from './exception.ts'
import { exception } from './failure.ts'
import { type Gate, openGate } from './gate.ts'
import { openPool, type Pool } from './pool.ts'
import { type Question, readQuestion } from './question.ts'

const readerBytesMax = 1_048_576
const writerBytesMax = 134_217_728
/** A result that cannot be streamed is built as a whole: at most this much, as the engine counts. */
const wholeResultBytesMax = 67_108_864
/** A connection on which nothing moves for so long is cut; longer than a query may wait and run. */
const idleMs = 180_000

interface Service {
  readonly store: EmbeddedStore
  readonly gate: Gate
  readonly pool: Pool
  /** For tests: the user `writer` may do everything. */
  readonly writer: boolean
}

export async function serveStore(options: {
  readonly store: EmbeddedStore
  readonly host: '127.0.0.1' | 'localhost' | '::1'
  readonly port: number
  readonly users?: 'read' | 'write'
}): Promise<{ readonly port: number; close(): Promise<void> }> {
  const { store, host, port, users = 'read' } = options
  const control = await store.connect({ max_query_size: 2_097_152, max_execution_time: 10 })
  const gate = await openGate(control)
  const pool = openPool(store, control)
  const service = { store, gate, pool, writer: users === 'write' }
  const handling = new Set<Promise<void>>()
  const server = createServer({ maxHeaderSize: 262_144 }, (request, response) => {
    const work = handle(service, request, response).catch(error => fail(response, error))
    handling.add(work)
    work.then(() => handling.delete(work))
  })
  server.timeout = idleMs
  await new Promise<void>((resolve, reject) => {
    server.once('error', error => reject(listenFailure(error, port)))
    server.listen(port, host, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = new Promise(resolve => server.close(resolve))
      server.closeAllConnections()
      await closed
      // Each kills its query, for which it needs the connections that close next.
      await Promise.all(handling)
      await pool.close()
      await control.close()
    },
  }
}

function listenFailure(error: Error & { code?: string }, port: number): Error {
  if (error.code !== 'EADDRINUSE') return error
  return new EbbError('portTaken', `Port ${port} is taken.`, { cause: error })
}

async function handle(service: Service, request: IncomingMessage, response: ServerResponse) {
  const gone = goneSignal(response)
  const refusal = strangeness(request)
  if (refusal) return reply(response, 403, refusal)
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://ebb')
  if (!['GET', 'HEAD', 'POST'].includes(request.method ?? ''))
    return reply(response, 501, 'Only GET, HEAD and POST are served.\n')
  if (pathname === '/ping') return reply(response, 200, 'Ok.\n')
  if (pathname !== '/')
    return reply(response, 404, `There is no handle ${pathname}; use / or /ping.\n`)
  if (request.method !== 'POST' && !searchParams.has('query')) return reply(response, 200, 'Ok.\n')
  const { writer } = service
  const bodyBytesMax = writer ? writerBytesMax : readerBytesMax
  const question = await readQuestion(request, { bodyBytesMax, inserts: writer })
  const role = roleOf(question, writer)
  if (question.sql.trim() === '') throw exception(62, 'SYNTAX_ERROR', 'Empty query')
  await (role === 'writer' ? write : read)(service, { question, response, gone })
}

/** Why this request is not one that a program of this machine sends, if so. */
function strangeness(request: IncomingMessage): string | undefined {
  const host = (request.headers.host ?? '').replace(/:\d+$/, '').toLowerCase()
  if (!['127.0.0.1', 'localhost', '[::1]'].includes(host))
    return 'This server answers to 127.0.0.1, localhost and [::1] only.\n'
  const site = request.headers['sec-fetch-site'] ?? 'none'
  if (site !== 'none' && site !== 'same-origin') return 'Pages of other sites are not answered.\n'
  return undefined
}

function roleOf({ user, password }: Question, writer: boolean): 'reader' | 'writer' {
  if (password === '' && (user === 'ebb' || user === 'default')) return 'reader'
  if (password === '' && writer && user === 'writer') return 'writer'
  throw exception(
    516,
    'AUTHENTICATION_FAILED',
    `${user}: there is no such user, or the password is wrong.`,
  )
}

/** These formats have neither head nor foot, so pieces of them one after the other are one whole. */
const streamed =
  /^(JSONEachRow|JSONLines|NDJSON|JSONCompactEachRow|TabSeparated|TSV|TabSeparatedRaw|TSVRaw|CSV|RowBinary|Native)$/

async function read(service: Service, exchange: Exchange): Promise<void> {
  const { question, gone } = exchange
  const statement = await service.gate(question.sql)
  const format = statement.format ?? question.format
  const streams = statement.isSelect && streamed.test(format)
  const settings = {
    ...question.settings,
    ...(streams ? {} : { max_result_bytes: wholeResultBytesMax }),
    // The last word: nothing can be set after it.
    readonly: 1,
  }
  const want = { database: databaseOf(service, question), settings }
  await service.pool.use(want, gone, connection =>
    answer(exchange, format, () =>
      streams
        ? connection.stream(statement.sql, format, question.params)
        : connection.result(statement.sql, format, question.params),
    ),
  )
}

/** What an insert answers. */
const nothing = { bytes: new Uint8Array(), rowsRead: 0, bytesRead: 0, elapsedSeconds: 0 }

async function write(service: Service, exchange: Exchange): Promise<void> {
  const { question, gone } = exchange
  const { sql, rows, format, params, settings } = question
  const want = { database: databaseOf(service, question), settings }
  await service.pool.use(want, gone, connection =>
    answer(exchange, format, () =>
      rows
        ? connection.insertLines(rows).then(() => nothing)
        : connection.result(sql, format, params),
    ),
  )
}

function databaseOf({ store }: Service, { database }: Question): string {
  const name = database === undefined || database === 'default' ? store.database : database
  if (!/^[A-Za-z_]\w*$/.test(name))
    throw exception(81, 'UNKNOWN_DATABASE', `There is no database ${name}.`)
  return name
}

/** Says when the client has left before it had the whole answer. */
function goneSignal(response: ServerResponse): AbortSignal {
  const gone = new AbortController()
  response.once('close', () => {
    if (!response.writableFinished) gone.abort()
  })
  return gone.signal
}

function reply(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=UTF-8' })
  response.end(text)
}

function fail(response: ServerResponse, error: unknown): void {
  if (response.headersSent || response.destroyed) return void response.destroy()
  const { code, status, text } = exceptionOf(error)
  response.setHeader('x-clickhouse-exception-code', code)
  // What is left of a request that was too large is not read.
  if (status === 413) response.setHeader('connection', 'close')
  reply(response, status, text)
}
