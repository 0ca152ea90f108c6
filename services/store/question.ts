/** A request of ClickHouse's HTTP interface, read: who asks what, in which format, with which settings. */

import type { IncomingMessage } from 'node:http'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import type { EngineSettings, Lines, ParamTexts } from './connection.ts'
import { exception } from './failure.ts'

export interface Question {
  readonly user: string
  readonly password: string
  readonly sql: string
  /** Of an insert whose rows are the whole body, as they came: megabytes that no text is made of. */
  readonly rows: Lines | undefined
  readonly database: string | undefined
  /** For what has no FORMAT clause. */
  readonly format: string
  readonly params: ParamTexts
  /** Those of the URL's settings that are harmless; all others are passed over. */
  readonly settings: EngineSettings
  readonly queryId: string | undefined
  readonly gzip: boolean
}

/** Settings that change how an answer looks or make it smaller, never what may be read or at what cost. */
const harmless =
  /^(output_format_(json|pretty|csv|tsv|decimal|write)_\w+|date_time_output_format|session_timezone|join_use_nulls|extremes|final|limit|offset|max_rows_to_read|max_result_rows)$/

/** Settings of these names may be lowered below what the server gives. */
export const caps = { max_execution_time: 30, max_memory_usage: 536_870_912 } as const

/** What an insert may say about itself. */
const ofInserts =
  /^(input_format_(skip_unknown_fields|null_as_default|parallel_parsing)|max_insert_block_size|async_insert)$/

const insertOfRows =
  /^INSERT INTO (?<table>\w+) (?:\((?<columns>\w+(?:, \w+)*)\) FORMAT JSONCompactEachRow|FORMAT JSONEachRow)\s*$/

export async function readQuestion(
  request: IncomingMessage,
  options: { readonly bodyBytesMax: number; readonly inserts: boolean },
): Promise<Question> {
  const query = new URL(request.url ?? '/', 'http://ebb').searchParams
  if (query.get('compress') === '1' || query.get('decompress') === '1')
    throw exception(48, 'NOT_IMPLEMENTED', 'The native compression is not served; gzip is.')
  if (/multipart/.test(request.headers['content-type'] ?? ''))
    throw exception(48, 'NOT_IMPLEMENTED', 'Parameters are taken from the URL, not from forms.')
  const asked = query.get('query') ?? ''
  const body = await readBody(request, options.bodyBytesMax)
  const insert = options.inserts ? insertOfRows.exec(asked)?.groups : undefined
  const accepts = String(request.headers['accept-encoding'] ?? '')
  const format =
    query.get('default_format') ?? header(request, 'x-clickhouse-format') ?? 'TabSeparated'
  if (!/^\w+$/.test(format)) throw exception(73, 'UNKNOWN_FORMAT', `Unknown format ${format}.`)
  return {
    ...credentials(request, query),
    sql: insert ? asked : [asked, body.toString()].filter(part => part !== '').join('\n'),
    rows: insert && {
      table: insert.table!,
      columns: insert.columns?.split(', '),
      lines: body,
    },
    database: query.get('database') ?? header(request, 'x-clickhouse-database'),
    format,
    params: paramsOf(query),
    settings: settingsOf(query, options.inserts),
    queryId: /^[\w-]{1,64}$/.exec(query.get('query_id') ?? '')?.[0],
    gzip: query.get('enable_http_compression') === '1' && /\bgzip\b/.test(accepts),
  }
}

function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name]
  return typeof value === 'string' ? value : undefined
}

function credentials(request: IncomingMessage, query: URLSearchParams) {
  const basic = /^Basic (.+)$/i.exec(request.headers.authorization ?? '')?.[1]
  const [name, ...rest] = Buffer.from(basic ?? '', 'base64')
    .toString()
    .split(':')
  return {
    user: header(request, 'x-clickhouse-user') ?? query.get('user') ?? (name || 'default'),
    password: header(request, 'x-clickhouse-key') ?? query.get('password') ?? rest.join(':'),
  }
}

function paramsOf(query: URLSearchParams): ParamTexts {
  const pairs = [...query].filter(([name]) => /^param_\w+$/.test(name))
  return Object.fromEntries(pairs.map(([name, text]) => [name.slice('param_'.length), text]))
}

function settingsOf(query: URLSearchParams, inserts: boolean): EngineSettings {
  const settings: Record<string, string | number> = { ...caps }
  for (const [name, value] of query) {
    if (harmless.test(name) || (inserts && ofInserts.test(name))) settings[name] = value
    const cap = name in caps ? caps[name as keyof typeof caps] : 0
    if (Number(value) > 0 && Number(value) < cap) settings[name] = value
  }
  return settings
}

async function readBody(request: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const tooLarge = exception(307, 'TOO_MANY_BYTES', `A request has at most ${bytesMax} bytes.`)
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > bytesMax) throw tooLarge
    chunks.push(chunk)
  }
  const body = Buffer.concat(chunks)
  const encoding = request.headers['content-encoding'] ?? 'identity'
  if (encoding === 'identity') return body
  if (encoding !== 'gzip') throw exception(48, 'NOT_IMPLEMENTED', `${encoding} is not served.`)
  return promisify(gunzip)(body, { maxOutputLength: bytesMax }).catch(error => {
    throw error.code === 'ERR_BUFFER_TOO_LARGE'
      ? tooLarge
      : exception(117, 'INCORRECT_DATA', 'This is no gzip.')
  })
}
