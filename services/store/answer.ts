/** An answer on its way: head, pieces, and, if it fails in the middle, ClickHouse's block with the error. */

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import type { EngineResult } from './connection.ts'
import { exceptionOf } from './exception.ts'
import type { Question } from './question.ts'

const contentTypes: readonly (readonly [RegExp, string])[] = [
  [
    /^JSON(Compact|Strings|CompactStrings)?EachRow|^NDJSON$|^JSONLines$/,
    'application/x-ndjson; charset=UTF-8',
  ],
  [/^JSON/, 'application/json; charset=UTF-8'],
  [/^CSV/, 'text/csv; charset=UTF-8; header=absent'],
  [/^(TSV|TabSeparated)/, 'text/tab-separated-values; charset=UTF-8'],
  [/^(RowBinary|Native|Parquet|Arrow|ORC|Avro|MsgPack|BSON|Npy)/, 'application/octet-stream'],
]

/** A request that was understood, and where its answer goes. */
export interface Exchange {
  readonly question: Question
  readonly response: ServerResponse
  /** Aborted when the client leaves before it has the whole answer. */
  readonly gone: AbortSignal
}

/** Resolves when all is sent. Rejects, with nothing sent yet, when the engine refuses; else never. */
export async function answer(
  exchange: Exchange,
  format: string,
  ask: () => AsyncGenerator<Uint8Array> | Promise<EngineResult>,
): Promise<void> {
  const asked = ask()
  if (asked instanceof Promise) {
    const result = await asked
    writeHead(exchange, format, summaryOf(result))
    return send(exchange, [result.bytes])
  }
  // An error before the first piece still gets a status of its own.
  const first = await asked.next()
  const tag = randomBytes(8).toString('hex')
  writeHead(exchange, format, { 'x-clickhouse-exception-tag': tag })
  async function* pieces() {
    if (first.done) return
    yield first.value
    yield* asked as AsyncGenerator<Uint8Array>
  }
  return send(exchange, pieces(), error => exceptionBlock(tag, exceptionOf(error).text))
}

function writeHead(
  { response, question }: Exchange,
  format: string,
  headers: Readonly<Record<string, string>>,
): void {
  const type = contentTypes.find(([pattern]) => pattern.test(format))?.[1]
  response.writeHead(200, {
    'content-type': type ?? 'text/plain; charset=UTF-8',
    'x-content-type-options': 'nosniff',
    'x-clickhouse-format': format,
    'x-clickhouse-timezone': 'UTC',
    ...(question.queryId === undefined ? {} : { 'x-clickhouse-query-id': question.queryId }),
    ...(question.gzip ? { 'content-encoding': 'gzip' } : {}),
    ...headers,
  })
}

function summaryOf({ rowsRead, bytesRead, elapsedSeconds }: EngineResult) {
  const [read_rows, read_bytes] = [String(rowsRead), String(bytesRead)]
  const elapsed_ns = String(Math.round(elapsedSeconds * 1e9))
  const written = { written_rows: '0', written_bytes: '0', total_rows_to_read: '0' }
  const result = { result_rows: '0', result_bytes: '0', elapsed_ns }
  return {
    'x-clickhouse-summary': JSON.stringify({ read_rows, read_bytes, ...written, ...result }),
  }
}

async function send(
  { response, question, gone }: Exchange,
  pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  blockOf?: (error: unknown) => string,
): Promise<void> {
  const body: Writable = question.gzip ? createGzip() : response
  if (body !== response) (body as ReturnType<typeof createGzip>).pipe(response, { end: false })
  let broken = false
  try {
    for await (const piece of pieces)
      if (!body.write(piece)) await once(body, 'drain', { signal: gone })
  } catch (error) {
    broken = true
    if (!gone.aborted && blockOf) body.write(blockOf(error))
  }
  if (gone.aborted) return
  if (body !== response) {
    body.end()
    await finished(body as ReturnType<typeof createGzip>)
  }
  // Without the last chunk of the encoding every client sees that the answer is not whole.
  if (broken) response.socket?.destroySoon()
  else response.end()
}

/** As ClickHouse 25.11 and newer write it; its clients know the tag from the header. */
function exceptionBlock(tag: string, text: string): string {
  const message = text.trimEnd()
  const size = Buffer.byteLength(message) + 1
  return `\r\n__exception__\r\n${tag}\r\n${message}\n${size} ${tag}\r\n__exception__\r\n`
}
